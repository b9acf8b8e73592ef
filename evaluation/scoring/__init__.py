"""What the packages beside it measure with: errors of texts, intervals, decibels, the gate."""
