"""Parts of a model."""

from qbcompiler._double.parts import available_parts, load_for_part

__all__ = ["available_parts", "load_for_part"]
