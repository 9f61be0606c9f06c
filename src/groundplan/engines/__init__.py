"""Adapters of external engines, one file each; each imports only the port that it serves."""
