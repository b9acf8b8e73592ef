"""Stage 4: does the compiled model still hear."""
