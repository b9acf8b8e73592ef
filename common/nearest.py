"""What a mistyped name was meant to be."""

import difflib
from collections.abc import Iterable


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint ` (did you mean ...?)` for a mistyped name, or an empty string."""
    matches = difflib.get_close_matches(str(name), [str(a) for a in allowed], n=1, cutoff=0.5)
    return f" (did you mean `{matches[0]}`?)" if matches else ""
