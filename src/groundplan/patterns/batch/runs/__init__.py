"""From a population to part files: a run survives a kill, partition by partition."""
