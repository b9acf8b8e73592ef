r"""Fetch the files of one language and split, check them, write their manifest.

Example:
    python -m data.fetch --dataset data/sources/dataset.json --language ko_kr --split validation \
        --out data/sources/validation/ko_kr.json

Files of a Hub data set go to the Hub's ordinary cache and are taken from there, without a request,
when they are in it whole; those of a local folder stay where they are. Writes
{"source", "commit", "layout", "language", "split", "files": [{"path", "bytes", "sha256"}]}.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import listed, read_json, write_json
from data.cache import RemoteFile, Repo, local_folder_of, snapshot
from data.layouts import split_files
from data.local import local_split


def fetch_split(
    dataset: dict[str, Any], language: str, split: str, together: Sequence[str] = ()
) -> list[str]:
    """Have the files of a split, checked; their paths in the data set.

    `together` names what else the run fetches, as `validation/ko_kr`: the disk must hold it all.

    Raises:
        UserError: no such language or split in this data set, or a file cannot be had whole.
    """
    source, commit, layout = dataset["source"], dataset["commit"], dataset["layout"]
    if commit is None:
        return local_split(_folder(source, None), language, split)
    from data import download  # takes a second to import, and a local folder needs none of it

    repo = Repo("dataset", source)
    listed = {file["path"]: RemoteFile(**file) for file in dataset["files"]}
    where = f"{'the cache of ' if dataset.get('offline') else ''}{source} at {commit}"
    wanted = split_files(layout, listed, language, split, where)
    everything = set(wanted)
    for name in together:
        other, code = name.split("/")
        with suppress(UserError):  # what that language lacks, its own job will say
            everything |= set(split_files(layout, listed, code, other, where))
    download.check_space(repo, commit, [listed[path] for path in sorted(everything)])
    for path in wanted:
        download.download(repo, commit, listed[path])
    return wanted


def _folder(source: str, commit: str | None) -> Path:
    """Where the paths of a manifest start."""
    if commit is not None:
        return snapshot(Repo("dataset", source), commit)
    folder = local_folder_of(source, "dataset")
    if folder is None:
        raise UserError(f"the local data set {source} is gone: put it back or correct data.source")
    return folder


def main(argv: list[str] | None = None) -> None:
    """Fetch one language and split and write the manifest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, type=Path, help="written by data.source")
    parser.add_argument("--language", required=True, help="FLEURS code, such as ko_kr")
    parser.add_argument("--split", required=True, help="train, validation or test")
    parser.add_argument(
        "--together",
        nargs="*",
        default=[],
        metavar="SPLIT/LANGUAGE",
        help="what else is to be fetched: the disk is checked for all of it",
    )
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args(argv)
    dataset = read_json(given.dataset)
    paths = fetch_split(dataset, given.language, given.split, given.together)
    files = listed(_folder(dataset["source"], dataset["commit"]), paths)
    kept = {name: dataset[name] for name in ("source", "commit", "layout")}
    record = {**kept, "language": given.language, "split": given.split, "files": files}
    write_json(given.out, record)
    size = sum(file["bytes"] for file in files) / 1e6
    print(f"{given.language} {given.split}: {len(files)} files, {size:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    run(main)
