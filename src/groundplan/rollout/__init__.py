"""Builds and the channels that point at them."""
