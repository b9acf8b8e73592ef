"""Which layers lose it, which must stay float, and does calibration cover what they see."""
