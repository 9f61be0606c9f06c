"""What is watched once a system runs."""
