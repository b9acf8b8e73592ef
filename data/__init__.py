"""Stage 1: speech and checkpoints, from the Hub or a local folder, checked and written down."""
