r"""Fetch the Parquet files of one language and split, check them, write their manifest.

Example:
    python -m data.fetch --dataset data/sources/dataset.json --language ko_kr --split validation \
        --out data/sources/validation/ko_kr.json

Files of a Hub data set go to the Hub's ordinary cache and are taken from there, without a request,
when they are in it whole; those of a local folder stay where they are. Writes
{"source", "commit", "language", "split", "files": [{"path", "bytes", "sha256"}]}.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import read_json, sha256_of, write_json
from data.cache import Repo, is_whole, snapshot
from data.languages import near_matches
from data.source import FOLDER, local_folder_of

SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-(?P<count>\d{5})\.parquet")


def local_paths(manifest: Path) -> list[Path]:
    """The files of a manifest on this disk, in its order, without any network.

    Raises:
        UserError: a file is gone or has another size than the manifest says.
    """
    record = read_json(manifest)
    folder = _folder(record["source"], record["commit"])
    paths = [folder / file["path"] for file in record["files"]]
    for path, file in zip(paths, record["files"], strict=True):
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            state = "has changed" if path.is_file() else "is gone"
            raise UserError(
                f"{file['path']} of {record['source']}, listed in {manifest}, {state}: delete"
                f" {manifest} and run the same command again"
            )
    return paths


def fetch_split(source: str, commit: str | None, language: str, split: str) -> list[Path]:
    """Have the files `parquet-data/{language}/{split}-*.parquet`, checked; sorted local paths.

    Raises:
        UserError: no such language or split in this data set, or a file cannot be had whole.
    """
    if commit is None:
        folder = _folder(source, None) / FOLDER
        languages = sorted(path.name for path in folder.iterdir() if path.is_dir())
        names = [path.name for path in _parquet_files(folder / language)]
        wanted = _of_split(names, source, languages, language, split)
        return [folder / language / name for name in wanted]
    cached = _cached(snapshot(Repo("dataset", source), commit) / FOLDER / language, split)
    return cached or _downloaded(Repo("dataset", source), commit, language, split)


def _folder(source: str, commit: str | None) -> Path:
    """Where the paths of a manifest start."""
    if commit is not None:
        return snapshot(Repo("dataset", source), commit)
    folder = local_folder_of(source)
    if folder is None:
        raise UserError(f"the local data set {source} is gone: put it back or correct data.source")
    return folder


def _parquet_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _cached(folder: Path, split: str) -> list[Path]:
    """The split's files in the cache if all are there and whole, else nothing."""
    shards = [(path, SHARD.fullmatch(path.name)) for path in _parquet_files(folder)]
    found = [(path, shard) for path, shard in shards if shard and shard["split"] == split]
    if not found or any(int(shard["count"]) != len(found) for _, shard in found):
        return []
    return [path for path, _ in found] if all(is_whole(path) for path, _ in found) else []


def _downloaded(repo: Repo, commit: str, language: str, split: str) -> list[Path]:
    from data import hub  # takes a second to import, and a local or cached split needs none of it

    files, _ = hub.list_folder(repo, commit, f"{FOLDER}/{language}")
    languages = [language] if files else hub.list_folder(repo, commit, FOLDER)[1]
    named = {Path(file.path).name: file for file in files if file.path.endswith(".parquet")}
    wanted = _of_split(list(named), f"{repo.name} at {commit}", languages, language, split)
    return [hub.download(repo, commit, named[name]) for name in wanted]


def _of_split(
    names: list[str], where: str, languages: list[str], language: str, split: str
) -> list[str]:
    """The names that are of this split, sorted, or a sentence that says what there is instead."""
    if not languages:
        raise UserError(f"{where} has no folder {FOLDER}/: it is not laid out as google/fleurs is")
    if language not in languages:
        near = near_matches(language, languages)
        advice = f"did you mean {near}?" if near else f"it has {_some(languages)}"
        raise UserError(f"{where} has no language {language!r}: {advice}")
    wanted = sorted(name for name in names if name.startswith(f"{split}-"))
    if not wanted:
        splits = sorted({name.split("-")[0] for name in names})
        raise UserError(f"{where} has no split {split!r} of {language}: it has {_some(splits)}")
    for shard in filter(None, map(SHARD.fullmatch, wanted)):
        if int(shard["count"]) != len(wanted):
            raise UserError(
                f"{where} has {len(wanted)} of {int(shard['count'])} files of {split} of"
                f" {language}: add those that are missing"
            )
    return wanted


def _some(names: list[str]) -> str:
    """A list for a sentence, cut after ten names."""
    return (", ".join(names[:10]) + (", ..." if len(names) > 10 else "")) or "nothing"


def main(argv: list[str] | None = None) -> None:
    """Fetch one language and split and write the manifest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, type=Path, help="written by data.source")
    parser.add_argument("--language", required=True, help="FLEURS code, such as ko_kr")
    parser.add_argument("--split", required=True, help="train, validation or test")
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args(argv)
    dataset = read_json(arguments.dataset)
    source, commit = dataset["source"], dataset["commit"]
    paths = fetch_split(source, commit, arguments.language, arguments.split)
    files: list[dict[str, Any]] = [
        {
            "path": f"{FOLDER}/{arguments.language}/{path.name}",
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in paths
    ]
    manifest = {"source": source, "commit": commit, "language": arguments.language}
    write_json(arguments.out, {**manifest, "split": arguments.split, "files": files})


if __name__ == "__main__":
    run(main)
