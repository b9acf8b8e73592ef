"""Configuration classes of the installed generation."""

from qbcompiler._double.generation import CONFIGS

globals().update(CONFIGS)
__all__ = [*CONFIGS]
