"""SHA256SUMS of a hand-off folder, as `sha256sum -c` reads it: every file but itself."""

import re
from pathlib import Path

from common.cli import UserError
from common.files import is_unchanged, read_json, sha256_of, write_text

NAME = "SHA256SUMS"
AGAIN = (
    "get the folder again, whole, or where it was built delete it and run the same command again"
)
FREE = (".md", ".py")  # README and script, which may be anyone's
LOADED = (".bin", ".json", ".mxq", ".safetensors", ".xml")  # of what a runtime reads by its name
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
            f"{path} is missing: {folder} is no hand-off folder, or not a whole one; give one such"
            " as compiled/whisper-small/cpu, or get it again"
        )
    text = path.read_bytes().decode("utf-8", errors="replace")
    sums = {line[66:]: line[:64] for line in text.split("\n")[:-1]}
    # Line ends of Windows would be of the names, and every file missing.
    if "\r" in text or text != _text(dict(sorted(sums.items()))):
        raise UserError(f"{path} was changed; {AGAIN}")
    return sums


def check(folder: Path, rewritten: tuple[str, ...] = ()) -> None:
    """Refuse a folder that is not what its sums say.

    Args:
        folder: The hand-off folder.
        rewritten: Files that need not agree.

    Raises:
        UserError: a file is missing, changed or extra, or there are no sums to compare with.
    """
    listed = read(folder)
    _check(folder, {name: listed[name] for name in listed if name not in rewritten})
    _refuse_unlisted(folder, {*files_of(folder)} - {*listed, *rewritten}, "remove what is not")


def check_loaded(folder: Path) -> None:
    """Refuse a folder in which what is loaded is not what its sums say: it may hear, but wrongly.

    Its README and script may be anyone's, and other files beside.

    Raises:
        UserError: a file is missing, changed or not listed, or there are no sums to compare with.
    """
    listed = read(folder)
    _check(folder, {name: listed[name] for name in listed if not name.endswith(FREE)})
    remedy = f"remove it if it is none of the folder's, else {AGAIN}"
    _refuse_unlisted(folder, {"manifest.json", *_lying(folder)} - listed.keys(), remedy)
    files = {file["path"] for file in read_json(folder / "manifest.json")["files"]}
    unlisted = {name for name in files - listed.keys() if not name.endswith(FREE)}
    _refuse_unlisted(folder, unlisted, remedy)


def _lying(folder: Path) -> set[str]:
    """Names of the files that a runtime could read, which looks no deeper."""
    return {path.name for path in folder.iterdir() if path.suffix in LOADED}


def _refuse_unlisted(folder: Path, names: set[str], remedy: str) -> None:
    _refuse(folder, [f"{name} is not listed in {NAME}" for name in sorted(names)], remedy)


def _check(folder: Path, listed: dict[str, str]) -> None:
    missing = [f"{name} is missing" for name in listed if not (folder / name).is_file()]
    _refuse(folder, missing, AGAIN)
    changed = [name for name, digest in listed.items() if not is_unchanged(folder / name, digest)]
    _refuse(folder, [f"{name} was changed" for name in changed], AGAIN)


def _refuse(folder: Path, found: list[str], remedy: str) -> None:
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UserError(f"{folder}: {found[0]}{more}; {remedy}")
