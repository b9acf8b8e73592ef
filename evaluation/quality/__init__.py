"""How well does the compiled model hear, and which half of it broke."""
