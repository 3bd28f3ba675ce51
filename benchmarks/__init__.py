"""Benchmarks of the performance that the documents promise: `python -m benchmarks NAME [--quick|--full]`."""
