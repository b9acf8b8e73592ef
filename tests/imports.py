"""The project's packages, in the order in which they may import one another."""

from common.source_files import ROOT

# A package imports from those before it, and from itself; so do benchmarks, demo and tests.
PACKAGES = ("common", "data", "runtime", "calibration", "compilation", "evaluation", "pipeline")
__all__ = ["PACKAGES", "ROOT"]
