"""The fewest layers that must stay float are found in few tries, and the tries say their cost."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.cli import UserError
from common.files import read_json, write_json, write_jsonl
from evaluation.layers import search_keep_float
from evaluation.layers.smallest_count import Found, fewest
from tests.test_score import numbered

GATE = {"word_accuracy": 0.99, "language_word_accuracy": 0.98}
GATE |= {"rate_rise": 0.05, "failures": 0.005}
DAMAGE = {  # c and b being the most damaged
    "encoder": [("c", None), ("e", 35.0)],
    "decoder": [("b", None), ("a", 20.0), ("d", 30.0)],
}
CLIPS = 20
NEEDED = {"b", "c"}  # layers without which nothing is heard


def tries(most: int, threshold: int, budget: int) -> tuple[Found, list[int]]:
    """How a search ends where `threshold` layers are enough, and what it tried."""
    tried = []

    def passes(count: int) -> bool:
        tried.append(count)
        return count >= threshold

    return fewest(most, passes, budget), tried


@pytest.mark.parametrize("most", [1, 2, 7, 200])
def test_the_fewest_are_found(most: int) -> None:
    for threshold in range(1, most + 1):
        found, tried = tries(most, threshold, budget=100)
        assert found == (threshold, threshold)
        assert len(tried) == len(set(tried))
        assert len(tried) <= 2 + 2 * max(threshold, 1).bit_length()
        assert all(1 <= count <= most for count in tried)


def test_few_are_tried_first() -> None:
    assert tries(200, 1, 8)[1] == [1]
    assert tries(200, 6, 8)[1] == [1, 2, 4, 8, 6, 5]


def test_a_budget_that_ends_early_says_what_is_known() -> None:
    assert tries(200, 30, 3) == (Found(None, 5), [1, 2, 4])
    assert tries(200, 30, 7) == (Found(32, 25), [1, 2, 4, 8, 16, 32, 24])
    assert tries(5, 6, 100) == (Found(None, 6), [1, 2, 4, 5])
    assert tries(5, 1, 0) == (Found(None, 1), [])
    assert tries(0, 1, 8) == (Found(None, 1), [])


class Doubles:
    """The modules that a search runs, as functions: what was asked of them, and files as theirs."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, module: str, *arguments: object, what: str) -> None:
        assert what
        words = [str(word) for word in arguments]
        starts = [place for place, word in enumerate(words) if word.startswith("--")]
        ends = [*starts[1:], len(words)]
        pairs = zip(starts, ends, strict=True)
        given = {words[begin]: words[begin + 1 : end] for begin, end in pairs}
        getattr(self, module.split(".")[-1])(given, Path(given["--out"][0]))

    def quantise(self, given: dict[str, list[str]], out: Path) -> None:
        self.asked.append(f"{given['--part'][0]} {' '.join(given['--keep-float'])}".strip())
        write_json(out.with_suffix(".json"), {"settings": {"keep_float": given["--keep-float"]}})
        out.with_suffix(".bin").write_bytes(bytes(1000 + 300 * len(given["--keep-float"])))

    def rank(self, given: dict[str, list[str]], out: Path) -> None:
        assert all(Path(record).is_file() for record in given["--parts"])
        self.asked.append("layers")
        rows = {
            part: [{"layer": name, "sqnr_db": sqnr, "bytes": 100} for name, sqnr in pairs]
            for part, pairs in DAMAGE.items()
        }
        write_json(out, {"model": "tiny", "parts": rows})

    def transcribe_trial(self, given: dict[str, list[str]], out: Path) -> None:
        pairing, text = "float+float", "one two"
        if "--parts" in given:
            pairing, kept = "compiled+compiled", set()
            for record in Path(given["--parts"][0]).glob("*.json"):
                kept |= set(read_json(record)["settings"]["keep_float"])
            text = "one two" if kept >= NEEDED else "one"
        self.asked.append(pairing)
        row = {"language": "de_de", "task": "transcribe", "whisper_language": "de"}
        row |= {"clip": "a.wav", "reference": "one two", "texts": {pairing: text}}
        row |= {"tokens": {pairing: 2}, "at_limit": {pairing: False}}
        write_json(out, {"seconds": 2.0, "audio_seconds": 8.0, "rows": numbered([row] * CLIPS)})


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> Doubles:
    """In place of the processes of a search."""
    found = Doubles()
    monkeypatch.setattr("evaluation.layers.float_trials.run_module", found)
    return found


def search(folder: Path, *options: str, parts: str = "encoder decoder", tries: int = 8) -> Path:
    """Run a search in a folder; what it writes."""
    for part in ("encoder", "decoder"):
        write_json(folder / f"{part}.json", {"part": part})
    write_json(folder / "checkpoint.json", {})
    write_json(folder / "graphs.json", {})
    write_jsonl(folder / "de_de.jsonl", [])
    files = {"checkpoint": "checkpoint.json", "graphs": "graphs.json", "clips": "de_de.jsonl"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(folder / file))]
    words += ["--calibration", str(folder / "encoder.json"), str(folder / "decoder.json")]
    words += ["--search", *parts.split(), "--tries", str(tries), "--gate", json.dumps(GATE)]
    search_keep_float.main([*words, *options, "--out", str(folder / "parts/keep_float.json")])
    return folder / "parts/keep_float.json"


def test_the_fewest_layers_are_chosen(tmp_path: Path, doubles: Doubles, capsys) -> None:
    result = read_json(search(tmp_path))
    assert (result["encoder"], result["decoder"]) == (["c"], ["b"])
    assert result["sentence"] == "2 of 5 layers must stay float"
    assert doubles.asked == [
        *("encoder", "decoder", "compiled+compiled", "float+float", "layers"),
        *("encoder c e", "decoder b a d", "compiled+compiled"),
        *("encoder c", "decoder", "compiled+compiled"),
        *("decoder b", "compiled+compiled"),  # the encoder is as it was
    ]
    assert [(row["layers"], row["bytes"], row["passed"]) for row in result["tries"]] == [
        (0, 2000, False),
        (5, 3500, True),
        (1, 2300, False),
        (2, 2600, True),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == (
        "1 layer float: 0.0 MB, of which 0.0 MB for them; 0.250 s for a second of speech (float"
        " 0.250); " + result["tries"][2]["sentence"]
    )
    assert lines[2].endswith("where 98.0 % at least is asked; 2 more of 7 checks fail")
    assert not list((tmp_path / "parts").rglob("*.bin"))


def test_other_bounds_compile_nothing_that_was_compiled(tmp_path: Path, doubles: Doubles) -> None:
    search(tmp_path)
    done = len(doubles.asked)
    result = read_json(search(tmp_path, "--gate", json.dumps(GATE | {"word_accuracy": 0.5})))
    assert len(result["tries"]) == 4 and len(doubles.asked) == done


def test_stricter_bounds_go_on_where_nothing_stayed_float(
    tmp_path: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as lax:
        lax.setattr("evaluation.layers.float_trials.enough", lambda gate: (True, "passed"))
        result = read_json(search(tmp_path))
    assert len(result["tries"]) == 1 and not list((tmp_path / "parts").rglob("*.bin"))
    result = read_json(search(tmp_path))
    assert result["sentence"] == "2 of 5 layers must stay float"
    assert doubles.asked[4:7] == ["encoder", "decoder", "layers"]


def test_too_few_clips_are_no_ground_to_stop(
    tmp_path: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_keep_float.CLIPS", 3)
    result = read_json(search(tmp_path))
    assert [row["passed"] for row in result["tries"]] == [False, True, False, True]
    assert result["tries"][0]["sentence"].startswith("too few clips to tell, but transcribe: acc")


def test_changed_code_compiles_again(
    tmp_path: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(tmp_path)
    done = len(doubles.asked)
    monkeypatch.setattr("evaluation.layers.float_trials.code_hash", lambda *modules: list(modules))
    search(tmp_path)
    assert doubles.asked[done:] == doubles.asked[:done]


def test_nothing_stays_float_where_the_gate_is_passed(
    tmp_path: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_keep_float.NEEDED", set())
    result = read_json(search(tmp_path))
    assert (result["encoder"], result["decoder"]) == ([], [])
    assert doubles.asked == ["encoder", "decoder", "compiled+compiled", "float+float"]


def test_one_part_alone_can_be_searched(tmp_path: Path, doubles: Doubles) -> None:
    result = read_json(search(tmp_path, "--kept", '{"encoder": ["c"]}', parts="decoder"))
    assert result["decoder"] == ["b"] and "encoder" not in result
    assert doubles.asked[:2] == ["encoder c", "decoder"]
    expected = "^not even with all 3 layers of the decoder in float is the gate passed"
    done = len(doubles.asked)
    with pytest.raises(UserError, match=expected):
        search(tmp_path, parts="decoder")
    assert doubles.asked[done:].count("compiled+compiled") == 2  # none, and all


def test_a_search_that_leaves_nothing_compiled_has_failed(
    tmp_path: Path, doubles: Doubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_keep_float.NEEDED", set("abcde"))
    with pytest.raises(UserError, match=r"^only with all 5 layers .* nothing compiled"):
        search(tmp_path)


def test_used_up_tries_are_not_lost(tmp_path: Path, doubles: Doubles) -> None:
    expected = (
        "^with 1 of the 5 layers of the encoder and decoder in float the gate is not passed,"
        " with all it is, and .*compilation.keep_float_tries"
    )
    with pytest.raises(UserError, match=expected):
        search(tmp_path, tries=3)
    with pytest.raises(UserError, match=r"^with no layer .*keep_float_tries"):
        search(tmp_path, tries=1)
    done = len(doubles.asked)
    assert read_json(search(tmp_path))["sentence"] == "2 of 5 layers must stay float"
    assert doubles.asked[done:] == ["decoder b", "compiled+compiled"]


def test_tries_for_something_else_are_dropped(tmp_path: Path, doubles: Doubles) -> None:
    with pytest.raises(UserError):
        search(tmp_path, tries=2)
    done = len(doubles.asked)
    search(tmp_path, "--tasks", "transcribe")
    assert doubles.asked[done : done + 3] == ["encoder", "decoder", "compiled+compiled"]


def test_the_pipeline_searches_where_it_is_asked_to(demo: Path, searched: Path) -> None:
    parts = "compilation/parts/whisper-micro/cpu"
    said = (searched / "searched.log").read_text(encoding="utf-8")
    assert "0 layers float: " in said and "; passed: 45 checks" in said
    chosen: dict[str, Any] = read_json(searched / parts / "keep_float.json")
    assert chosen["decoder"] == [] and len(chosen["tries"]) == 1
    weights = (searched / parts / "decoder.bin", demo / parts / "decoder.bin")
    assert weights[0].stat().st_ino != weights[1].stat().st_ino
    assert weights[0].read_bytes() == weights[1].read_bytes()
