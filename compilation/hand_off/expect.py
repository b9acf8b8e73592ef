"""What the golden samples should give on a target, and whether they do."""

import difflib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from calibration.greedy import greedy, rules_of
from common.cli import UserError
from common.files import read_json
from runtime.folder import sessions_of
from runtime.sessions import DecoderSession, EncoderSession

POSITIONS = 50  # of the encoder's states a second: two frames of 10 ms each
EVERY = 5  # of those that hear the clip one is kept; behind it, all states are those of silence
MAX_NEW_TOKENS = 64
# Where the compiled parts could be run, so far from that: another processor may round otherwise.
SLACK = {"cosine": 0.01, "tokens": 0.1}
FEWEST = 0.5  # of the tokens, however short the text is
# Elsewhere, so near to the float model. No NPU has been measured yet: parts of 8 bits on the CPU
# have, calibrated with such a set, and these bounds leave an NPU's own arithmetic a margin: the
# worst clip's distance in cosine and a half more, and a tenth less than its share of tokens.
WORST = {"cosine": 0.932, "tokens": 0.444}
AT_LEAST = {"cosine": 0.9, "tokens": 0.4}
WORST_OF = (
    "the worst of 120 held-out clips in English, French and Russian by whisper-base in 8 bits,"
    " weights and activations of both parts, on the CPU"
)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of the angle between two arrays of one shape, taken as vectors."""
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-30))


def agreement(expected: list[int], tokens: list[int]) -> float:
    """Share of tokens that two texts have in common, in order; 1 is equal."""
    return difflib.SequenceMatcher(None, expected, tokens, autojunk=False).ratio()


def hear(
    encoder: EncoderSession,
    decoder: DecoderSession,
    positions: int,
    generation: SimpleNamespace,
    features: np.ndarray,
    clip: dict[str, Any],
    prompt: list[int],
) -> tuple[np.ndarray, list[int]]:
    """The kept states [kept, d_model] of a clip, and the tokens after its prompt."""
    states = encoder.encode(features)
    rules = rules_of(generation)
    (tokens,) = greedy(decoder, states, [prompt], rules, positions, MAX_NEW_TOKENS)
    return states[0, : int(clip["seconds"] * POSITIONS) + 1 : EVERY], tokens[len(prompt) :]


def run_golden(folder: Path, golden: dict[str, Any], warm_up: bool = False) -> list[dict[str, Any]]:
    """What the parts in a folder make of each golden clip: `states_cosine` to float, `tokens`.

    Args:
        folder: The hand-off folder.
        golden: Its golden samples.
        warm_up: Hear the first clip once before, for nothing: on an NPU, the first generation of a
            process may differ from all others.
    """
    encoder, decoder = sessions_of(folder)
    positions = read_json(folder / "config.json")["max_target_positions"]
    generation = SimpleNamespace(**read_json(folder / "generation_config.json"))
    heard = []
    for clip in golden["clips"][:warm_up] + golden["clips"]:
        features = np.load(folder / f"golden/{clip['name']}_features.npy")
        expected = np.load(folder / f"golden/{clip['name']}_states.npy")
        states, tokens = hear(
            *(encoder, decoder, positions, generation, features, clip, clip["prompt"])
        )
        heard.append({"states_cosine": round(cosine(expected, states), 6), "tokens": tokens})
    return heard[warm_up:]


def expectations(golden: dict[str, Any], heard: list[dict[str, Any]] | None) -> dict[str, Any]:
    """golden.json of a folder: with what its parts gave, or with what they should be near to.

    Args:
        golden: The checkpoint's golden samples.
        heard: What the compiled parts made of them, where they could be run.
    """
    clips = []
    for index, clip in enumerate(golden["clips"]):
        one = heard[index] if heard else {"states_cosine": None, "tokens": clip["tokens"]}
        least = AT_LEAST
        if heard:
            # Another token in a short text is more than its slack.
            share = max(SLACK["tokens"], 1.5 / max(len(one["tokens"]), 1))
            least = {
                "cosine": one["states_cosine"] - SLACK["cosine"],
                "tokens": round(max(1 - share, FEWEST), 3),
            }
        clips.append({**clip, "expected": {**one, "at_least": least}})
    kept = {key: value for key, value in golden.items() if key not in ("clips", "files")}
    return {
        **kept,
        "expected_of": "the compiled parts" if heard else "the float model",
        **({} if heard else {"at_least_from": {**WORST, "of": WORST_OF}}),
        "clips": clips,
    }


def compare(clip: dict[str, Any], heard: dict[str, Any]) -> str:
    """One line on a golden clip.

    Raises:
        UserError: the parts do not give what they should; which half it is.
    """
    expected, least = clip["expected"], clip["expected"]["at_least"]
    near, same = heard["states_cosine"], agreement(expected["tokens"], heard["tokens"])
    said = (
        f"{clip['name']}: states {near:.4f} (cosine to float), {same:.0%} of the tokens as expected"
    )
    if not near >= least["cosine"]:
        raise UserError(
            f"golden clip {said}: the encoder's states should be at {least['cosine']:.4f} or more;"
            " the encoder does not run as it was compiled: wrong cores, or a damaged part"
        )
    if not same >= least["tokens"]:
        why = "does not run as it was compiled"
        if expected["states_cosine"] is None:  # compared with the float model
            why += ", or the model hears badly"
        raise UserError(
            f"golden clip {said}, where {least['tokens']:.0%} should be: the encoder's states are"
            f" right, the decoder {why}"
        )
    return said
