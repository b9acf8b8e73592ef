"""How fast the compiled model is, beside the float one."""
