"""One table of everything that was built: size, error rates, verdict, speed, compiler, date.

Made of what is on disk: every hand-off folder, evaluated or not, every result, and results of
boards (evaluation.run), where they are given. Markdown on stdout, and a page with --out.

Example:
    python -m evaluation.report.overview
    python -m evaluation.report.overview --quality board/quality.json --out overview.html

Speeds are those of every speed*.json beside a quality.json: one a machine. The date is when the
folder's manifest was written. A result of another folder than the one that is there says so, and a
speed of another one than the result.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError, run
from common.files import read_json, sha256_of, write_text
from common.model_names import split
from evaluation.report import options
from evaluation.report.format import DASH, bare_percent, counted, significant, size
from evaluation.report.overview_tables import markdown, tables_of
from evaluation.report.speed_sections import sides, value_of
from evaluation.report.summary import verdict
from evaluation.report.write import environment
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.scoring.result_files import of_another_folder, read_result
from evaluation.scoring.sizes import sizes_of

COMPILERS = ("qbcompiler", "nncf", "openvino")


class Built(NamedTuple):
    """A hand-off folder, a result, or both."""

    name: str  # model, and variant
    target: str
    manifest: Path | None  # of the folder, if it is there
    quality: Path | None  # if it was evaluated


def found(compiled: Path, results: Path, boards: list[Path]) -> list[Built]:
    """All that there is, sorted; results of boards behind the pipeline's of the same folder.

    Args:
        compiled: Folder of hand-off folders.
        results: Folder of the pipeline's results.
        boards: quality.json of others.

    Raises:
        UserError: There is nothing.
    """
    places = {
        tuple(path.parent.parts[-2:])
        for path in (*compiled.glob("*/*/manifest.json"), *results.glob("*/*/quality.json"))
    }
    rows = []
    for name, target in sorted(place for place in places if not place[1].startswith(".")):
        manifest = compiled / name / target / "manifest.json"
        own = results / name / target / "quality.json"
        there = {path: path if path.is_file() else None for path in (manifest, own)}
        rows.append(Built(name, target, there[manifest], there[own]))
    for path in boards:
        quality = read_result(path)
        manifest = compiled / quality["model"] / quality["target"] / "manifest.json"
        own = manifest if manifest.is_file() else None
        rows.append(Built(quality["model"], quality["target"], own, path))
    if not rows:
        raise UserError(
            f"nothing is built: {compiled} and {results} hold no manifest.json and no quality.json;"
            " run the pipeline, or name other folders with --compiled and --results"
        )
    return sorted(rows, key=lambda row: (*split(row.name), row.target))


def rows_of(built: list[Built]) -> list[dict[str, Any]]:
    """All rows as they are shown."""
    names = [(one.name, one.target) for one in built]
    return [row_of(one, names.count((one.name, one.target)) == 1) for one in built]


def row_of(built: Built, alone: bool = True) -> dict[str, Any]:
    """A row as it is shown.

    Args:
        built: What it is of.
        alone: No other row is of its model and target; if not, it has the path of its quality.json.
    """
    quality = read_result(built.quality) if built.quality else None
    manifest = read_json(built.manifest) if built.manifest else None
    model, variant = split(built.name)
    judged = verdict(quality) if quality else {"kind": "too", "label": "Not evaluated"}
    doubt = _doubt(built, quality)
    sizes = sizes_of(manifest["parts"]) if manifest else quality["sizes"]
    return {
        "model": model,
        "variant": variant.removeprefix("@") or DASH,
        "target": built.target if alone or not quality else f"{built.target}, {built.quality}",
        "kind": "too" if doubt else judged["kind"],
        "verdict": judged["label"] + doubt,
        "weights": size(sizes["both"]["compiled"]),
        "rates": {task: _rates(cells["all"]) for task, cells in _tasks(quality).items()},
        "languages": {
            task: {code: _compiled(cell) for code, cell in cells["languages"].items()}
            for task, cells in _tasks(quality).items()
        },
        "tokens a second": "; ".join(_speeds(built.quality, quality)) or DASH,
        "compiler": _compilers(manifest) if manifest else DASH,
        "built": _date(built.manifest) if built.manifest else DASH,
    }


def _doubt(built: Built, quality: dict[str, Any] | None) -> str:
    """Where a result is not of the folder that is there."""
    if quality is None:
        return ""
    if built.manifest is None:
        return ", of a folder that is not there"
    same = quality["manifest_sha256"] == sha256_of(built.manifest)
    return "" if same else ", of an earlier folder"


def _tasks(quality: dict[str, Any] | None) -> dict[str, Any]:
    return quality["tasks"] if quality else {}


def _rates(cell: dict[str, Any]) -> str:
    both = (cell["pairings"][pairing]["rate"] for pairing in (FLOAT, COMPILED))
    return " → ".join(map(bare_percent, both))


def _compiled(cell: dict[str, Any]) -> str:
    return bare_percent(cell["pairings"][COMPILED]["rate"])


def _speeds(place: Path | None, quality: dict[str, Any] | None) -> list[str]:
    """The compiled model's speed on each machine that has measured it."""
    told = []
    for path in sorted(place.parent.glob("speed*.json")) if place else ():
        speed = read_result(path, "speed")
        backend, machine = sides(speed)[1], speed["machine"]
        if backend:
            figure = significant(value_of(backend, "tokens_per_second")[0])
            doubt = ", of another folder" if of_another_folder(speed, quality) else ""
            told.append(
                f"{figure} on {machine['processor']}, {counted(machine['cores'], 'core')}{doubt}"
            )
    return told


def _compilers(manifest: dict[str, Any]) -> str:
    """Versions of the compilers of all parts, without what they say of their build."""
    told: dict[str, None] = {}
    for own in manifest["parts"].values():
        versions = own["compiler"].get("quantise") or own["compiler"]
        for name in COMPILERS:
            if versions.get(name):
                told[f"{name} {versions[name].split('-')[0]}"] = None
    return ", ".join(told) or DASH


def _date(manifest: Path) -> str:
    return datetime.fromtimestamp(manifest.stat().st_mtime, UTC).strftime("%Y-%m-%d")


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--compiled", type=Path, default=Path("compiled"), help="folder of hand-off folders")
    add("--results", type=Path, default=Path("evaluation/results"), help="folder of results")
    add("--quality", type=Path, nargs="*", default=[], help="results of boards: quality.json")
    add("--out", type=options.page, help="a page, .html")
    args = parser.parse_args(argv)
    for name in ("compiled", "results"):  # those that nobody has named need not be there
        folder = getattr(args, name)
        if folder != parser.get_default(name) and not folder.is_dir():
            raise UserError(f"--{name} {folder} is no folder; name the one that holds MODEL/TARGET")
    rows = rows_of(found(args.compiled, args.results, args.quality))
    tables = tables_of(rows)
    print(markdown(tables), end="")
    if args.out:
        template = environment().get_template("overview.html.j2")
        kinds = [row["kind"] for row in rows]
        write_text(args.out, template.render(title="What is built", tables=tables, kinds=kinds))
        print(f"{args.out}: {size(args.out.stat().st_size)}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
