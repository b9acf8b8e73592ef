"""Is the data set there? Resolve its revision to a commit, once, before anything is downloaded.

Example:
    python -m data.source --source google/fleurs --revision main --out data/sources/dataset.json

Writes {"source", "revision", "commit"}; the commit is null for a local folder, which is looked at
without any network.
"""

import argparse
from pathlib import Path

from common.cli import UserError, run
from common.files import write_json
from data.cache import Repo, cached_commit

FOLDER = "parquet-data"  # FLEURS keeps its Parquet files in parquet-data/{language}/


def local_folder_of(source: str) -> Path | None:
    """The local folder that `source` names, or None if it is the name of a Hub repository.

    Raises:
        UserError: it can only be a path, and there is no such folder.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise UserError(
            f"source {source!r} is neither a folder on this machine nor a Hub name of the form"
            " owner/name: correct it in config.yaml"
        )
    return None


def dataset_commit(source: str, revision: str) -> str | None:
    """The commit of a data set on the Hub; None for a local folder.

    Raises:
        UserError: the folder or repository is not there, or is not laid out as FLEURS is.
    """
    folder = local_folder_of(source)
    if folder is not None:
        if not (folder / FOLDER).is_dir():
            raise UserError(
                f"the local data set {source} has no folder {FOLDER}/: it must hold"
                f" {FOLDER}/{{language}}/{{split}}-00000-of-00001.parquet as google/fleurs does"
            )
        return None
    repo = Repo("dataset", source)
    if cached_commit(repo, revision) == revision:  # a full commit with files: nothing to ask
        return revision
    # Takes a second to import, and a local source needs none of it.
    from data.hub import resolve

    return resolve(repo, revision)


def main(argv: list[str] | None = None) -> None:
    """Write the data set's commit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, help="Hub name (owner/name) or local folder")
    parser.add_argument("--revision", default="main", help="branch, tag or commit on the Hub")
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args(argv)
    commit = dataset_commit(arguments.source, arguments.revision)
    write_json(
        arguments.out,
        {"source": arguments.source, "revision": arguments.revision, "commit": commit},
    )


if __name__ == "__main__":
    run(main)
