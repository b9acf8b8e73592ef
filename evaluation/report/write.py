"""Write what was measured as a page to be looked at: one HTML file that needs nothing else.

Example:
    python -m evaluation.report.write --quality evaluation/results/whisper-small/cpu/quality.json
        --coverage evaluation/results/whisper-small/coverage.json
        --layers evaluation/results/whisper-small/cpu/layers.json
        --speed evaluation/results/whisper-small/cpu/speed.json
        --manifest compiled/whisper-small/cpu/manifest.json
        --out evaluation/results/whisper-small/cpu/report.html

With several --quality, a page that compares them, each with what lies beside it: the best first;
every two of them clip by clip, which stdout has too; of one model on the CPU and on an NPU, the
texts side by side, and whose the NPU's loss is. Results of evaluation.run may be among them:
    python -m evaluation.report.write --quality evaluation/results/*/*/quality.json
        --out evaluation/results/comparison.html
"""

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

import jinja2

from common.cli import UserError, run
from common.files import write_text
from evaluation.report import comparison as several
from evaluation.report import (
    condition_sections,
    differences,
    options,
    quality_sections,
    signal_sections,
    speed_sections,
    worst_clips,
)
from evaluation.report import summary as summary_section
from evaluation.report.beside import Files, beside
from evaluation.report.format import counted, size
from evaluation.report.halves import pairings
from evaluation.report.provenance import provenance
from evaluation.scoring.result_files import read_result

LIMIT = 5_000_000  # bytes of a page: clips are dropped from the end until it fits
OPTIONAL = ("coverage", "layers", "keep_float", "speed", "manifest")
CONTENTS = {
    "checks": "Checks",
    "languages": "Languages",
    "halves": "Halves",
    "conditions": "Long, noisy and silent",
    "signal": "States and logits",
    "layers": "Layers",
    "coverage": "Coverage",
    "speed": "Speed",
    "failures": "Failures",
    "clips": "Worst clips",
    "provenance": "Provenance",
}


@functools.cache
def environment() -> jinja2.Environment:
    """Templates beside this module; every text is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def report(
    quality: dict[str, Any],
    files: Files,
    published: list[dict[str, Any]] | None = None,
    limit: int = LIMIT,
) -> str:
    """The page of one hand-off folder.

    Args:
        quality: quality.json.
        files: What else there is.
        published: Figures of speed from elsewhere, to be shown beside.
        limit: Bytes that it may have.

    Raises:
        UserError: It is larger even without clips.
    """
    template = environment().get_template("report.html.j2")
    context = sections(quality, files, published or []) | {"limit": size(limit)}
    clips = worst_clips.clips_of(quality)
    for kept in range(len(clips), -1, -1):
        page = template.render(**context, clips=clips[:kept], dropped=len(clips) - kept)
        if len(page.encode()) <= limit:
            return page
    raise UserError(f"the report takes more than {size(limit)} without any clip; what is so long?")


def sections(
    quality: dict[str, Any], files: Files, published: list[dict[str, Any]]
) -> dict[str, Any]:
    """All that the template is given but the clips."""
    speed = files.get("speed")
    optional = {
        name: make(files[name])
        for name, make in (
            ("layers", signal_sections.layers),
            ("keep_float", signal_sections.keep_float),
            ("coverage", signal_sections.coverage),
            ("speed", lambda found: speed_sections.speed(found, published)),
        )
        if name in files
    }
    shown = dict.fromkeys(("layers", "keep_float", "coverage", "speed")) | optional
    heard = quality["conditions"]
    shown["conditions"] = condition_sections.conditions(heard) if heard else None
    shown_layers = {"layers": shown["layers"] or shown["keep_float"]}
    contents = [pair for pair in CONTENTS.items() if (shown | shown_layers).get(pair[0], True)]
    return {
        "title": f"{quality['model']} for {quality['target']}: evaluation",
        "quality": quality,
        "verdict": summary_section.verdict(quality),
        "sentences": summary_section.sentences(quality, speed),
        "subject": summary_section.subject(quality),
        "tiles": summary_section.tiles(quality, speed),
        "losses": summary_section.losses(quality),
        "contents": contents,
        "checks": summary_section.checks_of(quality),
        "accuracy": quality_sections.accuracy(quality),
        "units": quality_sections.UNITS,
        "pairings": pairings(quality),
        "states": signal_sections.states(quality),
        "logits": signal_sections.logits(quality),
        "failures": quality_sections.failures(quality),
        "others": quality_sections.others(quality),
        "layer_clips": counted(len(files.get("layers", {}).get("clips", [])), "held-out clip"),
        "provenance": provenance(quality, files.get("manifest")),
        "beside": [f"{name}.json" for name in OPTIONAL if name in files],
        **shown,
    }


def comparison(results: list[tuple[dict[str, Any], Files]]) -> str:
    """The page that compares several hand-off folders: of each, quality.json and what else is."""
    return _comparison_page(several.sections(results))


def _comparison_page(context: dict[str, Any]) -> str:
    return environment().get_template("comparison.html.j2").render(**context)


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quality", type=Path, nargs="+", required=True, help="quality.json; several to compare")
    for name in OPTIONAL:
        add(f"--{name.replace('_', '-')}", type=Path, help=f"{name}.json, of one quality.json")
    add(
        "--published", type=options.published, default=[], help="speeds from elsewhere, a JSON list"
    )
    add("--out", type=options.page, required=True, help="the page, .html")
    args = parser.parse_args(argv)
    given = {name: getattr(args, name) for name in OPTIONAL if getattr(args, name)}
    if len(args.quality) > 1:
        if given:
            flag = min(given).replace("_", "-")
            raise UserError(f"--{flag} goes with one --quality; several find their own")
        results = several.in_order([(read_result(path), beside(path)) for path in args.quality])
        context = several.sections(results)
        page = _comparison_page(context)
        print(*differences.lines_of(context["pairs"], several.labels_of(results)), sep="\n")
    else:
        files = beside(args.quality[0], given)
        page = report(read_result(args.quality[0]), files, args.published)
    write_text(args.out, page)
    print(f"{args.out}: {size(len(page.encode()))}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
