"""Measurements that a choice in the code rests on; each runs as `python -m benchmarks.NAME`."""
