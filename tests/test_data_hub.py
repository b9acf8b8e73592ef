"""Fetching a data set from a stand-in for the Hub: whole or not at all, and what is said if not."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants

from common.cli import UserError
from common.files import read_json, sha256_of
from data import hub as client
from data.cache import Repo, discard, is_intact, local_paths, snapshot
from data.fetch import fetch_split
from data.fetch import main as fetch
from data.source import dataset
from data.source import main as source
from tests.data_fleurs import row, write_split
from tests.hub import Fault, Hub, use

NAME = "owner/fleurs"
REPO = Repo("dataset", NAME)
VALIDATION = ["--split", "validation", "--out"]


@pytest.fixture
def served(tmp_path):
    """A Hub with a data set of two languages."""
    root = tmp_path / "hub"
    for language in ("ko_kr", "en_us"):
        write_split(root / "datasets" / NAME, language, [row(s, 0) for s in range(3)])
    with Hub(root) as hub:
        yield hub


@pytest.fixture
def hub(served, tmp_path, monkeypatch):
    """The same, for the code in this process; pauses are short."""
    use(monkeypatch, served.url, tmp_path / "cache")
    yield served
    close_session()


def commands(tmp_path: Path, language: str = "ko_kr") -> list[list[str]]:
    dataset = str(tmp_path / "sources" / "dataset.json")
    manifest = str(tmp_path / "sources" / "validation" / f"{language}.json")
    return [
        ["data.source", "--source", NAME, "--out", dataset],
        ["data.fetch", "--dataset", dataset, "--language", language, *VALIDATION, manifest],
    ]


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
    """A command of the pipeline in a process of its own, as Snakemake starts it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-m", *command], env=clean | environment, capture_output=True, text=True
    )


def test_fetch_then_again_with_the_hub_switched_off(served, tmp_path):
    environment = served.environment(tmp_path / "cache")
    for command in commands(tmp_path):
        done = run(command, environment)
        assert done.returncode == 0, done.stderr
    original = (
        served.root / "datasets" / NAME / "parquet-data/ko_kr/validation-00000-of-00001.parquet"
    )
    commit = served.commit(served.root / "datasets" / NAME)
    manifest = tmp_path / "sources/validation/ko_kr.json"
    listed = read_json(tmp_path / "sources/dataset.json")
    files = listed.pop("files")
    assert listed == {"source": NAME, "revision": "main", "commit": commit, "layout": "parquet"}
    assert [file["path"].split("/")[1] for file in files] == ["en_us", "ko_kr"]
    assert read_json(manifest) == {
        "source": NAME,
        "commit": commit,
        "layout": "parquet",
        "language": "ko_kr",
        "split": "validation",
        "files": [
            {
                "path": "parquet-data/ko_kr/validation-00000-of-00001.parquet",
                "bytes": original.stat().st_size,
                "sha256": sha256_of(original),
            }
        ],
    }
    written = manifest.read_bytes()
    served.requests.clear()
    for command in commands(tmp_path):
        done = run(command, environment | {"HF_HUB_OFFLINE": "1"})
        assert done.returncode == 0, done.stderr
    assert served.requests == []
    assert manifest.read_bytes() == written


def test_dead_hub_in_a_process_is_one_sentence_within_20_s(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"  # nobody listens
        start = time.monotonic()
        out = tmp_path / "dataset.json"
        done = run(
            ["data.source", "--source", "google/fleurs", "--out", str(out)],
            {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path)},
        )
    assert time.monotonic() - start < 20
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    for part in ("error: cannot reach the Hub", endpoint, "local folder"):
        assert part in done.stderr
    assert "--configfile demo/config.yaml" in done.stderr and "HF_ENDPOINT" in done.stderr
    assert not out.exists()


def test_black_hole_gives_up_in_time(tmp_path, monkeypatch):
    assert client.QUESTION_TRIES * client.ANSWER_WITHIN + 1 < 18
    monkeypatch.setattr(client, "ANSWER_WITHIN", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        use(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
        with pytest.raises(UserError, match="cannot reach the Hub"):
            client.resolve(REPO, "main")
        with pytest.raises(UserError, match="cannot reach the Hub"):
            client.list_folder(REPO, "0" * 40)


def test_resolver_that_never_answers_gives_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "ANSWER_WITHIN", 0.2)
    use(monkeypatch, "http://hub.invalid", tmp_path)
    hang = client.threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hang.wait(20))
    start = time.monotonic()
    with pytest.raises(UserError, match="cannot reach the Hub"):
        client.resolve(REPO, "main")
    assert time.monotonic() - start < 5
    hang.set()


def have(language: str = "ko_kr", split: str = "validation") -> list[Path]:
    record = dataset(NAME, "main")
    return [
        snapshot(REPO, record["commit"]) / path for path in fetch_split(record, language, split)
    ]


def is_original(hub: Hub, paths: list[Path]) -> bool:
    folder = hub.root / "datasets" / NAME / "parquet-data"
    return all(p.read_bytes() == (folder / p.parent.name / p.name).read_bytes() for p in paths)


def test_a_changed_byte_is_fetched_again(hub):
    hub.faults.append(Fault("flip", "resolve"))
    assert is_original(hub, have())
    assert [m for m, p in hub.requests if "resolve" in p].count("GET") == 2


def test_a_byte_that_is_always_changed_is_refused_and_not_kept(hub, tmp_path):
    hub.faults.append(Fault("flip", "resolve", times=99))
    with pytest.raises(UserError, match=r"validation-00000-of-00001.parquet .* damaged twice"):
        have()
    blobs = [path for path in tmp_path.rglob("blobs/*") if path.is_file()]
    assert blobs == []


def test_a_byte_changed_in_the_cache_is_noticed(hub, monkeypatch):
    (path,) = have()
    blob = path.resolve()
    content = bytearray(blob.read_bytes())
    content[100] ^= 1
    blob.write_bytes(content)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set, but"):
        have()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert is_original(hub, have())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "revision", times=2),
        Fault("status", "tree", times=2),
        Fault("status", "resolve", times=2),
        Fault("status", "resolve", times=2, method="HEAD"),
        Fault("status", "resolve", status=429, headers={"Retry-After": "1"}),
        Fault("reset", "revision"),
        Fault("reset", "resolve", times=2),
        Fault("truncate", "resolve", times=2),
        Fault("stall", "resolve"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.where}-{fault.method}-{fault.status}",
)
def test_passing_faults_are_survived(hub, fault):
    hub.faults.append(fault)
    assert is_original(hub, have())
    assert fault.times == 0


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault("status", where, times=999) for where in ("revision", "tree", "resolve")),
        Fault("status", "resolve", times=999, method="HEAD"),
        Fault("status", "resolve", times=999, status=429, headers={"Retry-After": "1"}),
        *(Fault("reset", where, times=999) for where in ("revision", "tree", "resolve")),
        *(Fault(kind, "resolve", times=999) for kind in ("flip", "truncate", "halt", "short")),
        *(Fault("stall", where, times=999) for where in ("tree", "resolve")),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.where}-{fault.method}-{fault.status}",
)
def test_lasting_faults_are_one_sentence(hub, tmp_path, monkeypatch, fault):
    """Of which nothing damaged is left that looks whole; when they end, the same command goes on."""
    monkeypatch.setattr(client, "ANSWER_WITHIN", 1.0)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.faults.append(fault)
    with pytest.raises(UserError) as error:
        have()
    assert NAME in str(error.value) or "cannot reach the Hub" in str(error.value)
    assert "\n" not in str(error.value) and fault.times < 999
    blobs = [path for path in tmp_path.rglob("blobs/*") if path.suffix != ".incomplete"]
    assert all(is_intact(path, path.name) for path in blobs)
    hub.faults.clear()
    assert is_original(hub, have())


def test_a_lasting_503_is_one_sentence(hub):
    hub.faults.append(Fault("status", "revision", times=99))
    with pytest.raises(UserError, match=f"{hub.url} keeps answering 503 for the dataset {NAME}"):
        have()


def test_a_cached_split_is_not_fetched_again(hub):
    paths = have()
    hub.requests.clear()
    assert have() == paths
    assert not [path for _, path in hub.requests if "/resolve/" in path]


def test_a_dead_hub_with_a_warm_cache_goes_on_and_with_a_cold_one_is_one_sentence(
    hub, monkeypatch, capsys
):
    paths = have()
    hub.faults.append(Fault("reset", "", times=999))
    assert have() == paths
    assert "going on with what is cached" in capsys.readouterr().err
    with pytest.raises(UserError, match=f"the cache of {NAME} at .* has no language 'en_us'"):
        have("en_us")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "nowhere")
    with pytest.raises(UserError, match="cannot reach the Hub"):
        have()


def test_all_shards_of_a_split_are_fetched_and_an_incomplete_cache_is_completed(hub):
    folder = write_split(hub.root / "datasets" / NAME, "en_us", [row(1, 0)], "train").parent
    first, second = (folder / f"train-0000{i}-of-00002.parquet" for i in (0, 1))
    (folder / "train-00000-of-00001.parquet").rename(first)
    second.write_bytes((folder / "validation-00000-of-00001.parquet").read_bytes())
    paths = have("en_us", "train")
    assert [path.name for path in paths] == [first.name, second.name]
    discard(paths[1])
    assert have("en_us", "train") == paths and is_original(hub, paths)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            ("nobody/nothing", "main", "ko_kr", "validation"),
            "name: correct data.source in config.yaml, or",
        ),
        ((NAME, "v9", "ko_kr", "validation"), f"dataset {NAME} has no revision 'v9'"),
        ((NAME, "main", "ko", "validation"), "has no language 'ko': did you mean ko_kr?"),
        ((NAME, "main", "xx", "validation"), "has no language 'xx': it has en_us, ko_kr"),
        ((NAME, "main", "ko_kr", "dev"), "has no split 'dev' of ko_kr: it has validation"),
        (("not a name/at all", "main", "ko_kr", "dev"), "has no dataset not a name/at all"),
        (("./nowhere", "main", "ko_kr", "dev"), "correct data.source in config.yaml"),
        (("nowhere", "main", "ko_kr", "dev"), "source 'nowhere' is neither a folder"),
        (("demo/data/nowhere", "main", "ko_kr", "dev"), "is neither a folder"),
    ],
)
def test_wrong_names_are_one_sentence(hub, wrong, sentence):
    name, revision, language, split = wrong
    with pytest.raises(UserError) as error:
        fetch_split(dataset(name, revision), language, split)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_gated_and_forbidden_are_one_sentence(hub):
    hub.gated.add(NAME)
    with pytest.raises(UserError, match=f"dataset {NAME} is gated: .* HF_TOKEN"):
        have()
    hub.faults.append(Fault("status", "revision", status=403))
    with pytest.raises(UserError, match=r"refuses access .*403.*HF_TOKEN"):
        have()


def test_an_endpoint_that_is_no_hub_is_one_sentence(hub, monkeypatch):
    for body in (b"{}", b"[]", b"<html>log in</html>"):
        hub.faults.append(Fault("status", "revision", status=200, body=body))
        with pytest.raises(UserError, match="does not answer like a Hub"):
            have()
    monkeypatch.setattr(constants, "ENDPOINT", "hub.example")
    with pytest.raises(UserError, match=r"cannot reach the Hub at hub\.example"):
        have()


def test_switched_off_and_not_cached_is_one_sentence(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set, but"):
        have()
    assert hub.requests == []


def test_a_local_folder_needs_no_hub_and_is_not_copied(tmp_path, monkeypatch):
    path = write_split(tmp_path / "own", "ko_kr", [row(1, 0)])
    monkeypatch.chdir(tmp_path)
    given = ["--dataset", "dataset.json", "--language", "ko_kr", "--split", "validation"]
    source(["--source", "./own", "--revision", "any", "--out", "dataset.json"])
    assert read_json(Path("dataset.json"))["commit"] is None
    fetch([*given, "--out", "ko_kr.json"])
    (local,) = local_paths(Path("ko_kr.json"))
    assert local.samefile(path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(UserError, match=r"has changed: delete ko_kr\.json and run"):
        local_paths(Path("ko_kr.json"))
    with pytest.raises(UserError, match=r"own has no language 'kokr': did you mean ko_kr\?"):
        fetch_split(dataset("./own", "any"), "kokr", "validation")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="local data set empty has neither parquet-data/"):
        source(["--source", "empty", "--out", "other.json"])
    assert not Path("other.json").exists()


def test_a_split_of_which_files_are_missing_is_refused(tmp_path):
    folder = write_split(tmp_path / "own", "ko_kr", [row(1, 0)]).parent
    next(folder.glob("*.parquet")).rename(folder / "validation-00000-of-00003.parquet")
    with pytest.raises(UserError, match="has 1 of 3 files of validation of ko_kr"):
        fetch_split(dataset(str(tmp_path / "own"), "main"), "ko_kr", "validation")
