"""Whether the disk can hold what is missing of a calibration set."""

from pathlib import Path

from common.disk import require_space

OVERHEAD = 1000  # bytes of disk for a record and an array's header, about
LESS = ", take fewer clips (data.samples_per_language, calibration.fractions)"


def require_space_for(sizes: list[int], folder: Path, part: str) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        sizes: Bytes of each array that is missing, about.
        folder: Of the set.
        part: Encoder or decoder.

    Raises:
        UserError: The disk cannot hold them.
    """
    need = sum(sizes) + OVERHEAD * len(sizes)
    require_space(folder, need, f"the {part}'s calibration set", LESS)
