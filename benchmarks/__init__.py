"""What design promises about speed, measured: `python -m benchmarks NAME [--quick]`."""
