"""Exercises that hold a running system to its plan: load, and the promises under it."""
