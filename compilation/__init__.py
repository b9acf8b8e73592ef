"""Stage 3: each part of a checkpoint, compiled for a target, and the hand-off folder."""
