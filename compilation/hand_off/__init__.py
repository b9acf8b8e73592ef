"""The hand-off folder: what a device engineer needs to run a compiled model and to check it."""
