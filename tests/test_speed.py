"""The measurement of speed: its arithmetic by hand, equal work, a process for each backend."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from common.cli import RUN, UserError
from common.files import listed, read_json, sha256_of, write_json
from data.cache import local_folder
from evaluation.speed import measure, profile
from evaluation.speed import prepare as preparing
from evaluation.speed.backends import BACKENDS, CUDA, INT8, NPU, OPENVINO, TORCH, Files
from evaluation.speed.figures import FIGURES, figures, middle, slower, summary
from evaluation.speed.operations import SHOWN, UNKNOWN, Operation, Profile, between, table
from evaluation.speed.prepare import bounded, prepare
from evaluation.speed.run import Times, hear, time_rounds
from runtime.float_sessions import has_cuda
from runtime.folder import GRAPHS
from runtime.ir import read_model, save_model
from runtime.stateful import make_stateful
from runtime.tables import TABLES, load_tables
from tests.conftest import graphs_of, make_checkpoint, make_clips, manifest_of

VOCABULARY, END = 11, 7


class Clocked:
    """Both sessions in one, which take known times of a clock of their own."""

    def __init__(self, says: int, slow: float = 1.0) -> None:
        self.now = 0.0
        self.says, self.slow = says, slow
        self.calls: list[tuple[int, int]] = []  # tokens fed, tokens cached before
        self.fed: list[float] = []

    def clock(self) -> float:
        return self.now

    def encode(self, features: np.ndarray) -> np.ndarray:
        self.now += 3 * self.slow
        return features

    def start(self, states: np.ndarray) -> None:
        self.now += 0.25 * self.slow

    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        self.calls.append((token_ids.shape[1], cached))
        self.fed.append(int(token_ids[0, -1]))
        self.now += (0.5 if cached == 0 else 0.125) * self.slow
        logits = np.zeros((1, token_ids.shape[1], VOCABULARY), np.float32)
        logits[0, -1, self.says] = 1
        return logits


def heard(session: Clocked, count: int) -> Times:
    """Times of a clip with a prompt of three tokens."""
    features = np.zeros((1, 4, 2), np.float32)
    return hear((session, session), features, [1, 2, 3], count, session.clock)


def test_times_of_a_clip() -> None:
    session = Clocked(says=5)
    assert heard(session, 9) == Times(encoder=3, first=3 + 0.25 + 0.5, rest=8 * 0.125)
    assert session.calls == [(3, 0), *((1, place) for place in range(3, 11))]
    assert session.fed == [3, *[5] * 8]  # greedily


def test_work_is_equal_whatever_is_said() -> None:
    """A backend that would end at once is fed as many tokens as any other."""
    ending, talking = Clocked(says=END), Clocked(says=2, slow=2)
    times = [heard(session, 8) for session in (ending, talking)]
    assert ending.calls == talking.calls and len(ending.calls) == 8
    assert times[1] == Times(*(2 * seconds for seconds in times[0]))


@pytest.mark.parametrize(
    ("said", "room", "expected"), [(0, 444, 8), (8, 444, 8), (30, 444, 30), (64, 20, 20)]
)
def test_length_of_a_text(said: int, room: int, expected: int) -> None:
    assert bounded(said, room) == expected
    assert bounded(500, 444) == 64


def test_middle_of_the_rounds() -> None:
    """Quartiles of 1 2 3 4 9 are 2 and 4; of 1 2 4 8, 1.75 and 5."""
    assert middle([9, 2, 4, 1, 3]) == {"median": 3, "spread": 1}
    assert middle([1, 2, 4, 8]) == {"median": 3, "spread": 1.625}
    assert middle([0.123456] * 5) == {"median": 0.1235, "spread": 0}


def test_figures_by_hand() -> None:
    """Two clips of 6 and 4 s, of 9 and 17 tokens; each round takes half as long again."""
    scales = [1.0, 1.5, 2.0, 2.5, 3.0]
    clips: list[dict[str, Any]] = [
        {"seconds": 6.0, "tokens": 9, "features_seconds": [0.1 * scale for scale in scales]},
        {"seconds": 4.0, "tokens": 17, "features_seconds": [0.3 * scale for scale in scales]},
    ]
    rounds = [
        [
            {"encoder": 0.5 * scale, "first": 0.7 * scale, "rest": 0.8 * scale},
            {"encoder": 0.7 * scale, "first": 0.9 * scale, "rest": 1.6 * scale},
        ]
        for scale in scales
    ]
    found = figures(clips, rounds)
    assert tuple(found) == FIGURES
    assert found["encoder_ms"] == {"median": 1200, "spread": 300}
    assert found["first_token_ms"] == {"median": 2000, "spread": 500}  # (0.4 + 1.6) / 2, twice
    assert found["token_ms"] == {"median": 200, "spread": 50}  # 2.4 s for 8 + 16 tokens, twice
    # 10 / 1, 1.5, 2, 2.5, 3: the quartiles are 6.667 and 4
    assert found["tokens_per_second"] == {"median": 5, "spread": 1.333}
    assert found["real_time_factor"] == {"median": 0.88, "spread": 0.22}  # 0.4 + 1.6 + 2.4 of 10 s


def of_factors(**factors: float) -> list[dict[str, Any]]:
    """Backends with these real-time factors."""
    names = {"torch": TORCH, "openvino": OPENVINO, "int8": INT8, "cuda": CUDA, "npu": NPU}
    return [
        {"name": names[name], "real_time_factor": {"median": factor, "spread": 0}}
        for name, factor in factors.items()
    ]


def test_slower_is_a_sentence_or_nothing() -> None:
    assert slower(of_factors(torch=0.5, openvino=0.3, int8=0.2)) is None
    assert slower(of_factors(torch=0.5, openvino=0.3)) is None  # nothing compiled was measured
    assert slower(of_factors(torch=0.5, openvino=0.3, int8=0.3)) == (
        "int8 OpenVINO (real-time factor 0.3) is not faster here than float OpenVINO (0.3)."
    )
    assert slower(of_factors(torch=0.5, openvino=0.3, npu=0.4, cuda=0.01)) == (
        "NPU (real-time factor 0.4) is not faster here than float OpenVINO (0.3) and"
        " float torch CUDA (0.01)."
    )


def test_backends_are_those_that_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "has_cuda", lambda: False)
    monkeypatch.setitem(sys.modules, "qbruntime", None)  # not installed
    assert measure.applicable("cpu") == [TORCH, OPENVINO, INT8]
    assert measure.applicable("aries-rb") == [TORCH, OPENVINO]
    for devices in ([], ["aries0"]):
        runtime = SimpleNamespace(get_available_devices=lambda found=devices: found)
        monkeypatch.setitem(sys.modules, "qbruntime", runtime)
        assert measure.has_npu() == bool(devices)
        assert measure.applicable("cpu") == [TORCH, OPENVINO, INT8]
        assert measure.applicable("regulus-rb") == [TORCH, OPENVINO, *[NPU][: len(devices)]]
    monkeypatch.setattr(measure, "has_cuda", lambda: True)
    assert measure.applicable("aries-rb") == [TORCH, OPENVINO, NPU, CUDA]


def test_name_of_the_processor(tmp_path: Path) -> None:
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel\t\t: 106\nmodel name\t: Some CPU: 2.6 GHz\n\n" * 2)
    assert measure.processor(listing) == "Some CPU: 2.6 GHz"
    listing.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")
    assert measure.processor(listing) == measure.processor(tmp_path / "none") != ""


@pytest.fixture(scope="module")
def files(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The random checkpoint, and a hand-off folder whose parts are its float graphs."""
    graphs, folder = graphs_of(checkpoint), tmp_path_factory.mktemp("compiled")
    read = {part: read_model(graphs.with_name(f"{part}.xml")) for part in GRAPHS}
    read["decoder"] = make_stateful(read["decoder"], load_tables(graphs.with_name(TABLES)))
    parts: dict[str, Any] = {}
    for part, name in GRAPHS.items():
        save_model(read[part], folder / f"{name}.xml")
        parts[part] = {"files": listed(folder, [f"{name}.xml", f"{name}.bin"])}
    write_json(folder / "config.json", {})
    manifest = {"model": "random", "target": "cpu", "parts": parts}
    manifest["files"] = [file for part in parts.values() for file in part["files"]]
    write_json(folder / "manifest.json", manifest)
    return Files(checkpoint, graphs, folder / "manifest.json")


@pytest.fixture(scope="module")
def prepared(
    files: Files, clip_manifests: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Of two clips and two repeats; short texts, because random weights never end one."""
    out = tmp_path_factory.mktemp("prepared") / "clips.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "MOST", 12)
        prepare(files.checkpoint, files.graphs, clip_manifests, 2, 2, out)
    return out


def test_prepared_clips(files: Files, prepared: Path) -> None:
    clips = read_json(prepared)
    assert [Path(clip["clip"]).name for clip in clips] == ["de_de_0000.wav", "en_us_0000.wav"]
    for clip in clips:
        assert np.load(prepared.with_name(clip["features"])).shape == (1, 3000, 80)
        assert len(clip["features_seconds"]) == 2 and min(clip["features_seconds"]) > 0
        assert len(clip["prompt"]) == 4 and 8 <= clip["tokens"] <= 12


def test_english_only_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take the English clips, and prompts without a language."""
    folder = make_checkpoint(tmp_path / "english", multilingual=False)
    checkpoint = manifest_of(folder, tmp_path / "english.json")
    monkeypatch.setattr(preparing, "float_counts", lambda *_: [8])
    manifests = [make_clips(tmp_path, *names, 1) for names in (("de_de", "de"), ("en_us", "en"))]
    rows = prepare(checkpoint, tmp_path, manifests, 4, 1, tmp_path / "prepared/clips.json")
    assert [(Path(row["clip"]).name, len(row["prompt"])) for row in rows] == [("en_us_0000.wav", 2)]
    with pytest.raises(UserError, match="there is no clip to time"):
        prepare(checkpoint, tmp_path, manifests, 0, 1, tmp_path / "prepared/clips.json")


def test_all_backends_are_fed_alike(files: Files, prepared: Path) -> None:
    """The same shapes at the same places, and one round to warm up before those that count."""
    fed = {}
    for name in (TORCH, OPENVINO, INT8):
        encoder, decoder = BACKENDS[name].load(files)
        calls: list[tuple[int, int]] = []

        def step(token_ids: np.ndarray, cached: int, *, of: Any = decoder, to: list = calls):
            to.append((token_ids.shape[1], cached))
            return of.step(token_ids, cached)

        recording = SimpleNamespace(start=decoder.start, step=step)
        rounds = time_rounds((encoder, recording), prepared, 1, name)
        assert [len(times) for times in rounds] == [2]
        fed[name] = calls
    counts = [clip["tokens"] for clip in read_json(prepared)]
    a_round = [(1, p) if p > 3 else (4, 0) for count in counts for p in range(3, 3 + count)]
    assert fed == dict.fromkeys(fed, 2 * a_round)


def test_the_embedding_tables_are_weights_too(tmp_path: Path) -> None:
    graphs, compiled = tmp_path / "graphs.json", tmp_path / "compiled.json"
    names = ("encoder.xml", "encoder.bin", "decoder.xml", "decoder.bin", TABLES, "operations.json")
    write_json(graphs, {"files": [{"path": name} for name in names]})
    parts = {part: {"files": [{"path": f"m_{part}.mxq"}]} for part in GRAPHS}
    beside = [{"path": name} for name in ("model.safetensors", "tokenizer.json")]
    folder = [file for part in parts.values() for file in part["files"]] + beside
    write_json(compiled, {"parts": parts, "files": folder})
    files = Files(tmp_path / "checkpoint.json", graphs, compiled)
    found = {
        name: [path.name for path in BACKENDS[name].weights(files)] for name in (OPENVINO, NPU)
    }
    assert found == {
        OPENVINO: ["encoder.bin", "decoder.bin", TABLES],
        NPU: ["m_encoder.mxq", "m_decoder.mxq", "model.safetensors"],
    }


def measured(name: str, files: Files, prepared: Path, out: Path) -> dict[str, Any]:
    """A backend's times, from a process of its own."""
    model = [f"--{kind}={path}" for kind, path in files._asdict().items()]
    given = [f"--backend={name}", f"--prepared={prepared}", "--repeats=1"]
    return measure.measured("evaluation.speed.run", name, *model, *given, out=out)


def test_peak_memory_is_each_process_own(files: Files, prepared: Path, tmp_path: Path) -> None:
    """What this process holds, which is more than a backend takes, is not counted."""
    alone = measured(OPENVINO, files, prepared, tmp_path / "alone.json")["peak_bytes"]
    ballast = np.ones(5 * 10**8, np.uint8)
    beside = measured(OPENVINO, files, prepared, tmp_path / "beside.json")["peak_bytes"]
    assert alone < ballast.nbytes and abs(beside - alone) < 0.2 * alone


def test_openvino_is_run_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would be most of its peak memory."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    imports = f"import json, sys, evaluation.speed.run, {BACKENDS[INT8].module}\n"
    tell = "json.dump(list(sys.modules), open(sys.argv[-1], 'w'))\n"
    (tmp_path / "importing.py").write_text(imports + tell, encoding="utf-8")
    modules = measure.measured("importing", "a test", out=tmp_path / "out.json")
    assert "openvino" in modules and not {"torch", "transformers"} & set(modules)


def test_a_failing_backend_is_a_sentence(
    files: Files, prepared: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    folder = files.compiled.parent
    incomplete = tmp_path / "incomplete"
    incomplete.mkdir()
    for path in folder.iterdir():
        if path.name != "config.json":
            (incomplete / path.name).symlink_to(path)
    broken = files._replace(compiled=incomplete / "manifest.json")
    said = "^the speed of int8 OpenVINO could not be measured: .*incomplete is no hand-off folder"
    with pytest.raises(UserError, match=said):
        measured(INT8, broken, prepared, tmp_path / "out.json")
    assert "error:" not in capfd.readouterr().err  # it is said once, at the end


def test_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with this one, takes its own number of threads, and may not die unnoticed."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    tell = "import json, os, sys\njson.dump(dict(os.environ), open(sys.argv[-1], 'w'))\n"
    (tmp_path / "telling.py").write_text(tell, encoding="utf-8")
    environment = measure.measured("telling", "a test", out=tmp_path / "out.json")
    assert "OMP_NUM_THREADS" not in environment
    assert environment[RUN].endswith(f":{os.getpid()}")
    (tmp_path / "dying.py").write_text("import os; os.kill(os.getpid(), 9)", encoding="utf-8")
    with pytest.raises(UserError, match=r"speed of a test could not be measured: .*signal 9"):
        measure.measured("dying", "a test", out=tmp_path / "out.json")


BACKEND = {"name", "load_seconds", "peak_bytes", "size_bytes", "operations", *FIGURES}
RESULT = ["model", "target", "manifest_sha256", "machine", "repeats", "clips", "audio_seconds"]
RESULT += ["batch", "backends"]


def test_the_result(
    files: Files,
    clip_manifests: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    # Without torch, which takes ten seconds to import; the demo's run has it.
    monkeypatch.setattr(measure, "applicable", lambda target: {"cpu": [OPENVINO, INT8]}[target])
    monkeypatch.setattr("common.child_process.THREADS", ())
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # other tests run beside
    out = tmp_path / "results/speed.json"
    clips = ["--clips", *map(str, clip_manifests), "--max-clips", "1"]
    options = ["--out", str(out)]
    model = [f"--{kind}={path}" for kind, path in files._asdict().items()]
    measure.main([*model, *clips, *options])
    result = read_json(out)
    json.dumps(result, allow_nan=False)
    assert list(result) == [*RESULT, "slower"]
    assert (result["model"], result["target"], result["batch"]) == ("random", "cpu", 1)
    assert result["manifest_sha256"] == sha256_of(files.compiled)
    assert (result["repeats"], result["clips"]) == (5, 1)
    assert 1 <= result["audio_seconds"] <= 2
    assert list(result["machine"]) == ["processor", "cores", "memory_bytes", "gpu"]
    assert [backend["name"] for backend in result["backends"]] == [OPENVINO, INT8]
    for backend in result["backends"]:
        assert backend.keys() == BACKEND
        assert min(backend["load_seconds"], backend["peak_bytes"], backend["size_bytes"]) > 0
        for figure in FIGURES:
            assert backend[figure]["median"] > 0 and backend[figure]["spread"] >= 0
        assert list(backend["operations"]) == ["encoder", "prompt", "token"]
    lines = [line for line in capsys.readouterr().err.splitlines() if "real-time factor" in line]
    assert lines == [summary(backend) for backend in result["backends"]]


def test_the_mean_between_two_profiles() -> None:
    """OpenVINO gives the mean since the beginning: 2 x 5 ms, then 6 x 2 ms in all, 0.5 a time."""
    before = Profile(2, {"a": 5, "once": 3})
    assert between(before, Profile(6, {"a": 2, "once": 1, "new": 2})) == {
        "a": 0.5,
        "once": 0,
        "new": 3,
    }


def test_a_table_of_operations() -> None:
    """Equal ones are one group, and all beyond the slowest dozen are another."""
    product = Operation("MatMul", "u8 × i8", "brgemm", "[1,4,8] × [8,8]")
    small = [Operation("Add", "f32", "jit", f"[1,{size}]") for size in range(SHOWN)]
    operations = {"a": product, "b": product} | {f"add {one.inputs}": one for one in small}
    spent = dict.fromkeys(operations, 1.0) | {"a": 5, "b": 8}
    found = table(spent, operations)
    assert found["ms"] == 25
    assert found["precisions"] == {"u8 × i8": 0.52, "f32": 0.48}
    first, *others, rest = found["operations"]
    assert first == product._asdict() | {"count": 2, "ms": 13, "share": 0.52}
    assert len(others) == SHOWN - 1
    assert (rest["type"], rest["count"], rest["ms"]) == ("others", 1, 1)


def test_the_profile_of_a_model(files: Files, prepared: Path, tmp_path: Path) -> None:
    """Layers and shapes are those of the checkpoint, and one step's alone."""
    out = tmp_path / "operations.json"
    given = [f"--graphs={files.graphs}", f"--compiled={files.compiled}", f"--prepared={prepared}"]
    profile.main(["--backend", OPENVINO, *given, "--out", str(out)])
    config = read_json(local_folder(files.checkpoint) / "config.json")
    found = read_json(out)
    for part in found.values():
        assert sum(part["precisions"].values()) == pytest.approx(1, abs=0.02)
        assert sum(row["ms"] for row in part["operations"]) == pytest.approx(part["ms"], rel=0.05)
    rows = {part: found[part]["operations"] for part in found}
    convolved = [row for row in rows["encoder"] if row["type"] == "Convolution"]
    assert {row["inputs"].split(" × ")[0] for row in convolved} == {
        f"[1,{config['num_mel_bins']},3000]",
        f"[1,{config['d_model']},3000]",
    }
    assert {row["precision"] for row in convolved} == {"f32"}
    vocabulary = f"[1,1,{config['d_model']}] × [{config['vocab_size']},{config['d_model']}]"
    (logits,) = [row for row in rows["token"] if row["inputs"] == vocabulary]
    assert (logits["type"], logits["count"]) == ("FullyConnected", 1)
    # Keys and values of the cross-attention are computed in the first step alone.
    (cross,) = [row for row in rows["prompt"] if row["precision"] == UNKNOWN]
    assert cross["count"] == 2 * config["decoder_layers"] and cross["share"] > 0.1


@pytest.mark.skipif(not has_cuda(), reason="there is no CUDA GPU here")
def test_on_a_gpu(files: Files, prepared: Path, tmp_path: Path) -> None:
    times = measured(CUDA, files, prepared, tmp_path / "out.json")["rounds"]
    assert min(seconds for clip in times[0] for seconds in clip.values()) > 0
    assert measure.machine()["gpu"]


def test_too_few_repeats_are_refused(files: Files) -> None:
    model = [f"--{kind}={path}" for kind, path in files._asdict().items()]
    required = [*model, "--clips", "none.jsonl", "--out", "speed.json"]
    with pytest.raises(UserError, match="4 repeats are too few"):
        measure.main([*required, "--repeats", "4"])
