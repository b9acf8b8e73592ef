"""A hand-off folder published to a stand-in for the Hub: whole, in one commit, or not at all."""

import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import close_session, constants, snapshot_download
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from common.cli import UserError
from common.files import listed, sha256_of, write_json
from compilation import publish, upload
from tests.hub import Fault, use
from tests.hub_uploads import UploadHub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's

UNLISTED = {"SHA256SUMS", "README.md", "manifest.json", "evaluation.json"}  # in the manifest
FLEURS = {"source": "google/fleurs", "revision": "main", "commit": "70bb2e84"}
REPO = "owner/whisper-tiny-aries-rb"
CARD = "---\nlibrary_name: transformers\nlicense: apache-2.0\n---\n\n# whisper-tiny on an ARIES\n"


def add_sums(folder: Path) -> None:
    """SHA256SUMS of what is there, in the words of `sha256sum`."""
    names = sorted(contents(folder).keys() - {"SHA256SUMS"})
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A small hand-off folder, with files that the Hub stores as large ones."""
    folder = tmp_path / "compiled" / "whisper-tiny" / "aries-rb"
    (folder / "golden").mkdir(parents=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    write_json(folder / "evaluation.json", {"passed": True})
    write_json(folder / "golden" / "expected.json", {"ko_kr_0000.wav": "안녕하세요"})
    noise = random.Random(0)
    (folder / "model.safetensors").write_bytes(noise.randbytes(200_000))
    (folder / "golden" / "log_mel.bin").write_bytes(noise.randbytes(70_000))
    (folder / "whisper-tiny_encoder.mxq").write_bytes(noise.randbytes(5_000))
    add_manifest(folder, FLEURS)
    add_sums(folder)
    return folder


def add_manifest(folder: Path, dataset: dict[str, Any]) -> None:
    """A manifest that lists the folder's other files, and says little else."""
    names = sorted(contents(folder).keys() - UNLISTED)
    digest, versions = "0" * 64, {"numpy": "1.0"}
    sample = {"language": "ko_kr", "clip_sha256": digest, "fraction": 1.0}
    calibration = {"manifest_sha256": digest, "settings": {"seed": 0}, "samples": [sample]}
    interface = {"inputs": [[1, 80]], "outputs": [[1, 80]], "dtype": "float32"}
    part = {"target": "aries-rb", "compiler": versions, "settings": {"a": 1}, "samples": 1}
    part |= {"interface": interface, "files": listed(folder, ["whisper-tiny_encoder.mxq"])}
    both = ("encoder", "decoder")
    source = {"source": "openai/whisper-tiny", "revision": "main", "commit": "0"}
    manifest = {
        "schema": 1,
        "model": "whisper-tiny",
        "target": "aries-rb",
        "checkpoint": source | {"files": {"config.json": digest}, "packages": versions},
        "dataset": dataset,
        "license": "apache-2.0",
        "calibration": dict.fromkeys(both, calibration),
        "parts": {name: part | {"part": name} for name in both},
        "packages": versions,
        "project": {"commit": None, "clean": None},
        "files": listed(folder, names),
    }
    write_json(folder / "manifest.json", manifest)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub for the code in this process, which has the token; pauses are short."""
    with UploadHub(tmp_path / "hub") as hub:
        use(monkeypatch, hub.url, tmp_path / "cache")
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.setenv("HF_TOKEN", hub.token)
        disable_progress_bars()
        yield hub
        enable_progress_bars()
        close_session()


def published(hub: UploadHub) -> dict[str, bytes]:
    """What the repository holds, but for the Hub's own file."""
    found = contents(hub.root / "models" / REPO)
    assert ".gitattributes" in found
    return {name: data for name, data in found.items() if name != ".gitattributes"}


def run(folder: Path, environment: dict[str, str], *more: str) -> subprocess.CompletedProcess:
    """The command in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-m", "compilation.publish", str(folder), "--repo", REPO, *more]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True)


def refusal(folder: Path, *more: str) -> str:
    """The sentence that publishing ends with."""
    with pytest.raises(UserError) as error:
        publish.main([str(folder), "--repo", REPO, *more])
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_repository_is_the_folder_byte_for_byte_and_comes_back_so(hub, folder, tmp_path):
    environment = hub.environment(tmp_path / "home", HF_TOKEN=hub.token)
    done = run(folder, environment, "--message", "First try")
    assert done.returncode == 0, done.stderr
    commit = hub.commit(hub.root / "models" / REPO)
    assert done.stdout == f"{hub.url}/{REPO} at commit {commit}\n"
    assert published(hub) == contents(folder)
    (made,) = hub.commits
    assert (made.message, made.added, made.deleted) == ("First try", sorted(contents(folder)), [])
    large = ("golden/log_mel.bin", "model.safetensors")
    sums = {f"/lfs/{sha256_of(folder / name)}" for name in large}
    assert {path for method, path in hub.requests if method == "PUT"} == sums
    fetched = Path(snapshot_download(REPO, token=False))
    assert fetched.name == commit
    assert contents(fetched).items() >= contents(folder).items()


def test_the_next_version_sends_what_is_new_and_deletes_what_is_gone(hub, folder, capsys):
    publish.main([str(folder), "--repo", REPO])
    (folder / "golden" / "log_mel.bin").unlink()
    (folder / "whisper-tiny_encoder.mxq").write_bytes(b"recompiled")
    add_manifest(folder, FLEURS)
    add_sums(folder)
    hub.requests.clear()
    publish.main([str(folder), "--repo", REPO])
    assert published(hub) == contents(folder)
    assert hub.commits[1].added == ["SHA256SUMS", "manifest.json", "whisper-tiny_encoder.mxq"]
    assert hub.commits[1].deleted == ["golden/log_mel.bin"]
    assert "PUT" not in [method for method, _ in hub.requests]
    first, second = capsys.readouterr().out.splitlines()
    assert first != second


def test_the_same_version_again_makes_no_commit(hub, folder, capsys):
    publish.main([str(folder), "--repo", REPO])
    publish.main([str(folder), "--repo", REPO])
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and len(hub.commits) == 1
    assert published(hub) == contents(folder)


def test_a_folder_with_many_files_is_one_commit(hub, folder):
    for index in range(300):
        (folder / "golden" / f"{index}.json").write_text(str(index), encoding="utf-8")
    add_sums(folder)
    publish.main([str(folder), "--repo", REPO])
    assert len(hub.commits) == 1 and published(hub) == contents(folder)


def test_another_branch_than_main(hub, folder):
    said = refusal(folder, "--revision", "release/v2")
    assert f"{REPO} on {hub.url} is not there, or not for this token, so there is no branch" in said
    assert hub.sent() == [] and not (hub.root / "models").exists()
    publish.main([str(folder), "--repo", REPO])
    hub.branch = "release/v2"
    (folder / "README.md").write_text(f"{CARD}And more.\n", encoding="utf-8")
    add_sums(folder)
    publish.main([str(folder), "--repo", REPO, "--revision", "release/v2"])
    publish.main([str(folder), "--repo", REPO, "--revision", "release/v2"])
    assert len(hub.commits) == 2 and published(hub) == contents(folder)
    assert "has no branch 'main': create it there" in refusal(folder)


def test_private_is_private_and_never_published_openly(hub, folder, tmp_path, monkeypatch):
    publish.main([str(folder), "--repo", REPO, "--private"])
    assert REPO in hub.private
    publish.main([str(folder), "--repo", REPO, "--private"])
    hub.private.clear()
    hub.requests.clear()
    assert f"{REPO} is public on {hub.url}" in refusal(folder, "--private")
    assert hub.sent() == ["/api/repos/create"] and len(hub.commits) == 1


def damage(folder: Path, how: str) -> None:
    """Make a folder that is not what its sums say."""
    if how == "changed":
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    elif how == "extra":
        (folder / "golden" / "notes.txt").write_text("mine", encoding="utf-8")
    elif how == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    else:
        (folder / how).unlink()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("changed", "model.safetensors was changed; get the folder again"),
        ("extra", "golden/notes.txt is not listed in SHA256SUMS; remove what is not"),
        ("golden/expected.json", "golden/expected.json is missing; get the folder again"),
        ("SHA256SUMS", "has no SHA256SUMS, so it is no hand-off folder"),
        ("README.md", "has no README.md, so it is no hand-off folder"),
        ("empty", "has no manifest.json and no README.md and no SHA256SUMS"),
    ],
)
def test_a_damaged_folder_is_not_sent(hub, folder, how, said):
    damage(folder, how)
    assert said in refusal(folder, "--even-if-not-passed")
    assert hub.requests == []


def test_what_did_not_pass_is_sent_only_when_told(hub, folder):
    write_json(folder / "evaluation.json", {"passed": False, "sentence": "not passed: ko_kr"})
    add_sums(folder)
    said = refusal(folder)
    assert "did not pass its evaluation (not passed: ko_kr)" in said
    assert "--even-if-not-passed" in said
    assert hub.requests == []
    publish.main([str(folder), "--repo", REPO, "--even-if-not-passed"])
    assert published(hub) == contents(folder)


def test_speech_of_your_own_is_published_only_when_told(hub, folder):
    add_manifest(folder, {"source": "recordings", "revision": None, "commit": None})
    add_sums(folder)
    assert "has recordings of recordings, which is no data set of the Hub" in refusal(folder)
    assert hub.requests == []
    publish.main([str(folder), "--repo", REPO, "--private"])
    assert published(hub) == contents(folder)


def test_a_folder_that_does_not_fit_together_is_not_sent(hub, folder):
    write_json(folder / "manifest.json", {"model": "whisper-tiny"})
    add_sums(folder)
    assert "is no manifest of a hand-off folder" in refusal(folder)
    assert hub.requests == []


def test_a_folder_without_verdict_is_sent(hub, folder):
    (folder / "evaluation.json").unlink()
    add_sums(folder)
    publish.main([str(folder), "--repo", REPO])
    assert published(hub) == contents(folder)


def test_tokens_that_may_not_write_are_one_sentence(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    said = refusal(folder)
    assert f"no right to write {REPO} on {hub.url} (401)" in said and "HF_TOKEN" in said
    assert "hf_of_somebody_else" not in said
    monkeypatch.setenv("HF_TOKEN", hub.token)
    hub.owners.clear()
    assert f"no right to write {REPO} on {hub.url} (403)" in refusal(folder)
    assert not (hub.root / "models").exists()
    (hub.root / "models" / REPO).mkdir(parents=True)  # readable, of somebody else
    assert f"no right to write {REPO} on {hub.url} (403)" in refusal(folder)
    assert hub.commits == []


def test_without_token_or_network_nothing_is_asked(hub, folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert f"no token for {hub.url}: set HF_TOKEN" in refusal(folder)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set: unset it" in refusal(folder)
    assert hub.requests == []


def test_a_dead_hub_in_a_process_is_one_sentence(folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"  # nobody listens
        environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_any"}
        done = run(folder, environment)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"error: cannot reach the Hub at {endpoint} to write {REPO}")
    assert len(done.stderr.splitlines()) == 1 and "HF_ENDPOINT" in done.stderr


def test_a_mirror_without_xet_is_one_sentence(hub, folder, tmp_path):
    environment = hub.environment(tmp_path / "home", HF_TOKEN=hub.token, HF_HUB_DISABLE_XET="0")
    done = run(folder, environment)
    last = done.stderr.splitlines()[-1]  # the client's progress bars come before
    assert done.returncode == 1 and last.startswith(f"error: cannot reach the Hub at {hub.url}")
    assert "HF_HUB_DISABLE_XET=1" in last and "Traceback" not in done.stderr
    assert hub.commits == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("status", "/create", method="POST"), "answered 503 (it does not say why)"),
        (Fault("reset", "/create", method="POST"), "cannot reach the Hub"),
        (Fault("status", "/create", method="POST", status=200), "does not answer like a Hub"),
        (Fault("status", "/create", method="POST", body=b"<html>"), "answered 503"),
        (Fault("status", "/revision/", status=503), "answered 503"),
        (Fault("status", "/preupload/", 9, "POST"), "answered 503"),
        (Fault("status", "/preupload/", method="POST", status=403), "(403): correct the name"),
        (Fault("reset", "/preupload/", 9, "POST"), "cannot reach the Hub"),
        (Fault("status", "/lfs/", 99, "PUT"), "answered 503"),
        (Fault("reset", "/lfs/", 99, "PUT"), "cannot reach the Hub"),
        (Fault("status", "/commit/", method="POST"), "answered 503"),
        (Fault("reset", "/commit/", method="POST"), "cannot reach the Hub"),
        (
            Fault("status", "/commit/", 1, "POST", 413, body=b'{"error": "quota exceeded"}'),
            "answered 413 (quota exceeded): run the same command again",
        ),
    ],
    ids=lambda value: f"{value.kind}-{value.where}-{value.status}" if type(value) is Fault else "",
)
def test_a_hub_that_fails_on_the_way_is_one_sentence_and_the_next_try_goes_on(
    hub, folder, fault, said
):
    hub.faults.append(fault)
    assert said in refusal(folder)
    assert hub.commits == []
    hub.faults.clear()
    publish.main([str(folder), "--repo", REPO])
    assert published(hub) == contents(folder) and len(hub.commits) == 1


def test_wrong_names_and_cards_are_one_sentence(hub, folder):
    assert "--repo 'whisper' is not of the form" in refusal(folder, "--repo", "whisper")
    assert "'owner/no--name'" in refusal(folder, "--repo", "owner/no--name")
    assert "so there is no branch 'v2': create both there" in refusal(folder, "--revision", "v2")
    (folder / "README.md").write_text("---\n- no mapping\n---\n", encoding="utf-8")
    add_sums(folder)
    said = refusal(folder)
    assert "Invalid metadata in README.md. - the front matter is no mapping" in said
    assert hub.commits == []


def test_a_commit_of_somebody_else_in_between_is_not_overwritten(hub, folder, monkeypatch):
    real = upload._digests

    def slow(*given):
        hub.commits.append(None)  # another commit, while the listing is on its way
        return real(*given)

    monkeypatch.setattr(upload, "_digests", slow)
    assert "answered 412 (A commit has happened since)" in refusal(folder)


def test_a_repository_is_for_one_device_which_its_name_ends_in(hub, folder):
    said = refusal(folder, "--repo", "owner/whisper-tiny")
    assert "does not end in -aries-rb" in said and "(owner/whisper-tiny-aries-rb)" in said
    assert hub.requests == []
    publish.main([str(folder), "--repo", REPO])
    remote = hub.root / "models" / REPO
    other = (remote / "manifest.json").read_text(encoding="utf-8")
    (remote / "manifest.json").write_text(other.replace('"aries-rb"', '"regulus-rb"'))
    said = refusal(folder)
    assert "holds whisper-tiny_encoder.mxq and parts for regulus-rb, so nothing was sent" in said
    (remote / "manifest.json").unlink()
    assert "whisper-tiny_encoder.mxq and no manifest of a hand-off folder" in refusal(folder)
    (remote / "whisper-tiny_encoder.mxq").unlink()
    publish.main([str(folder), "--repo", REPO])
    assert published(hub) == contents(folder) and len(hub.commits) == 2


def test_figures_of_other_parts_are_not_published(hub, folder):
    digest = sha256_of(folder / "manifest.json")
    write_json(folder / "evaluation.json", {"passed": True, "manifest_sha256": digest})
    add_sums(folder)
    publish.main([str(folder), "--repo", REPO])
    write_json(folder / "evaluation.json", {"passed": True, "manifest_sha256": "0" * 64})
    add_sums(folder)
    assert "evaluation.json was measured of other parts than" in refusal(folder)


def test_what_the_hub_leaves_out_is_noticed(hub, folder):
    publish.main([str(folder), "--repo", REPO])
    remote = hub.root / "models" / REPO
    (remote / ".gitignore").write_text("*.mxq\n", encoding="utf-8")
    (remote / "whisper-tiny_encoder.mxq").unlink()
    commit = "[0-9a-f]{40}"
    with pytest.raises(UserError, match=f"{commit} does not have whisper-tiny_encoder.mxq as"):
        publish.main([str(folder), "--repo", REPO])
    publish.main([str(folder), "--repo", REPO])  # that .gitignore is gone now
    assert published(hub) == contents(folder)
