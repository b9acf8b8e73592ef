"""How often the gate fails models that are no worse, and models that are: a table.

    python -m benchmarks.gate benchmarks/whisper_base.json

Draws clips, with replacement, from what float and int8 model made of real ones. A change without
harm: each clip's two results are swapped at random. Harm is added to such a draw: further words go
wrong, each as likely as any other, or texts become loops. The file has errors and failures, no
texts, of the task and of the conditions; --results makes another of a folder of the pipeline's
results, of transcripts.json and conditions.json.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from benchmarks.gate_pools import TASK, Pools, pools_in, pools_of
from common.cli import run
from common.files import write_text
from evaluation.scoring.checks import ACCURACY
from evaluation.scoring.conditions import LONG, SILENCE
from evaluation.scoring.gate import FAILED, weigh
from evaluation.scoring.pairs import Pairs

Harm = Callable[[Pairs, np.random.Generator], Pairs]


class Case(NamedTuple):
    """A row of the table."""

    what: str
    clips: int  # of each language
    languages: int
    tasks: int
    harm: Harm | None = None
    conditions: bool = False  # whether long, noisy and silent audio is drawn, too


def draw(pool: Pairs, case: Case, rng: np.random.Generator, name: str = "") -> Pairs:
    """Clips of as many languages; either of a clip's results is as likely the float model's.

    Args:
        pool: Real pairs.
        case: How many.
        rng: Which.
        name: Of the condition; tasks hear the same recordings.
    """
    count = case.clips * case.languages
    found = pool.of(rng.integers(0, len(pool.units), count))
    swapped = rng.integers(0, 2, count).astype(bool)
    failures = {
        name: (np.where(swapped, after, before), np.where(swapped, before, after))
        for name, (before, after) in found.failures.items()
    }
    return Pairs(
        np.repeat([f"language{i}" for i in range(case.languages)], case.clips),
        found.units,
        np.where(swapped, found.after, found.before),
        np.where(swapped, found.before, found.after),
        failures,
        np.array([f"{name}{i}" for i in range(count)]),
    )


def more_errors(
    pairs: Pairs, rng: np.random.Generator, rise: float, language: str | None = None
) -> Pairs:
    """Further words go wrong, as many as make this rise of the float model's errors.

    Args:
        pairs: No harm.
        rng: Which words.
        rise: Relative.
        language: The only one in which they do.
    """
    own = np.ones(len(pairs.units), bool) if language is None else pairs.language == language
    right = np.where(own, pairs.units - pairs.after, 0)
    wrong = rng.binomial(right, rise * pairs.before[own].sum() / right.sum())
    return pairs._replace(after=pairs.after + wrong)


def more_loops(pairs: Pairs, rng: np.random.Generator, share: float) -> Pairs:
    """Texts become loops, of which every word is wrong."""
    loops = rng.random(len(pairs.units)) < share
    before, after = pairs.failures["looping"]
    failures = pairs.failures | {"looping": (before, after | loops)}
    return pairs._replace(after=np.where(loops, pairs.units, pairs.after), failures=failures)


HARM = [
    Case("20 % more errors", 100, 1, 1, partial(more_errors, rise=0.2)),
    Case("20 % more errors", 25, 4, 1, partial(more_errors, rise=0.2)),
    Case("15 % more errors", 400, 1, 1, partial(more_errors, rise=0.15)),
    Case("15 % more errors", 100, 4, 1, partial(more_errors, rise=0.15)),
    Case(
        "40 % more errors in one language",
        40,
        17,
        1,
        partial(more_errors, rise=0.4, language="language0"),
    ),
    Case("a loop in 3 % more of the clips", 200, 1, 1, partial(more_loops, share=0.03)),
    Case("a loop in 3 % more of the clips", 50, 4, 1, partial(more_loops, share=0.03)),
]
CASES = [
    *(
        Case("no harm", clips, languages, tasks)
        for languages, counts in ((1, (40, 100, 200, 400)), (17, (3, 10, 40)))
        for clips in counts
        for tasks in (1, 2)
    ),
    *(
        Case("no harm, in any condition", clips, languages, 2, conditions=True)
        for languages, counts in ((1, (40, 200)), (17, (3, 10, 40)))
        for clips in counts
    ),
    *HARM,
    *(case._replace(what=f"{case.what}, conditions heard", conditions=True) for case in HARM),
]

SIZES = [
    *(Case("", clips, 1, 1) for clips in (40, 100, 200, 400, 800, 1600)),
    *(Case("", clips, 17, 1) for clips in (10, 20, 40, 80)),
]
A_LANGUAGE = {LONG: 2, SILENCE: 2}  # recordings; of other conditions, as many as clips
SOME = 20  # draws of which a rise is the median


def failing(pools: Pools, case: Case, gate: dict[str, float], draws: int) -> float:
    """Share of draws that the gate fails.

    Args:
        pools: Real pairs.
        case: What is drawn, and which harm is added.
        gate: The bounds.
        draws: How many times.
    """
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(draws):
        tasks = {f"task{i}": draw(pools[TASK], case, rng) for i in range(case.tasks)}
        if case.harm:
            tasks["task0"] = case.harm(tasks["task0"], rng)
        others = {
            name: draw(own, case._replace(clips=A_LANGUAGE.get(name, case.clips)), rng, name)
            for name, own in pools.items()
            if case.conditions and name != TASK
        }
        failed += any(weighed.verdict() == FAILED for weighed in weigh(tasks, gate, others))
    return failed / draws


def rises_found(pool: Pairs, case: Case, gate: dict[str, float]) -> tuple[float, float]:
    """Rise of the error rate that is found in four of five draws: over all, and in one language.

    Relative to the float model's; medians of some draws.
    """
    rng = np.random.default_rng(0)
    rises: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(SOME):
        for one in weigh({"task0": draw(pool, case, rng)}, gate):
            if one.check.what == ACCURACY:
                more = one.check.found_from(one.critical)
                rises[bool(one.check.language)].append(more / one.check.before.sum())
    return float(np.median(rises[False])), float(np.median(rises[True]))


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path, help="the file")
    parser.add_argument("--draws", type=int, default=1000, help="of each row")
    parser.add_argument("--results", type=Path, help="folder of results to make the file of")
    args = parser.parse_args(argv)
    if args.results:
        write_text(args.pairs, f"{json.dumps(pools_of(args.results))}\n")
    pools = pools_in(args.pairs)
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    gate = config["evaluation"]["gate"]
    print("| change | clips | languages | tasks | the gate fails it |")
    print("| --- | --- | --- | --- | --- |")
    for case in CASES:
        share = failing(pools, case, gate, args.draws)
        columns = (case.what, case.clips * case.languages, case.languages, case.tasks)
        print(f"| {' | '.join(map(str, columns))} | {100 * share:.1f} % |", flush=True)
    print("\n| clips | languages | rise found, all languages | in one language |")
    print("| --- | --- | --- | --- |")
    for case in SIZES:
        rises = (f"{100 * rise:.0f} %" for rise in rises_found(pools[TASK], case, gate))
        print(f"| {case.clips * case.languages} | {case.languages} | {' | '.join(rises)} |")


if __name__ == "__main__":
    run(main)
