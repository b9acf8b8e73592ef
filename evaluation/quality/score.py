"""Score what was heard: error rates with intervals, failures, states and logits, and the gate.

Example:
    python -m evaluation.quality.score
        --transcripts evaluation/results/whisper-small/cpu/transcripts.json
        --conditions evaluation/results/whisper-small/cpu/conditions.json
        --gate '{"word_accuracy": 0.99, "language_word_accuracy": 0.98, "rate_rise": 0.05,
                 "failures": 0.005}'
        --out evaluation/results/whisper-small/cpu/quality.json
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError, run
from common.files import write_json
from evaluation.scoring.checks import ACCURACY
from evaluation.scoring.conditions import figures_of
from evaluation.scoring.gate import judge
from evaluation.scoring.gate_option import BOUNDS, HELP, bounds
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.scoring.result_files import read_result
from evaluation.scoring.task_statistics import KINDS, Row, by_task, cell, heard_kinds, scored

WORST = 10


def not_judged(missing: list[str]) -> dict[str, Any]:
    """The gate of a result for which something is missing."""
    sentence = f"not judged: no {' and no '.join(missing)}"
    return {"passed": None, "sentence": sentence, "checks": [], "unheard": {}}


def by_language(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows, or facts of clips, of each language, by name."""
    found = defaultdict(list)
    for row in rows:
        found[row["language"]].append(row)
    return dict(sorted(found.items()))


def states(clips: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and least of each distance of the encoder's states."""
    result = {}
    for key in ("cosine", "sqnr_db", "psnr_db"):
        found = [clip["states"][key] for clip in clips if clip["states"]]
        values = [value for value in found if value is not None]
        result[key] = {"mean": float(np.mean(values)), "min": min(values)} if values else None
    return result


def logits(clips: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the tokens of each band."""
    bands: dict[str, dict[str, float]] = {}
    for clip in clips:
        for band, sums in clip.get("logits", {}).items():
            held = bands.setdefault(band, dict.fromkeys(sums, 0))
            for key, value in sums.items():
                held[key] += value
    return {
        band: {
            "tokens": held["tokens"],
            "kl": held["kl"] / held["tokens"],
            "top1": held["top1"] / held["tokens"],
            "psnr_db": held["psnr_db"] / held["with_psnr"] if held["with_psnr"] else None,
        }
        for band, held in bands.items()
    }


def detection(clips: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Share of clips whose language is detected rightly; None where a model knows only one."""

    def of(some: list[dict[str, Any]]) -> dict[str, Any]:
        right = {
            kind: float(np.mean([one["detected"][kind] == one["whisper_language"] for one in some]))
            if kind in some[0]["detected"]
            else None
            for kind in KINDS
        }
        return {**right, "clips": len(some)}

    asked = [clip for clip in clips if clip["detected"]]
    if not asked:
        return None
    languages = {language: of(some) for language, some in by_language(asked).items()}
    return {"all": of(asked), "languages": languages}


def worst(rows: list[Row], seconds: dict[str, float]) -> list[dict[str, Any]]:
    """The clips that lose most, worst first: then those that are heard worst."""
    kinds = heard_kinds(rows)

    def key(row: Row) -> tuple[float, float]:
        before, after = (
            row["errors"][pairing].capped / row["errors"][pairing].units if kind in kinds else 0
            for kind, pairing in KINDS.items()
        )
        return before - after, -after

    wrong = [row for row in sorted(rows, key=key) if row["errors"][COMPILED].edits]
    kept = ("clip", "language", "task", "reference")
    return [
        {key: row[key] for key in kept}
        | {"seconds": seconds[row["clip"]]}
        | {kind: row["texts"].get(pairing) for kind, pairing in KINDS.items()}
        | {
            "errors": {
                kind: row["errors"][pairing].rate if kind in kinds else None
                for kind, pairing in KINDS.items()
            }
        }
        for row in wrong[:WORST]
    ]


def harm_of(task: str, checks: list[dict[str, Any]]) -> dict[str | None, bool]:
    """Where the gate has found that errors rose: by language, and under None over all of them."""
    own = [check for check in checks if check["task"] == task and check["what"] == ACCURACY]
    return {check["language"]: check["harm"] for check in own}


def cells_of(
    rows: list[Row], unheard: dict[str, float], harm: dict[str | None, bool]
) -> dict[str, Any]:
    """The cells of a task; that of all languages leaves out those that float does not hear."""
    languages = by_language(rows)
    decide = [row for row in rows if row["language"] not in unheard] or rows
    return {
        "all": cell(decide, harm.get(None)),
        "languages": {name: cell(ones, harm.get(name)) for name, ones in languages.items()},
        "unheard": unheard,
    }


def score(
    heard: dict[str, Any], gate: dict[str, float] | None, conditions: dict[str, Any] | None = None
) -> dict[str, Any]:
    """quality.json of transcripts.json.

    Args:
        heard: transcripts.json.
        gate: The bounds, as `evaluation.gate` of the configuration has them, if it is to be judged.
        conditions: conditions.json of the same folder, if any condition was heard.

    Raises:
        UserError: They are of another folder.
    """
    if conditions and conditions["manifest_sha256"] != heard["manifest_sha256"]:
        raise UserError("--conditions is of another hand-off folder than --transcripts; hear again")
    rows, clips = [scored(row) for row in heard["rows"]], heard["clips"]
    tasks, others = by_task(rows), by_task(map(scored, conditions["rows"] if conditions else []))
    needed = {"texts of the float model": FLOAT in rows[0]["texts"], "bounds": gate}
    missing = [name for name, found in needed.items() if not found]
    judged = not_judged(missing)
    if needed["texts of the float model"]:
        # Harm is found without bounds, too.
        judged = judge(tasks, gate or dict.fromkeys(BOUNDS, 0.0), others)
    cells = {
        name: cells_of(some, judged["unheard"].get(name, {}), harm_of(name, judged["checks"]))
        for name, some in (tasks | others).items()
        if some[0]["reference"]
    }
    languages = {language: states(some) for language, some in by_language(clips).items()}
    return {
        **{key: heard[key] for key in ("model", "target", "folder", "manifest_sha256", "sizes")},
        "beams": heard.get("beams", 1),
        **{key: heard[key] for key in ("power", "power_mode") if key in heard},
        "clips": len(clips),
        "tasks": {task: cells[task] for task in tasks},
        "conditions": conditions
        and {
            "heard": {
                name: figures_of(name, some, cells.get(name)) for name, some in others.items()
            },
            "missing": conditions["missing"],
        },
        "detection": detection(clips),
        "encoder_states": {"all": states(clips), "languages": languages},
        "logits": logits(clips),
        "worst": worst(rows, {clip["clip"]: clip["seconds"] for clip in clips}),
        "gate": not_judged(missing) if missing else judged,
    }


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transcripts", type=Path, required=True, help="transcripts.json")
    parser.add_argument("--conditions", type=Path, help="conditions.json")
    parser.add_argument("--gate", type=bounds, required=True, help=HELP)
    parser.add_argument("--out", type=Path, required=True, help="quality.json")
    args = parser.parse_args(argv)
    heard = read_result(args.transcripts, "transcripts")
    conditions = read_result(args.conditions, "conditions") if args.conditions else None
    write_json(args.out, score(heard, args.gate, conditions))


if __name__ == "__main__":
    run(main)
