"""What SEIL's steps cost, against references measured in the same run: see docs/benchmarks.md."""
