"""report.html: what was measured of a compiled model, made to be looked at."""
