"""How a Whisper is run: its two parts, their float graphs, and the sessions that run them."""
