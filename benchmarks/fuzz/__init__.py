"""Hostile inputs for everything that reads what somebody else may have written: `python -m benchmarks.fuzz`."""
