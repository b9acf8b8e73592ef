"""SHA256SUMS of a hand-off folder, as `sha256sum -c` reads it: every file but itself."""

import re
from pathlib import Path

from common.cli import UserError
from common.files import is_unchanged, sha256_of, write_text

NAME = "SHA256SUMS"
# What comes with a folder that was downloaded or cloned from the Hub.
OF_THE_HUB = re.compile(r"\.gitattributes|\.git/.*|\.cache/huggingface/.*")


def files_of(folder: Path) -> list[str]:
    """Every file in the folder and below, sorted, relative, but for the sums themselves."""
    found = (path for path in folder.rglob("*") if not path.is_dir())
    names = {path.relative_to(folder).as_posix() for path in found} - {NAME}
    return sorted(name for name in names if not OF_THE_HUB.fullmatch(name))


def write(folder: Path) -> None:
    """Write the sums of all files that are there."""
    sums = {name: sha256_of(folder / name) for name in files_of(folder)}
    write_text(folder / NAME, _text(sums))


def _text(sums: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items())


def read(folder: Path) -> dict[str, str]:
    """SHA-256 by file, as written.

    Raises:
        UserError: there are no sums, or they are not as `write` writes them.
    """
    path = folder / NAME
    if not path.is_file():
        raise UserError(
            f"{path} is missing, so nothing can be checked; get the folder again, whole"
        )
    text = path.read_bytes().decode("utf-8", errors="replace")
    sums = {line[66:]: line[:64] for line in text.split("\n")[:-1]}
    if text != _text(dict(sorted(sums.items()))):
        raise UserError(f"{path} was changed; get the folder again, whole")
    return sums


def differences(folder: Path, rewritten: tuple[str, ...] = ()) -> list[str]:
    """A sentence for each file that is missing, extra or changed; none where all agree.

    Args:
        folder: The hand-off folder.
        rewritten: Files that need not agree.

    Raises:
        UserError: there are no sums to compare with.
    """
    listed, found = read(folder), set(files_of(folder))
    listed = {name: digest for name, digest in listed.items() if name not in rewritten}
    missing = [f"{name} is missing" for name in listed if name not in found]
    more = sorted(found - set(listed) - set(rewritten))
    extra = [f"{name} is not listed in {NAME}; remove it" for name in more]
    present = [name for name in listed if name in found]
    changed = [
        f"{name} was changed" for name in present if not is_unchanged(folder / name, listed[name])
    ]
    return [*missing, *extra, *changed]
