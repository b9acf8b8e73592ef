"""The ways in which FLEURS is laid out, here and on the Hub, and which files are of one split.

    parquet    parquet-data/{language}/{split}-00000-of-00001.parquet      google/fleurs today
    converted  {language}/{split}/0000.parquet                             its refs/convert/parquet
    tar        data/{language}/{split}.tsv, data/{language}/audio/{split}.tar.gz   before 2025
    files      a folder of one's own: audio files and an index of them, *.csv or *.jsonl

Paths are relative to the repository or folder, with forward slashes.
"""

import re
from collections.abc import Iterable, Sequence

from common.cli import UserError
from data.languages import near_matches

PATTERNS = {
    "parquet": r"parquet-data/(?P<language>[^/]+)/(?P<split>[a-z]+)-[^/]*\.parquet",
    "converted": r"(?P<language>[a-z_0-9]+)/(?:fleurs-)?(?P<split>train|validation|test)"
    r"(?:/[^/]+|[^/]*)\.parquet",
    "tar": r"data/(?P<language>[^/]+)/(?:audio/)?(?P<split>[a-z]+)\.(?:tsv|tar\.gz)",
}
DEEPEST = 3  # folders, at most, that a file of any of them is in
FOLDERS = {"parquet": "parquet-data", "converted": "", "tar": "data"}  # that hold all their files
TAR_SPLITS = {"validation": "dev"}  # what the tar layout calls a split, where it is another name
SHARD = re.compile(r"-\d{5}-of-(?P<count>\d{5})\.parquet$")


def detect(paths: Iterable[str]) -> str | None:
    """The first layout of which there is a file; None if it is none of FLEURS'."""
    paths = list(paths)
    for layout, pattern in PATTERNS.items():
        if any(re.fullmatch(pattern, path) for path in paths):
            return layout
    return None


def split_files(
    layout: str, paths: Iterable[str], language: str, split: str, where: str
) -> list[str]:
    """The paths that hold a split of a language, sorted (of the tar layout: TSV, then archive).

    Raises:
        UserError: there is no such language or split, or a file of it is missing; the message says
            what there is instead, in `where`.
    """
    found = [(path, re.fullmatch(PATTERNS[layout], path)) for path in sorted(paths)]
    matches = [(path, match) for path, match in found if match]
    languages = sorted({match["language"] for _, match in matches})
    if language not in languages:
        near = near_matches(language, languages)
        advice = f"did you mean {near}?" if near else f"it has {_some(languages)}"
        raise UserError(f"{where} has no language {language!r}: {advice}")
    wanted = TAR_SPLITS.get(split, split) if layout == "tar" else split
    mine = [(path, match["split"]) for path, match in matches if match["language"] == language]
    chosen = [path for path, name in mine if name == wanted]
    if not chosen:
        splits = sorted({name for _, name in mine})
        raise UserError(f"{where} has no split {wanted!r} of {language}: it has {_some(splits)}")
    if layout == "tar":
        chosen.sort(key=lambda path: path.endswith(".tar.gz"))
    expected = 2 if layout == "tar" else shard_count(chosen)
    if len(chosen) != expected:
        raise UserError(
            f"{where} has {len(chosen)} of {expected} files of {wanted} of {language}: add those"
            " that are missing"
        )
    return chosen


def shard_count(paths: Sequence[str]) -> int:
    """How many files there must be, by their own names; where those do not say: as many."""
    counts = [int(shard["count"]) for shard in map(SHARD.search, paths) if shard]
    return max(counts, default=len(paths))


def _some(names: list[str]) -> str:
    """A list for a sentence, cut after ten names."""
    return (", ".join(names[:10]) + (", ..." if len(names) > 10 else "")) or "nothing"
