"""Commands that run by themselves: when they are due, one at a time, and what came of them."""
