"""Measure what the documents promise about speed: `python -m benchmarks NAME [--quick]`."""
