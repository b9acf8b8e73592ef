"""Write what was measured into the hand-off folder: evaluation.json, README.md and the sums.

Example:
    python -m evaluation.describe --quality evaluation/results/whisper-small/cpu/quality.json
        --speed evaluation/results/whisper-small/cpu/speed.json
        --out compiled/whisper-small/cpu/evaluation.json
"""

import argparse
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import sha256_of, write_json
from compilation.hand_off import readme, sums
from evaluation.report.format import counted
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.scoring.result_files import check_same, read_result

NAME, RESULTS = "evaluation.json", "evaluation/results"
REWRITTEN = (NAME, "README.md")
UNITS = {
    "words": "word error rate",
    "characters": "character error rate",
    "mixed": "error rate of words, of characters where they are not spaced",
}
NAMES = {"transcribe": "speech in its language", "translate": "translated to English"}


def described(quality: dict[str, Any], speed: dict[str, Any] | None) -> dict[str, Any]:
    """evaluation.json: `markdown` for people, `metrics` as the Hub's model cards have them."""
    tasks = quality["tasks"]
    metrics = [
        {
            "type": "cer" if cells["all"]["unit"] == "characters" else "wer",
            "name": f"{UNITS[cells['all']['unit']]}, {NAMES[task]}",
            "value": percent(cells["all"]["pairings"][COMPILED]["uncapped"]),
        }
        for task, cells in tasks.items()
    ]
    sentence = quality["gate"]["sentence"]
    text = f"The gate: {sentence}.\n\n{quality_table(quality)}"
    if speed:
        text += f"\n\n{speed_table(speed)}"
    return {
        "passed": quality["gate"]["passed"],
        "sentence": sentence,
        "clips": quality["clips"],
        "manifest_sha256": quality["manifest_sha256"],  # and with it, of the parts that it is of
        "markdown": text,
        "metrics": metrics,
        "tasks": tasks,
        "encoder_states": quality["encoder_states"]["all"],
        "logits": quality["logits"],
        "speed": speed,
    }


def describe(folder: Path, quality: dict[str, Any], speed: dict[str, Any] | None) -> None:
    """Write what was measured of a folder into it.

    Raises:
        UserError: it was measured of another folder, or this one was changed since.
    """
    if speed:
        check_same(speed, quality, "--speed")
    sums.check(folder, REWRITTEN)
    if quality["manifest_sha256"] != sha256_of(folder / "manifest.json"):
        raise UserError(
            f"{quality['model']} for {quality['target']} was measured of another folder than"
            f" {folder}; delete {RESULTS} and run the same command again"
        )
    if quality.get("beams", 1) != 1:
        raise UserError(
            f"{folder} was measured with {quality['beams']} beams, and its figures are those of"
            " greedy search; evaluate it without --beams"
        )
    write_json(folder / NAME, described(quality, speed))
    readme.write(folder)
    sums.write(folder)


def percent(rate: float | None) -> float | None:
    """A rate in percent, as it is shown."""
    return None if rate is None else round(100 * rate, 1)


def quality_table(quality: dict[str, Any]) -> str:
    """A row a language, and for each task the error rates of float and compiled."""
    tasks = quality["tasks"]
    head = ["language", *(f"{task}, float → compiled" for task in tasks)]
    rows = [["all", *(_change(cells["all"]) for cells in tasks.values())]]
    for language in next(iter(tasks.values()))["languages"]:
        found = [cells["languages"].get(language) for cells in tasks.values()]
        rows.append([language, *(_change(cell) if cell else "" for cell in found)])
    return (
        f"Word error rates on {counted(quality['clips'], 'held-out clip')}, whose sentences are in"
        " no calibration clip; of characters (c) where a language does not space words.\n\n"
        f"{_table(head, rows)}"
    )


def _change(cell: dict[str, Any]) -> str:
    rates = [percent(cell["pairings"][pairing]["rate"]) for pairing in (FLOAT, COMPILED)]
    before, after = ("–" if rate is None else rate for rate in rates)
    return f"{before} → {after} %{' c' if cell['unit'] == 'characters' else ''}"


def speed_table(speed: dict[str, Any]) -> str:
    """A row for each way to run the model."""
    head = ["run by", "first token", "each further", "tokens a second", "real-time factor"]
    head += ["memory", "weights"]
    rows = []
    for one in speed["backends"]:
        median = {k: v["median"] for k, v in one.items() if isinstance(v, dict) and "median" in v}
        rows.append(
            [
                one["name"],
                f"{median['first_token_ms']:.0f} ms",
                f"{median['token_ms']:.1f} ms",
                f"{median['tokens_per_second']:.0f}",
                f"{median['real_time_factor']:.2f}",
                f"{one['peak_bytes'] / 1e9:.2f} GB",
                f"{one['size_bytes'] / 1e6:.0f} MB",
            ]
        )
    machine = speed["machine"]
    told = f" {speed['slower']}" if speed["slower"] else ""
    return (
        f"Speed on {machine['processor']}, {counted(machine['cores'], 'core')}, one clip at a time,"
        f" medians of {counted(speed['repeats'], 'repeat')}.{told}\n\n{_table(head, rows)}"
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quality", type=Path, required=True, help="quality.json of the folder")
    parser.add_argument("--speed", type=Path, help="speed.json of the folder")
    parser.add_argument("--out", type=Path, required=True, help="evaluation.json in the folder")
    args = parser.parse_args(argv)
    if args.out.name != NAME:
        raise UserError(f"--out {args.out} is no {NAME}; give that of the hand-off folder")
    speed = read_result(args.speed, "speed") if args.speed else None
    describe(args.out.parent, read_result(args.quality), speed)


if __name__ == "__main__":
    run(main)
