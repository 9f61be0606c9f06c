"""Complete projects that the package ships, each in a folder of its own."""
