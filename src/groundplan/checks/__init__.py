"""Conformance suites: what every adapter of a port must pass, shipped for those who write one."""
