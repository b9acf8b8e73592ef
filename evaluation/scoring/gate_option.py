"""The gate's bounds on a command line."""

import argparse
import json

BOUNDS = ("word_accuracy", "language_word_accuracy", "rate_rise", "failures")
HELP = f"bounds, as evaluation.gate of config.yaml, as JSON: {', '.join(BOUNDS)}, each from 0 to 1"


def bounds(text: str) -> dict[str, float]:
    """The bounds of a command line: JSON, as evaluation.gate of the configuration has them.

    Raises:
        argparse.ArgumentTypeError: They are others.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or set(found) != set(BOUNDS):
        raise argparse.ArgumentTypeError(f"it is no JSON object with {', '.join(BOUNDS)}")
    for name, value in found.items():
        if type(value) not in (int, float) or not 0 <= value <= 1:  # true and false are ints, too
            told = json.dumps(value)
            raise argparse.ArgumentTypeError(f"{name} is {told}, and no number from 0 to 1")
    return found
