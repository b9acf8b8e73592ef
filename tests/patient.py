"""A model for a worker's process that does what the tests of it need."""

import time
from collections.abc import Callable
from typing import Any

from common.cli import UserError


class Patient:
    """Says what it is given, piece by piece.

    Args:
        refusal: Why it cannot be made, if it cannot.
    """

    def __init__(self, refusal: str = "") -> None:
        if refusal:
            raise UserError(refusal)

    def spell(self, text: str, say: Callable[[str], None]) -> int:
        """Each letter, and how many there are."""
        for letter in text:
            say(letter)
        return len(text)

    def refuse(self, _: Any) -> None:
        """Never."""
        raise UserError("not this")

    def wait(self, say: Callable[[str], None]) -> None:
        """For a minute, having said so."""
        say("waiting")
        time.sleep(60)

    def end(self, _: Any) -> None:
        """The process ends, as one that the system ends."""
        raise SystemExit(7)
