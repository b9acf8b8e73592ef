"""The benchmark's folder of own recordings: what is taken of Debian's packages."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import telephone_prompts
from common.cli import UserError

LIST = """; a remark
one: Please enter your agent number.
two: <beep ascending>
silence/1: (1 second of silence now)
short: Thank you.
menus/three: menus/three: “Dial 1: to reach me directly.”
again: Please enter your agent number.
lost: This line has lost-its: end of the line.
absent: No file has these words.
long: This is too long for a window.
"""


def test_what_is_said_once_in_four_words_and_has_a_file_of_fitting_length(tmp_path: Path) -> None:
    for language, (voice, code) in telephone_prompts.VOICES.items():
        said = LIST.replace("agent", f"{code} ö")
        encoding = "latin-1" if language == "es" else "utf-8-sig"
        said = said if language != "es" else said.replace("“", '"').replace("”", '"')
        package = f"asterisk-core-sounds-{language}"
        listed = tmp_path / f"usr/share/doc/{package}/core-sounds-{language}.txt.gz"
        listed.parent.mkdir(parents=True)
        listed.write_bytes(gzip.compress(said.encode(encoding)))
        sounds = tmp_path / "usr/share/asterisk/sounds" / voice
        (sounds / "menus").mkdir(parents=True)
        for name in ("one", "two", "short", "menus/three", "again", "lost", "long"):
            seconds = 40 if name == "long" else 2
            soundfile.write(sounds / f"{name}.wav", np.zeros(8000 * seconds), 8000)
    found = list(telephone_prompts.recordings(tmp_path))
    assert [(name, code, words) for name, _, code, words in found] == [
        entry
        for _, code in telephone_prompts.VOICES.values()
        for entry in (
            ("one", code, f"Please enter your {code} ö number."),
            ("menus/three", code, "Dial 1: to reach me directly."),
        )
    ]
    assert all(file.is_file() for _, file, _, _ in found)


def test_a_missing_package_and_a_machine_without_debians_tools_end_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="asterisk-core-sounds-en: the package is missing"):
        list(telephone_prompts.recordings(tmp_path))
    with pytest.raises(UserError, match=r"no asterisk-core-sounds-\*.deb in it"):
        telephone_prompts.main([str(tmp_path / "out"), "--packages", str(tmp_path)])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no apt-get: this needs Debian"):
        telephone_prompts.main([str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
