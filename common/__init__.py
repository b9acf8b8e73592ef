"""What every stage uses: how files are written and how a command ends."""
