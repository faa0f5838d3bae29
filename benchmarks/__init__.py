"""Benchmarks: what the engine takes, beside floors measured in the same run."""
