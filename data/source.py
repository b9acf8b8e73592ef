"""Is the data set there? Pin its revision, and list its files, before anything is downloaded.

Example:
    python -m data.source --source google/fleurs --revision main --out data/sources/dataset.json

Writes {"source", "revision", "commit", "layout", "files"} (data/layouts.py says which layouts there
are). The files, [{"path", "bytes", "digest"}], are all that the Hub has in this layout; a local
folder has neither commit nor list: it is looked at where it is, without any network. "offline" says
that only the cache was looked at.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import write_json
from data.cache import CONVERTED, Repo, cached_commit, cached_files, is_offline, local_folder_of
from data.layouts import FOLDERS, detect
from data.local import local_layout


def dataset(source: str, revision: str) -> dict[str, Any]:
    """Where a data set's files are and which there are: what `main` writes.

    Raises:
        UserError: the folder or repository is not there, or is laid out in no way that is known.
    """
    record = {"source": source, "revision": revision}
    folder = local_folder_of(source, "dataset")
    if folder is not None:
        layout = local_layout(folder)
        if layout is None:
            raise UserError(
                f"the local data set {source} has neither {FOLDERS['parquet']}/{{language}}/"
                "{split}-00000-of-00001.parquet, as google/fleurs does, nor an index (*.csv or"
                " *.jsonl with file, language, text) of audio files: correct data.source"
            )
        return record | {"commit": None, "layout": layout}
    return record | _on_hub(Repo("dataset", source), revision)


def _on_hub(repo: Repo, revision: str) -> dict[str, Any]:
    if is_offline():
        return _in_cache(repo, revision)
    from data import hub  # takes a second to import, and a local folder needs none of it

    try:
        commit = hub.resolve(repo, revision)
        top = hub.list_folder(repo, commit)[1]
        layout = next((name for name, path in FOLDERS.items() if path and path in top), None)
        if layout != "parquet" and (converted := hub.converted_commit(repo)):
            commit, layout = converted, "converted"
        files = hub.list_folder(repo, commit, FOLDERS[layout], recursive=True)[0] if layout else []
    except hub.Unreachable as error:
        if cached_commit(repo, revision) is None:
            raise
        print(f"{error}; going on with what is cached", file=sys.stderr)
        return _in_cache(repo, revision)
    listed = [file for file in files if detect([file.path]) == layout]
    if not listed:
        raise UserError(
            f"{repo.name} at {commit} has no folder {FOLDERS['parquet']}/, no branch"
            f" {CONVERTED} and no {FOLDERS['tar']}/{{language}}/*.tsv: it is not laid out as"
            " google/fleurs is"
        )
    return {"commit": commit, "layout": layout, "files": [file._asdict() for file in listed]}


def _in_cache(repo: Repo, revision: str) -> dict[str, Any]:
    """What the cache knows of a data set: nothing is asked."""
    for name in (revision, CONVERTED):
        commit = cached_commit(repo, name)
        files = cached_files(repo, commit) if commit else []
        layout = detect(file.path for file in files)
        if layout:
            listed = [file._asdict() for file in files if detect([file.path]) == layout]
            return {"commit": commit, "layout": layout, "files": listed, "offline": True}
    from data import hub_errors

    raise UserError(hub_errors.offline(repo, revision))


def main(argv: list[str] | None = None) -> None:
    """Write where the data set is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, help="Hub name (owner/name) or local folder")
    parser.add_argument("--revision", default="main", help="branch, tag or commit on the Hub")
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args(argv)
    write_json(arguments.out, dataset(arguments.source, arguments.revision))


if __name__ == "__main__":
    run(main)
