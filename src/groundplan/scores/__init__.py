"""Published scores: immutable versions of one answer per key, read by lookup.

`version` is what a version says of itself, `scored` one answer, `store` the port that every
adapter fills. `embedded` is the adapter that needs no server: one memory-mapped file a version.
"""
