"""One file for whoever has to help with an NPU part: versions, logs, arguments, manifests.

Nothing that is large or somebody's is in it: no weights, no speech, no texts, no access tokens, no
names of users and machines.
"""

import getpass
import json
import platform
import re
import socket
import zipfile
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_json, replacing

LOGS = ("logs/*_npu_part/*.log", "logs/assemble_hand_off/*.log")
RECORDS = (
    "compilation/graphs/*/*/*.mblt.json",
    "compilation/parts/*/*/*.json",
    "calibration/sets/*/*/manifest.json",
    "compiled/*/*/manifest.json",
)
# Keys of what was said, by whom, and what was made of it.
SPEECH = ("samples", "set_aside", "clips", "text", "texts", "tokens", "transcription", "reference")
# What lets somebody in, in this order, behind what is kept: in addresses, headers, settings.
ACCESS = (
    re.compile(r"(//)(?:[^\s/@:\"']+:[^\s\"']+|[^\s/@\"']+)(?=@)"),
    re.compile(r"((?:\bbearer|\bauthorization\W{1,8}basic)\s+)[^\s\"']+", re.IGNORECASE),
    re.compile(
        r"((?:token(?!\W{1,8}\d{1,6}(?![^\s,;)}\]]))"  # a number is one of text
        r"|secret|passw(?:or)?d|passphrase|(?:api|access|secret|private)[-_]?key)[^\w\n]{1,8})"
        r"(?:(?<=[\"'])[^\"'\n]+|\w[^\s\"']*)",
        re.IGNORECASE,
    ),
    re.compile(  # curl -u user:password
        r"((?<!\S)(?:-u\s*|--user[\s=]+)[\"']?)(?:(?<=[\"'])[^\"'\n:]+:[^\"'\n]+|[^\s\"':]+:[^\s\"']+)"
    ),
    re.compile(r"()\bhf_\w+"),
)
HOMES = re.compile(r"/(?:home|Users)/[^/\s\"']+|/root\b")


def without_speech(value: Any) -> Any:
    """What a manifest holds, with a count in place of what is made of somebody's speech."""
    if isinstance(value, dict):
        return {
            key: f"{len(inner)} left out"
            if key in SPEECH and isinstance(inner, list | dict | str)
            else without_speech(inner)
            for key, inner in value.items()
        }
    return [without_speech(inner) for inner in value] if isinstance(value, list) else value


def without_names(text: str, folder: Path) -> str:
    """A text without access tokens, homes, and the names of this user, machine and folder."""
    for pattern in ACCESS:
        text = pattern.sub(r"\1(left out)", text)
    text = HOMES.sub("~", text.replace(str(folder), "."))
    host = socket.gethostname()
    for name, instead in ((_user(), "user"), (host, "host"), (host.split(".")[0], "host")):
        # root is a word of its own, and an address begins with a number.
        if name not in ("root", "") and not name.isdigit():
            text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", instead, text)
    return text


def _user() -> str:
    """This user's name; empty where the machine knows none of that number, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _record(path: Path) -> str:
    """A manifest without speech; why there is none, where a file is no JSON."""
    try:
        return json.dumps(without_speech(read_json(path)), indent=2, ensure_ascii=False)
    except UserError as error:
        return f"left out, {path.stat().st_size} bytes: {error}\n"


def write(out: Path, folder: Path, table: str, versions: dict[str, Any]) -> list[str]:
    """Write the file; the names of what is in it.

    Args:
        out: A .zip.
        folder: The project, in which the pipeline has run.
        table: Of what can be compiled here.
        versions: What the compiler's interpreter has.
    """
    machine = {"system": platform.platform(), "python": platform.python_version()}
    texts = {"doctor.txt": table, "versions.json": json.dumps(machine | versions, indent=2)}
    for pattern in LOGS:
        for path in sorted(folder.glob(pattern)):
            name = path.relative_to(folder).as_posix()
            texts[name] = path.read_text(encoding="utf-8", errors="replace")
    for pattern in RECORDS:
        for path in sorted(folder.glob(pattern)):
            texts[path.relative_to(folder).as_posix()] = _record(path)
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in texts.items():
            file.writestr(name, without_names(text, folder))
    return list(texts)
