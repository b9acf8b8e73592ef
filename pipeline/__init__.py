"""What the Snakefile does in Python: configuration, what jobs read, the run as a whole."""
