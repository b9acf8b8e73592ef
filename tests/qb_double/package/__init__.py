"""Stand-in for the NPU vendor's compiler: the names of the installed generation."""

from qbcompiler._double.calls import entry
from qbcompiler._double.generation import CONFIGS, latest, signature, since
from qbcompiler._double.parsing import parse
from qbcompiler._double.quantising import quantise
from qbcompiler._version import __version__

mblt_compile = entry("mblt_compile", signature("mblt_compile"), parse)
mxq_compile = entry("mxq_compile", signature("mxq_compile"), quantise)
NAMES = {**(CONFIGS if since(1, 4) else {}), **latest("BUILDERS")}
globals().update(NAMES)
__all__ = ["__version__", "mblt_compile", "mxq_compile", *NAMES]
