"""Configuration objects of 1.2."""

from qbcompiler._double.configs_1_1 import *  # noqa: F403
from qbcompiler._double.configs_1_1 import __all__ as __all__
