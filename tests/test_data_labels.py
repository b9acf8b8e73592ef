"""Labels equal what the model says of each clip alone, are made once, and survive a kill."""

import copy
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jiwer
import pyarrow.parquet
import pytest
import soundfile
import torch
import yaml
from transformers import GenerationConfig, WhisperForConditionalGeneration, WhisperProcessor

from common.cli import UserError
from common.files import read_json, read_jsonl, sha256_of, write_json, write_jsonl
from data import label_model, labels
from data.cache import local_folder
from data.clips import read_audio
from data.label_store import Label, LabelStore
from data.languages import FLEURS_TO_WHISPER
from evaluation.scoring.text_errors import normalise
from pipeline import config as configuration
from tests.conftest import ROOT, make_checkpoint, make_clips, manifest_of

SENTENCE = r"^[^\n]+$"
TEXT = "raw_transcription"
LIMIT = 24  # tokens a text: a random model would go on to the last


@pytest.fixture(scope="module")
def brief(tmp_path_factory, checkpoint: Path) -> Path:
    """Manifest of the random checkpoint with few positions, so that its texts end soon."""
    folder = tmp_path_factory.mktemp("brief")
    model = WhisperForConditionalGeneration.from_pretrained(local_folder(checkpoint))
    WhisperProcessor.from_pretrained(local_folder(checkpoint)).save_pretrained(folder / "brief")
    positions = model.model.decoder.embed_positions
    positions.weight = torch.nn.Parameter(positions.weight[:LIMIT].clone())
    model.config.max_target_positions = LIMIT
    model.generation_config.max_length = LIMIT
    model.save_pretrained(folder / "brief")
    return manifest_of(folder / "brief", folder / "brief.json")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many clips each call of the encoder got."""
    sizes: list[int] = []

    def load(manifest: Path) -> WhisperForConditionalGeneration:
        model = load_model(manifest)
        hook = lambda _, arguments: sizes.append(len(arguments[0]))  # noqa: E731
        model.model.encoder.register_forward_pre_hook(hook)
        return model

    load_model = label_model.load_model
    monkeypatch.setattr(label_model, "load_model", load)
    return sizes


def run(folder: Path, clips: list[Path], checkpoint: Path | None, *options: str) -> tuple:
    """Both files that the command writes into `folder`."""
    outs = folder / "transcriptions.json", folder / "translations.json"
    maker = ["--reference"]
    if checkpoint is not None:
        manifest = folder / "labels" / "checkpoint.json"
        write_json(manifest, read_json(checkpoint))
        maker = ["--checkpoint", str(manifest)]
    names = [str(path) for path in clips]
    paths = ["--transcriptions", str(outs[0]), "--translations", str(outs[1])]
    labels.main([*maker, "--clips", *names, *paths, *options])
    return tuple(read_json(out) for out in outs)


def alone(manifest: Path, clip: dict, task: str) -> str:
    """What the library's own `generate` says of one clip's features in one pass."""
    folder = local_folder(manifest)
    processor = WhisperProcessor.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    inputs = processor(read_audio(clip), sampling_rate=16_000, return_tensors="pt")
    prompt = {"language": clip["whisper_language"], "task": task}
    once = {"max_new_tokens": LIMIT - 4, "force_unique_generate_call": True}
    ids = model.generate(inputs.input_features, **prompt, **once)
    return processor.decode(ids[0], skip_special_tokens=True).strip()


def test_texts_are_those_of_each_clip_alone(
    tmp_path: Path, brief: Path, clip_manifests: list[Path]
) -> None:
    clips = labels.read_clips(clip_manifests)
    texts, translations = run(tmp_path, clip_manifests, brief)
    names = [str(clip["path"]) for clip in clips]
    assert list(texts) == list(translations) == sorted(names) == names
    assert len(set(texts.values())) > 1 and all(texts.values())
    for name, clip in zip(names, clips, strict=True):
        assert texts[name] == alone(brief, clip, "transcribe")
        english = clip["language"] == "en_us"
        assert translations[name] == {
            "source_language_fleurs": clip["language"],
            "source_language_whisper": clip["whisper_language"],
            "target_language": "en",
            "translation": texts[name] if english else alone(brief, clip, "translate"),
        }


@pytest.mark.parametrize(
    ("batch", "sizes"), [(1, [1] * 6), (4, [4, 2]), (None, [6])], ids=["1", "4", "default"]
)
def test_each_clip_is_encoded_once_and_the_batch_does_not_matter(
    tmp_path: Path,
    brief: Path,
    clip_manifests: list[Path],
    encoded: list[int],
    batch: int | None,
    sizes: list[int],
) -> None:
    options = ["--batch", str(batch)] if batch else []
    if not batch and torch.cuda.is_available():
        pytest.skip("the default of the CPU")
    found = run(tmp_path / "some", clip_manifests, brief, *options)
    assert encoded == sizes
    assert found == run(tmp_path / "two", clip_manifests, brief, "--batch", "2")


def test_english_is_never_translated(
    tmp_path: Path, brief: Path, clip_manifests: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    texts_of = label_model._texts

    def texts(model: object, processor: object, states: object, codes: list, task: str) -> list:
        asked.extend((code, task) for code in codes)
        return texts_of(model, processor, states, codes, task)

    monkeypatch.setattr(label_model, "_texts", texts)
    run(tmp_path, clip_manifests, brief)
    assert sorted(asked) == sorted(
        (code, task)
        for code, tasks in {"de": 2, "en": 1, "ko": 2}.items()
        for task in ("transcribe", "translate")[:tasks] * 2
    )


def test_a_killed_run_goes_on_after_its_last_batch(
    tmp_path: Path,
    brief: Path,
    clip_manifests: list[Path],
    encoded: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = run(tmp_path / "whole", clip_manifests, brief, "--batch", "2")
    make = label_model.label_batch
    calls = []

    def killed(*arguments: object) -> list[Label]:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make(*arguments)

    monkeypatch.setattr(label_model, "label_batch", killed)
    folder = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        run(folder, clip_manifests, brief, "--batch", "2")
    assert not (folder / "transcriptions.json").exists()
    assert not (folder / "translations.json").exists()
    journal = folder / "labels" / "clips.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:-30])  # and the last line was cut
    encoded.clear()
    assert run(folder, clip_manifests, brief, "--batch", "2") == whole
    assert sum(encoded) == 3
    encoded.clear()
    assert run(folder, clip_manifests, brief, "--batch", "2") == whole
    assert encoded == []


def test_a_line_may_be_cut_inside_a_character(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    LabelStore(path).add([("a", Label("하나", "one")), ("b", Label("둘", None))])
    data = path.read_bytes()
    path.write_bytes(data[: data.index("둘".encode()) + 1])
    store = LabelStore(path)
    assert store.find("a") == Label("하나", "one") and store.find("b") is None
    store.add([("c", Label("셋", "three"))])
    store.add([("d", Label("넷", "four"))])
    again = LabelStore(path)
    assert [bool(again.find(key)) for key in "abcd"] == [True, False, True, True]


def test_other_clips_reuse_what_is_there_and_another_checkpoint_nothing(
    tmp_path: Path, brief: Path, checkpoint: Path, clip_manifests: list[Path], encoded: list[int]
) -> None:
    run(tmp_path, clip_manifests[:2], brief)
    encoded.clear()
    more = run(tmp_path, clip_manifests, brief)
    assert sum(encoded) == 2
    encoded.clear()
    fewer = run(tmp_path, clip_manifests[:1], brief)
    assert encoded == []
    for part, whole in zip(fewer, more, strict=True):
        assert len(part) == 2 and part.items() <= whole.items()
    facts = read_json(brief)
    facts["files"][0]["sha256"] = "0" * 64
    write_json(tmp_path / "other.json", facts)
    run(tmp_path, clip_manifests[:1], tmp_path / "other.json")
    assert sum(encoded) == 2


def with_lines(manifest: Path, change: Callable[[dict], dict]) -> Path:
    """A manifest, each line changed."""
    write_jsonl(manifest, [change(line) for line in read_jsonl(manifest)])
    return manifest


def test_reference_takes_the_human_texts(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    german = make_clips(tmp_path, "de_de", "de", 2)
    with_lines(german, lambda x: {**x, "transcription": f"Satz {x['sentence_id']}"})
    english = make_clips(tmp_path, "en_us", "en", 1)
    with_lines(english, lambda x: {**x, "transcription": "One, two.", "translation": None})
    korean = make_clips(tmp_path, "ko_kr", "ko", 3)
    with_lines(korean, lambda x: {**x, "translation": "one" if x["sentence_id"] == 1 else None})
    texts, translations = run(tmp_path, [korean, german, english], None)
    names = [f"{tmp_path}/{clip}.wav" for clip in ("de_de_0000", "de_de_0001", "en_us_0000")]
    assert list(texts)[:3] == list(translations)[:3] == names
    assert [texts[name] for name in names] == ["Satz 0", "Satz 1", "One, two."]
    assert [translations[name]["translation"] for name in names] == [*["one two"] * 2, "One, two."]
    assert len(texts) == 6
    assert list(translations)[3:] == [f"{tmp_path}/ko_kr_0001.wav"]
    told = [line for line in capsys.readouterr().err.splitlines() if "no English reference" in line]
    assert told == [
        f"2 clips have no English reference: 2 ko_kr; {tmp_path}/translations.json is without them"
    ]


def test_reference_needs_no_torch(tmp_path: Path, clip_manifests: list[Path]) -> None:
    outs = ["--transcriptions", str(tmp_path / "a.json"), "--translations", str(tmp_path / "b")]
    arguments = ["--reference", "--clips", *map(str, clip_manifests), *outs]
    program = (
        "import sys; from data.labels import main; main(sys.argv[1:]);"
        " assert not {'torch', 'transformers', 'numba'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", program, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_an_english_only_checkpoint_labels_english(tmp_path: Path, encoded: list[int]) -> None:
    folder = make_checkpoint(tmp_path / "small.en", multilingual=False)
    manifest = manifest_of(folder, tmp_path / "small.en.json")
    english = make_clips(tmp_path / "clips", "en_us", "en", 1)
    texts, translations = run(tmp_path, [english], manifest)
    assert [*texts.values()] == [entry["translation"] for entry in translations.values()] != [""]
    assert encoded == [1]
    others = [make_clips(tmp_path / "clips", code, code[:2], 1) for code in ("ko_kr", "de_de")]
    sentence = f"{SENTENCE[:-1]}small.en cannot label de_de, ko_kr: it is English-only; name a"
    with pytest.raises(UserError, match=sentence):
        run(tmp_path, [english, *others], manifest)


def test_a_language_that_the_checkpoint_lacks_is_named(
    tmp_path: Path, brief: Path, clip_manifests: list[Path], encoded: list[int]
) -> None:
    urdu = make_clips(tmp_path, "ur_pk", "ur", 1)
    with pytest.raises(UserError, match=r"cannot label ur_pk: it does not know the language; name"):
        run(tmp_path, [*clip_manifests, urdu], brief)
    assert encoded == []


def test_a_checkpoint_without_translation_is_refused(clip_manifests: list[Path]) -> None:
    clips = labels.read_clips(clip_manifests)
    known = {f"<|{code}|>": 1 for code in ("de", "en", "ko")}
    generation = GenerationConfig(
        is_multilingual=True, lang_to_id=known, task_to_id={"transcribe": 1}
    )
    with pytest.raises(UserError, match="some/model cannot label de_de, ko_kr: it does not trans"):
        label_model.refuse_languages(clips, generation, "some/model")
    label_model.refuse_languages(clips[2:4], generation, "some/model")  # English


def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, brief: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"absent\.jsonl is missing; make it with `snakemake"):
        run(tmp_path, [tmp_path / "absent.jsonl"], brief)
    clips = make_clips(tmp_path / "clips", "de_de", "de", 1)
    command = ["--checkpoint", "no.json", "--clips", str(clips)]
    with pytest.raises(UserError, match=r"^no\.json is missing; make it with"):
        labels.main([*command, "--transcriptions", "a.json", "--translations", "b.json"])
    with pytest.raises(UserError, match="--batch is 0, and must be at least 1"):
        run(tmp_path, [clips], brief, "--batch", "0")

    def full(*_: object) -> list[Label]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch, pytest.raises(UserError, match=r"too little memory for 3"):
        patch.setattr(label_model, "label_batch", full)
        run(tmp_path, [clips], brief, "--batch", "3")
    (clips.parent / "de_de_0000.wav").write_bytes(b"other")
    with pytest.raises(UserError, match=r"de_de_0000\.wav is missing or was changed"):
        run(tmp_path, [clips], brief)


def test_the_configuration_names_who_makes_the_labels() -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    cases = {
        "data lacks the key `labels`": None,
        r"data\.labels lacks the key `model`": {"revision": "main"},
        r"data\.labels\.model is empty, .*\(Hub repository, local folder, or ref": {"model": ""},
        r"data\.labels has no key `modle` \(did you mean `model`\?\)": {"model": "x", "modle": "x"},
        r"data\.labels is `reference`, and must be a mapping": "reference",
    }
    for sentence, value in cases.items():
        changed = copy.deepcopy(config)
        del changed["data"]["labels"]
        if value is not None:
            changed["data"]["labels"] = value
        with pytest.raises(UserError, match=sentence):
            configuration.check(changed, FLEURS_TO_WHISPER)
    config["data"]["labels"] = {"model": "reference"}
    configuration.check(config, FLEURS_TO_WHISPER)


def demo_speech(language: str, *columns: str) -> list[dict]:
    """Columns of the demo's speech in one language."""
    files = (ROOT / "demo/fleurs/parquet-data" / language).glob("validation-*.parquet")
    return pyarrow.parquet.read_table(next(files), columns=list(columns)).to_pylist()


def demo_clips(folder: Path, language: str, count: int) -> Path:
    """Manifest of the first clips of the demo's speech in one language."""
    english = {row["id"]: row[TEXT] for row in demo_speech("en_us", "id", TEXT)}
    folder.mkdir(exist_ok=True)
    lines = []
    for index, row in enumerate(demo_speech(language, "id", TEXT, "audio")[:count]):
        path = folder / f"{language}_{index:04d}.wav"
        audio, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        soundfile.write(path, audio, rate, subtype="PCM_16")
        lines.append(
            {
                "file": path.name,
                "sha256": sha256_of(path),
                "seconds": len(audio) / rate,
                "language": language,
                "whisper_language": FLEURS_TO_WHISPER[language],
                "transcription": row[TEXT],
                "translation": english[row["id"]],
            }
        )
    write_jsonl(folder / f"{language}.jsonl", lines)
    return folder / f"{language}.jsonl"


def test_the_demos_model_understands_the_demos_speech(tmp_path: Path) -> None:
    checkpoint = manifest_of(ROOT / "demo/model", tmp_path / "demo.json")
    clips = [demo_clips(tmp_path / "clips", language, 4) for language in ("de_de", "es_419")]
    texts, translations = run(tmp_path, clips, checkpoint)
    references = labels.reference_labels(labels.read_clips(clips))
    heard = [entry["translation"] for entry in translations.values()]
    for number, found in enumerate((list(texts.values()), heard)):
        said = [reference[number] for reference in references]
        rate = jiwer.wer(*([normalise(text, "de") for text in side] for side in (said, found)))
        assert rate < 0.2, (said, found)
