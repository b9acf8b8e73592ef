"""What each generation changes; those newer than the installed version are not installed."""
