"""How does the compiled model hear long, noisy and silent audio, and where does it end segments."""
