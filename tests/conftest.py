"""What the tests share: a tiny checkpoint with random weights, its manifest, and clips."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

from common.files import sha256_of, write_jsonl
from data import checkpoint as data_checkpoint
from demo.tokenizer import build_processor
from runtime import graphs
from tests.builds import build_demo, build_killed, build_real_shapes, build_searched
from tests.forks import use_one_thread

ROOT = Path(__file__).parent.parent
use_one_thread()
BUILDS = {  # one after the other
    "demo": build_demo,
    "real_shapes": build_real_shapes,
    "searched": build_searched,
    "killed": build_killed,
}
FUTURES = pytest.StashKey[dict[str, Future[Path]]]()


def make_checkpoint(folder: Path, *, multilingual: bool = True, mels: int = 80) -> Path:
    """A random Whisper of 2 encoder and 2 decoder layers with the demo's tokenizer; its folder."""
    torch.manual_seed(0)
    processor = build_processor(mels)
    token = processor.tokenizer.convert_tokens_to_ids
    end, start = token("<|endoftext|>"), token("<|startoftranscript|>")
    config = WhisperConfig(
        vocab_size=len(processor.tokenizer),
        num_mel_bins=mels,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        init_std=0.3,
    )
    model = WhisperForConditionalGeneration(config)
    generation = {
        "decoder_start_token_id": start,
        "eos_token_id": end,
        "pad_token_id": end,
        "max_length": 448,
        "no_timestamps_token_id": token("<|notimestamps|>"),
        "prev_sot_token_id": token("<|startofprev|>"),
        "is_multilingual": multilingual,
        "forced_decoder_ids": None,
    }
    if multilingual:
        codes = ["ar", "de", "en", "es", "ko", "ta", "th", "zh"]
        generation["lang_to_id"] = {f"<|{code}|>": token(f"<|{code}|>") for code in codes}
        generation["task_to_id"] = {
            task: token(f"<|{task}|>") for task in ("transcribe", "translate")
        }
    model.generation_config = GenerationConfig(**generation)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def manifest_of(folder: Path, out: Path) -> Path:
    """The checkpoint's manifest, as the data stage writes it."""
    data_checkpoint.main(["--source", str(folder), "--out", str(out)])
    return out


def graphs_of(checkpoint: Path) -> Path:
    """The manifest of a checkpoint's float graphs, which are exported at the first call."""
    out = checkpoint.parent / "float" / checkpoint.stem / "manifest.json"
    if not out.is_file():
        graphs.export(checkpoint, out)
    return out


def make_clips(folder: Path, language: str, whisper_language: str, count: int) -> Path:
    """Clips of tones and noise with a manifest, as the data stage writes them."""
    rng = np.random.default_rng(sum(map(ord, language)))
    lines = []
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        seconds = 1.0 + rng.random()
        time = np.arange(int(16_000 * seconds)) / 16_000
        audio = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 2000) * time)
        audio += 0.05 * rng.standard_normal(len(time))
        path = folder / f"{language}_{index:04d}.wav"
        soundfile.write(path, audio, 16_000, subtype="PCM_16")
        lines.append(
            {
                "file": path.name,
                "sha256": sha256_of(path),
                "seconds": round(seconds, 3),
                "sentence_id": index,
                "recording": f"{language}-{index}.wav",
                "language": language,
                "whisper_language": whisper_language,
                "transcription": "one two",
                "translation": "one two",
            }
        )
    write_jsonl(folder / f"{language}.jsonl", lines)
    return folder / f"{language}.jsonl"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a random multilingual checkpoint."""
    folder = make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "random")
    return manifest_of(folder, folder.parent / "random.json")


@pytest.fixture(scope="session")
def clip_manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Manifests of two clips in German, English and Korean each."""
    folder = tmp_path_factory.mktemp("clips")
    languages = {"de_de": "de", "en_us": "en", "ko_kr": "ko"}
    return [make_clips(folder, fleurs, code, 2) for fleurs, code in languages.items()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of what is built come last: it is built beside the others."""
    items.sort(key=lambda item: max([-1, *map(_build_number, item.fixturenames)]))


def _build_number(fixture: str) -> int:
    return list(BUILDS).index(fixture) if fixture in BUILDS else -1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin with the builds that a test will ask for: they take minutes."""
    if session.config.option.collectonly:
        return
    asked = {name for item in session.items for name in item.fixturenames}
    one_by_one = ThreadPoolExecutor(1)
    futures: dict[str, Future[Path]] = {}
    for name in (name for name in BUILDS if name in asked):
        futures[name] = one_by_one.submit(BUILDS[name], futures)
    session.config.stash[FUTURES] = futures


@pytest.fixture(scope="session")
def demo(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A clean copy in which the README's first command has run; its output is in demo.log."""
    folder = pytestconfig.stash[FUTURES]["demo"].result()
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture(scope="session")
def real_shapes(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A clean copy with the hand-off folders of models with real checkpoints' widths."""
    folder = pytestconfig.stash[FUTURES]["real_shapes"].result()
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture(scope="session")
def searched(demo: Path, pytestconfig: pytest.Config) -> Path:
    """The demo's folder, in which the decoder's float layers were searched for: searched.log."""
    return pytestconfig.stash[FUTURES]["searched"].result()


@pytest.fixture(scope="session")
def killed(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A run that was killed in every stage, and one that nothing disturbs (tests/killed.py)."""
    folder = pytestconfig.stash[FUTURES]["killed"].result()
    yield folder
    shutil.rmtree(folder.parent)
