"""The table of languages, against the library's."""

import ast
import importlib.util
from pathlib import Path

import pytest

from common.cli import UserError
from data.languages import FLEURS_ONLY, FLEURS_TO_WHISPER, whisper_language


def languages_of_whisper() -> set[str]:
    """The keys of the library's LANGUAGES, read from its source: importing it takes seconds."""
    package = Path(importlib.util.find_spec("transformers").origin).parent
    source = (package / "models" / "whisper" / "tokenization_whisper.py").read_text()
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "LANGUAGES":
            return set(ast.literal_eval(statement.value))
    raise AssertionError("transformers has no LANGUAGES any more")


def test_every_code_is_a_language_of_whisper_and_none_is_left_out():
    known = languages_of_whisper()
    assert set(FLEURS_TO_WHISPER.values()) <= known
    assert len(FLEURS_TO_WHISPER) == len(set(FLEURS_TO_WHISPER.values())) == 83
    assert len(FLEURS_ONLY) == 19  # 102 languages in FLEURS
    assert not {code.split("_")[0] for code in FLEURS_ONLY} & known
    exceptions = {"cmn_hans_cn": "zh", "nb_no": "no", "fil_ph": "tl", "jv_id": "jw"}
    for fleurs, whisper in FLEURS_TO_WHISPER.items():
        assert whisper == exceptions.get(fleurs, fleurs.split("_")[0])


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ko", "'ko' is not a FLEURS code: did you mean ko_kr"),
        ("en_uk", "did you mean en_us"),
        ("zu_za", "'zu_za' is not a language of Whisper"),
        ("klingon-12345", "lists those that can be used"),
    ],
)
def test_other_codes_are_one_sentence(code, sentence):
    with pytest.raises(UserError) as error:
        whisper_language(code)
    assert sentence in str(error.value)
