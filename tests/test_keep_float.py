"""The fewest layers that must stay float are found in few tries, and the tries say their cost."""

import sys
from pathlib import Path

import pytest
import yaml

from common.cli import UserError
from common.files import read_json, write_json
from compilation import keep_float
from compilation.keep_float import Found, fewest

COMMAND = """
import json, sys, yaml
from pathlib import Path
kept = yaml.safe_load(Path(sys.argv[1]).read_text())["compilation"]
names = kept["encoder"]["keep_float"] + kept["decoder"]["keep_float"]
passed = {"b", "c"} <= set(names)
gate = {"passed": passed, "sentence": "passed: 1 check" if passed else "not passed: ko_kr"}
sizes = {"both": {"float": 4000000, "compiled": 1000000 + 300000 * len(names)}}
Path(sys.argv[2]).write_text(json.dumps({"gate": gate, "sizes": sizes}))
with Path(sys.argv[2]).with_name("tries").open("a") as file:
    file.write(f"{len(names)} ")
"""


def tries(most: int, threshold: int, budget: int) -> tuple[Found, list[int]]:
    """How a search ends where `threshold` layers are enough, and what it tried."""
    tried = []

    def passes(count: int) -> bool:
        tried.append(count)
        return count >= threshold

    return fewest(most, passes, budget), tried


@pytest.mark.parametrize("most", [0, 1, 2, 7, 200])
def test_the_fewest_are_found(most: int) -> None:
    for threshold in range(most + 1):
        found, tried = tries(most, threshold, budget=100)
        assert found == (threshold, threshold)
        assert len(tried) == len(set(tried))
        assert len(tried) <= 2 + 2 * max(threshold, 1).bit_length()
        assert all(0 <= count <= most for count in tried)


def test_few_are_tried_first() -> None:
    assert tries(200, 0, 8)[1] == [0]
    assert tries(200, 1, 8)[1] == [0, 1]
    assert tries(200, 6, 8)[1] == [0, 1, 2, 4, 8, 6, 5]


def test_a_budget_that_ends_early_says_what_is_known() -> None:
    assert tries(200, 30, 4) == (Found(None, 5), [0, 1, 2, 4])
    assert tries(200, 30, 8) == (Found(32, 25), [0, 1, 2, 4, 8, 16, 32, 24])
    assert tries(5, 6, 100) == (Found(None, 6), [0, 1, 2, 4, 5])


def write_layers(folder: Path) -> Path:
    """A layers.json of five layers, c and b being the most damaged."""
    rows = {"encoder": [("c", None), ("e", 35.0)], "decoder": [("a", 20.0), ("d", 30.0)]}
    rows["decoder_cross"] = [("b", None)]
    parts = {
        part: [{"layer": name, "sqnr_db": sqnr, "bytes": 100_000} for name, sqnr in pairs]
        for part, pairs in rows.items()
    }
    write_json(folder / "layers.json", {"model": "tiny", "parts": parts})
    return folder / "layers.json"


def arguments(folder: Path, code: str = COMMAND, names: str = "keep.yaml") -> list[str]:
    """The command line of a search in a folder."""
    files = {"layers": write_layers(folder), "quality": folder / "quality.json"}
    files["out"] = folder / "keep.yaml"
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    command = [sys.executable, "-c", code, str(folder / names), str(files["quality"])]
    return [*words, "--", *command]


def test_the_file_holds_the_fewest_layers(tmp_path: Path, capsys) -> None:
    keep_float.main(arguments(tmp_path))
    kept = yaml.safe_load((tmp_path / "keep.yaml").read_text())["compilation"]
    assert kept == {"encoder": {"keep_float": ["c"]}, "decoder": {"keep_float": ["b"]}}
    assert (tmp_path / "tries").read_text().split() == ["0", "1", "2"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 layers float: 1.0 MB, of which 0.0 MB for them; not passed: ko_kr"
    assert lines[2] == "2 layers float: 1.6 MB, of which 0.6 MB for them; passed: 1 check"
    assert lines[-1] == f"2 layers must stay float: {tmp_path / 'keep.yaml'} names them"
    assert read_json(tmp_path / "quality.json")["gate"]["passed"]


def test_a_command_that_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not name"):
        keep_float.main(arguments(tmp_path, names="other.yaml"))
    with pytest.raises(UserError, match="ended with status 3"):
        keep_float.main(arguments(tmp_path, "raise SystemExit(3)"))
    with pytest.raises(UserError, match="has not written"):
        keep_float.main(arguments(tmp_path, "pass"))
