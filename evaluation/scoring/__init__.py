"""How wrong is a text, how sure is that, and is it good enough."""
