"""A hand-off folder for an NPU: its sessions, and its check, with stand-ins for the device."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from common.cli import UserError
from common.files import listed, read_json, write_json
from compilation.hand_off import sums
from compilation.hand_off.assemble import Sources, assemble
from compilation.hand_off.vendor import check_cores, vendor_config
from compilation.verify import verify
from evaluation.transcription.models import with_sessions
from runtime.folder import sessions_of
from tests.test_vendor_runtime import npu_folder
from tests.vendor_runtime import Accelerator, LastTokenPart, Part, RandomPart, load, on_cpu

if TYPE_CHECKING:
    pass

PARTS = ("encoder", "decoder")
ONE_PASS = {"force_unique_generate_call": True}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that puts a class of parts in the place of the runtime's own."""
    qbruntime = pytest.importorskip("qbruntime", reason="exists for Linux on x86-64 only")

    def install(part: type[Part]) -> None:
        monkeypatch.setattr(qbruntime, "Model", part)
        monkeypatch.setattr(qbruntime, "Accelerator", Accelerator)
        monkeypatch.setattr(qbruntime, "get_available_devices", lambda: ["a device"])

    return install


@pytest.mark.parametrize("part", [RandomPart, LastTokenPart])
@pytest.mark.parametrize("target", ["aries-rb", "regulus-rb"])
def test_our_sessions_do_what_the_vendors_package_does(
    device: Any, checkpoint: Path, tmp_path: Path, target: str, part: type[Part]
) -> None:
    folder = npu_folder(checkpoint, tmp_path / "folder", target)
    theirs = load(folder, part)
    device(part)
    encoder, decoder = sessions_of(folder)
    ours = with_sessions(folder, encoder, decoder)
    for beams in (1, 3):
        options = {"language": "ko", "max_new_tokens": 7, "num_beams": beams, **ONE_PASS}
        theirs.decoder.calls.clear()
        expected = theirs.model.generate(torch.zeros(1, 80, 3000), **options)
        assert torch.equal(ours.generate(torch.zeros(1, 80, 3000), **options), expected)
    for session, made in ((encoder, theirs.encoder), (decoder, theirs.decoder)):
        own = session._model  # the stand-in
        assert (own.path, own.cores, own.accelerator) == (made.path, made.cores, made.accelerator)


def test_without_a_device_it_is_a_sentence(checkpoint: Path, tmp_path: Path) -> None:
    """The runtime's own words: the part is no part, and there is no device."""
    pytest.importorskip("qbruntime", reason="exists for Linux on x86-64 only")
    folder = npu_folder(checkpoint, tmp_path / "folder", "aries-rb")
    with pytest.raises(UserError, match=r"cannot be run on aries-rb in core mode single \(.+\)"):
        sessions_of(folder)


@pytest.fixture
def folder(demo: Path, tmp_path: Path) -> Path:
    """The demo's model in an ARIES folder whose parts are a few bytes."""
    records = []
    for part in PARTS:
        path = tmp_path / f"parts/{part}.mxq"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"part")
        record = {
            "part": part,
            "target": "aries-rb",
            "files": listed(path.parent, [path.name]),
            "compiler": {"quantise": {"qbcompiler": "1.4.0"}},
            "settings": {
                "wish": {"scheme": "all"},
                "numerics": {"bias_correction": True, "weights_fitted_to": "quantised inputs"},
            },
            "samples": 68,
            "runtime": {"read": False, "reason": "none here"},
        }
        records.append(path.with_suffix(".json"))
        write_json(records[-1], record)
    (dataset,) = (demo / "data/sources").glob("*/dataset.json")
    home = demo / "calibration/sets/whisper-micro"
    sources = Sources(
        demo / "data/checkpoints/whisper-micro.json",
        dataset,
        demo / "runtime/float/whisper-micro/manifest.json",
        demo / "compilation/golden/whisper-micro/golden.json",
        [home / "encoder/manifest.json", home / "decoder/manifest.json"],
        records,
    )
    out = tmp_path / "compiled/manifest.json"
    assemble("whisper-micro", "aries-rb", sources, "mit", out)
    return out.parent


def running(demo: Path, broken: str = "") -> type[Part]:
    """Parts that compute with the demo's CPU parts, one of them wrongly, or the `first` time."""

    class OnDevice(on_cpu(demo / "compiled/whisper-micro/cpu")):  # type: ignore[misc]
        begun = 0  # utterances of all decoders

        def begin(self, states: Any) -> None:
            OnDevice.begun += 1
            super().begin(states)

        def get_model_input_shape(self) -> list[list[int]]:
            facts = self.facts
            states = [1, facts["max_source_positions"], facts["d_model"]]
            mel = [1, 2 * facts["max_source_positions"], facts["num_mel_bins"]]
            return [mel] if self.is_encoder else [[1, -1, facts["d_model"]], states]

        get_model_output_shape = get_model_input_shape

        def get_core_mode(self) -> str:
            return self.cores.mode

        def encode(self, features: Any) -> Any:
            states = super().encode(features)
            return states[:, ::-1] if broken == "encoder" else states

        def decode(self, embeddings: Any, cached: int) -> Any:
            logits = super().decode(embeddings, cached)
            first = broken == "first" and OnDevice.begun < 2
            return -logits if broken == "decoder" or first else logits

    return OnDevice


def test_the_folder_is_checked_on_its_device(device: Any, demo: Path, folder: Path) -> None:
    device(running(demo))
    lines = list(verify(folder))
    assert len(lines) == 7 and lines[6].endswith("not measured")
    assert "encoder single, compiled for `all`; decoder single" in lines[2]
    assert "encoder by qbruntime v1.5" in lines[4]
    assert lines[5].count("100% of the tokens as expected") == 2
    device(running(demo, broken="first"))
    assert list(verify(folder))[5] == lines[5] and "after a first clip that does not" in lines[5]
    for part in PARTS:
        device(running(demo, broken=part))
        with pytest.raises(UserError, match=f"the {part} does not run as it was compiled"):
            list(verify(folder))


def test_the_readmes_code_runs(
    device: Any, demo: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """As it is written, in the folder, with the vendor's package and stand-ins for the device."""
    from mblt_npu import npu_backend

    text = (folder / "README.md").read_text(encoding="utf-8")
    code = "".join(piece.split("```")[0] for piece in text.split("```python\n")[1:])
    monkeypatch.setattr(npu_backend, "Model", running(demo))
    monkeypatch.setattr(npu_backend, "Accelerator", Accelerator)
    monkeypatch.chdir(folder)
    exec(compile(code, "README.md", "exec"), {})
    heard, near = capsys.readouterr().out.split("\n")[:2]
    assert heard == "Zero friend one." and float(near) > 0.99


def test_without_a_device_it_says_so(
    device: Any, demo: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qbruntime

    device(running(demo))
    monkeypatch.setattr(qbruntime, "get_available_devices", list)
    assert list(verify(folder))[5].endswith("not run: there is no NPU here")


def test_the_readme_says_how_to_load_it(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in text and "library_name: transformers" in text
    assert "| encoder | aries-rb | single | 0:0:0 |" in text
    assert "| decoder | aries-rb | single | 0:1:0 |" in text
    code, states = (piece.split("```")[0] for piece in text.split("```python\n")[1:])
    compile(code, "README.md", "exec")
    compile(states, "README.md", "exec")
    assert 'model.generate(**audio, language="en", task="transcribe")' in code
    assert "| decoder | biases corrected | weights fitted to quantised inputs |" in text
    assert "`bias_correction: false` in `overrides`" in text
    assert "Decode greedily (`num_beams=1`)" in text and "--beams 5" in text
    assert "throw one away before you compare" in text
    assert not (folder / "transcribe.py").exists()
    golden = read_json(folder / "golden/golden.json")
    assert golden["expected_of"] == "the float model"
    assert golden["clips"][0]["expected"]["states_cosine"] is None
    least, worst = golden["clips"][0]["expected"]["at_least"], golden["at_least_from"]
    assert 1 - least["cosine"] == pytest.approx(1.5 * (1 - worst["cosine"]), abs=0.003)
    assert least["tokens"] == pytest.approx(0.9 * worst["tokens"], abs=0.003)
    assert "whisper-base in 8 bits" in worst["of"] and "(a cosine under 0.9)" in text


FILES = {part: f"a_{part}.mxq" for part in PARTS}
WRONG = [  # target, scheme, what is changed in config.json, and what is said of it
    ("aries-rb", "all", "core_mode", "auto", "core_mode is auto; .* write single, multi, global4"),
    ("aries-rb", "all", "core_mode", None, "core_mode is None"),
    ("aries-rb", "global4", "core_mode", "single", "compiled for `global4`, so write global4"),
    ("aries-rb", "all", "target_device", "regulus-rb", "it was compiled for aries-rb"),
    ("regulus-rb", "single", "target_device", None, "it was compiled for regulus-rb"),
    ("aries-rb", "all", "target_cores", ["0:2:0"], "aries-rb cannot run the encoder on"),
    ("aries-rb", "all", "target_cores", ["0:0"], "aries-rb cannot run the encoder on"),
    ("aries-rb", "all", "target_cores", [], "aries-rb cannot run the encoder on"),
    ("regulus-rb", "single", "target_cores", ["0:0:1"], "regulus-rb cannot run the encoder on"),
    ("aries-rb", "all", "target_cores", [0], "aries-rb cannot run the encoder on"),
    ("aries-rb", "all", "target_cores", ["0:0:0", "1:0:0"], "aries-rb cannot run the encoder on"),
    ("regulus-rb", "all", "core_mode", "multi", "compiled for `all`, so write single"),
    ("aries-rb", "global8", "target_clusters", ["0:0", "1:1"], "aries-rb cannot run the encoder"),
    ("aries-rb", "global8", "target_clusters", ["0:0"], "aries-rb cannot run the encoder on"),
]


@pytest.mark.parametrize(("target", "scheme", "key", "value", "said"), WRONG)
def test_cores_that_do_not_fit_are_refused(
    target: str, scheme: str, key: str, value: Any, said: str
) -> None:
    config = vendor_config({}, target, FILES, dict.fromkeys(PARTS, scheme))
    for part in PARTS:
        check_cores(part, config, target, scheme, Path("config.json"))
    config[f"encoder_{key}"] = value
    with pytest.raises(UserError, match=rf"config\.json: .*{said}"):
        check_cores("encoder", config, target, scheme, Path("config.json"))


def test_sums_do_not_list_what_the_hub_adds(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / ".gitattributes").touch()
    (tmp_path / ".cache/huggingface").mkdir(parents=True)
    (tmp_path / ".cache/huggingface/x").touch()
    assert sums.files_of(tmp_path) == ["a"]
