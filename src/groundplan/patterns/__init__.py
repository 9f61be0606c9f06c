"""The architectures, each a flow that reads from top to bottom; none imports another."""
