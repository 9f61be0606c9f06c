"""From a key to an answer: in process, over HTTP, and where a key was not scored."""
