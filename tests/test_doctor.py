"""The table of what can be compiled here, and its exit status."""

import json
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from common.cli import UserError
from common.files import write_json
from compilation import bundle, doctor
from tests.qb import interpreter


def answering(path: Path, **found: str | None) -> str:
    """A stand-in for an interpreter that has these packages."""
    nothing = dict.fromkeys(("qbcompiler", "qubee", "torch", "numpy", "transformers"))
    answer = nothing | {"python": "3.10.12", "imports": "", "gpu": ""} | found
    path.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def table(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    """The printed table: target, state and the rest of each line."""
    doctor.main(list(arguments))
    return [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]


def test_without_a_compiler_the_cpu_is_possible(capsys: pytest.CaptureFixture[str]) -> None:
    rows = table(capsys, "--python", sys.executable)
    assert ["cpu", "ok"] in [row[:2] for row in rows]
    (npu,) = [" ".join(row) for row in rows if "regulus-rb" in " ".join(row)]
    assert "missing" in npu and "has no qbcompiler; install" in npu
    with pytest.raises(UserError, match="cannot compile for aries-rb here; the table says why"):
        doctor.main(["--targets", "aries-rb"])
    with pytest.raises(SystemExit):
        doctor.main(["--targets", "cpuu"])
    assert "invalid choice: 'cpuu' (choose from" in capsys.readouterr().err


def test_a_real_interpreter_with_the_double_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = str(interpreter(tmp_path, "1.3.0"))
    rows = table(capsys, "--python", python, "--targets", "cpu", "aries-rb", "regulus-rb")
    lines = [" ".join(row) for row in rows]
    for target in ("aries-rb", "regulus-rb"):
        assert any(line.startswith(f"{target} ok qbcompiler 1.3.0, torch ") for line in lines)
    (lacks,) = [line for line in lines if " lacks " in line]
    assert "qbcompiler 1.3.0 lacks gpu_memory_budget_mb: the memory that it takes of a" in lacks
    newest = interpreter(tmp_path / "newest", "1.4.0")
    assert not [one for one in doctor.of_npu(str(newest)) if "lacks" in one.what]
    helpers = tmp_path / "newest/site/qbcompiler/model_dict/parser"
    (helpers / "backend/torch/input_capture.py").unlink()
    (lacks,) = [one for one in doctor.of_npu(str(newest)) if "lacks" in one.what]
    assert "model_dict.parser.backend.torch.input_capture:capture_forward_inputs" in lacks.what
    (helpers / "patcher/parts.py").unlink()
    (lacks,) = doctor.of_npu(str(newest))
    assert lacks.state == "missing" and "parts:load_for_part: no part can be" in lacks.what


def test_a_bundle_for_a_helper_has_no_speech_and_no_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs, parts = tmp_path / "logs/quantise_npu_part", tmp_path / "compilation/parts/m/aries-rb"
    made = tmp_path / "compiled/m/aries-rb"
    for folder in (logs, parts, made):
        folder.mkdir(parents=True)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    said = f"[mmc] ERROR at {tmp_path}/x and /home/ada/y by ada, HF_TOKEN=secret1 hf_abcdef\n"
    (logs / "m_aries-rb_encoder.log").write_text(said, encoding="utf-8")
    (parts / "encoder.mxq").write_bytes(b"weights")
    record = {"versions": {"qbcompiler": "1.4.0"}, "arguments": {"device": "'gpu'"}}
    write_json(parts / "encoder.mxq.json", record)
    sample = {"file": "a.npy", "token_ids": [1], "text": "hello"}
    calibration = {"decoder": {"settings": {"seed": 0}, "samples": [sample, sample]}}
    write_json(made / "manifest.json", {"model": "m", "calibration": calibration})
    (made / "a.wav").write_bytes(b"speech")
    monkeypatch.chdir(tmp_path)
    doctor.main(["--bundle", "help.zip"])
    with zipfile.ZipFile("help.zip") as file:
        found = {name: file.read(name).decode() for name in file.namelist()}
    (log,) = [text for name, text in found.items() if name.startswith("logs/")]
    assert log == "[mmc] ERROR at ./x and ~/y by user, HF_TOKEN=(left out) (left out)\n"
    assert json.loads(found["compilation/parts/m/aries-rb/encoder.mxq.json"]) == record
    kept = json.loads(found["compiled/m/aries-rb/manifest.json"])["calibration"]["decoder"]
    assert kept == {"settings": {"seed": 0}, "samples": "2 left out"}
    assert "has no qbcompiler" in found["doctor.txt"] and "python" in found["versions.json"]
    assert not [name for name in found if name.endswith((".mxq", ".wav"))]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"token": "hf_abc", "a": 1', '"token": "(left out)", "a": 1'),
        ('{"password": "x y"}', '{"password": "(left out)"}'),
        ("API_KEY = 'k'", "API_KEY = '(left out)'"),
        ("--token abc, secret=d", "--token (left out) secret=(left out)"),
        ("Authorization: Bearer x.y-z", "Authorization: Bearer (left out)"),
        ("https://ada:pw@host/x //ada@host", "https://(left out)@host/x //(left out)@host"),
        (
            "Authorization: Basic dXNlcg==, a basic test",
            "Authorization: Basic (left out) a basic test",
        ),
        ("{'Authorization': 'Basic dXNl'}", "{'Authorization': 'Basic (left out)'}"),
        ("x-api-key: KEY123", "x-api-key: (left out)"),
        ("passwd: hunter2", "passwd: (left out)"),
        ("AWS_SECRET_ACCESS_KEY=AKIA123/xyz", "AWS_SECRET_ACCESS_KEY=(left out)"),
        ("SECRET_KEY='a b'", "SECRET_KEY='(left out)'"),
        ("https://user:pa/ss@host", "https://(left out)@host"),
        ("curl -u jane:secretpw -n", "curl -u (left out) -n"),
        ("curl --user 'jane:a b'", "curl --user '(left out)'"),
        ('{"max_token": 448, "token": 5}', '{"max_token": 448, "token": 5}'),
        ("token: 448-abc token=12345678", "token: (left out) token=(left out)"),
        ("python -u a.py, http://host:80/a", "python -u a.py, http://host:80/a"),
        ("max_new_tokens: 64, at https://host/a@b", "max_new_tokens: 64, at https://host/a@b"),
    ],
)
def test_what_lets_somebody_in_is_left_out(
    text: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)  # of a user without a name
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    assert bundle.without_names(text, Path("/project")) == kept


def test_names_are_left_out_within_longer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "jane")
    monkeypatch.setattr("socket.gethostname", lambda: "node12.cluster.example.com")
    text = "jane_models /srv/jane_doe janet; node12.cluster.example.com node12: node123"
    kept = "user_models /srv/user_doe janet; host host: node123"
    assert bundle.without_names(text, Path("/project")) == kept
    monkeypatch.setattr("socket.gethostname", lambda: "10.0.0.5")
    assert bundle.without_names("10.0.0.5: 10 files", Path("/project")) == "host: 10 files"


def test_a_broken_manifest_is_named_in_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "compiled/m/cpu").mkdir(parents=True)
    (tmp_path / "compiled/m/cpu/manifest.json").write_text('{"text": "hello"', encoding="utf-8")
    (name,) = set(bundle.write(tmp_path / "a.zip", tmp_path, "", {})) - {
        "doctor.txt",
        "versions.json",
    }
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        text = file.read(name).decode()
    assert text.startswith("left out, 16 bytes: ./compiled/m/cpu/manifest.json is no JSON (")
    assert "hello" not in text


GOOD = {"qbcompiler": "1.2.0", "torch": "2.7.1", "numpy": "1.26.4", "gpu": "a GPU"}


def test_what_is_wrong_is_a_line_with_the_remedy(tmp_path: Path) -> None:
    def lines(**found: str | None) -> str:
        return "\n".join(
            f"{one.state} {one.what}" for one in doctor.of_npu(answering(path, **found))
        )

    path = tmp_path / "python"
    assert lines(**GOOD).count("ok qbcompiler 1.2.0") == 2
    assert "warning torch finds no GPU there" in lines(**GOOD | {"gpu": ""})
    assert "warning" in lines(**GOOD | {"torch": "2.9.0"}) and "2.7.1" in lines(
        **GOOD | {"torch": "2.9.0"}
    )
    assert "missing qbcompiler 1.2.0 fails: ImportError: mmc" in lines(
        **GOOD | {"imports": "ImportError: mmc"}
    )
    assert lines(**GOOD | {"qbcompiler": "1.1.2"}).startswith("ok") and "regulus" in lines(
        **GOOD | {"qbcompiler": "1.1.2"}
    )
    assert "missing" in lines(**GOOD | {"qbcompiler": "0.9"})
    assert "cannot be run" in doctor.of_npu(str(tmp_path / "no"))[0].what


def test_what_is_no_interpreter_is_a_line() -> None:
    for command in ("/bin/true", "/bin/echo"):
        (finding,) = doctor.of_npu(command)
        assert finding.state == "missing" and "is no Python" in finding.what


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('if self.backend == "hf":', "lacks the vendor's change for Whisper"),
        ("if False:", "has the vendor's change for Whisper"),
    ],
)
def test_the_old_parsers_patch_is_reported(tmp_path: Path, line: str, said: str) -> None:
    python = answering(tmp_path / "python", qubee="0.11.0.1", **{"line 538": line})
    (finding,) = doctor.of_npu(python)
    assert finding.state == "missing" and said in finding.what
    assert "install a newer compiler" in finding.what


def test_the_line_is_read_from_the_installed_parser(tmp_path: Path) -> None:
    """The question itself, to an interpreter that has a package of that name and version."""
    site = tmp_path / "site"
    parser = site / "qubee/model_dict/parser"
    parser.mkdir(parents=True)
    for folder in (parser, parser.parent, parser.parent.parent):
        (folder / "__init__.py").touch()
    (parser / "parser.py").write_text("\n" * 537 + '# if self.backend == "hf":\n', encoding="utf-8")
    info = site / "qubee-0.11.0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: qubee\nVersion: 0.11.0.1\n")
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (finding,) = doctor.of_npu(str(script))
    assert "line 538" in finding.what
