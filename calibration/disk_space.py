"""Whether the disk can hold what is missing of a calibration set."""

from pathlib import Path

from calibration import array_cache
from common.disk import require_space

OVERHEAD = 1000  # bytes of disk for a record and an array's header, about
LESS = ", take fewer clips (data.samples_per_language, calibration.fractions)"


def require_space_for(sizes: dict[str, int], cache: Path, what: str) -> bool:
    """Refuse to begin what the disk cannot hold.

    Args:
        sizes: Bytes of the array under each key, about.
        cache: Folder of those that are there, in that of the calibration set.
        what: What needs them.

    Returns:
        Whether any is missing.

    Raises:
        UserError: The disk cannot hold those that are missing.
    """
    missing = [size for key, size in sizes.items() if not array_cache.has(cache, key)]
    require_space(cache.parent, sum(missing) + OVERHEAD * len(missing), what, LESS)
    return bool(missing)
