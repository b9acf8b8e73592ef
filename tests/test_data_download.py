"""Large files from the Hub: continued after any cut, checked, never more than the disk holds."""

import multiprocessing
import random
import time
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import close_session, constants

from common.cli import UserError
from common.disk import free_bytes
from data import download, hub_errors
from data.cache import RemoteFile, Repo, blob_path
from data.hub import list_folder, resolve
from tests.hub import Fault, Hub, use

NAME = "owner/large"
REPO = Repo("dataset", NAME)
SIZE = 8_000_000


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub with one large file; the client keeps what arrives in steps of 64 KiB."""
    folder = tmp_path / "hub/datasets" / NAME
    folder.mkdir(parents=True)
    (folder / "large.bin").write_bytes(np.random.default_rng(0).bytes(SIZE))
    (folder / "small.json").write_text("{}", encoding="utf-8")
    with Hub(tmp_path / "hub") as served:
        use(monkeypatch, served.url, tmp_path / "cache")
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
        yield served
    close_session()


def listed() -> tuple[str, RemoteFile]:
    """The commit, and the large file as the Hub lists it."""
    commit = resolve(REPO, "main")
    return commit, list_folder(REPO, commit)[0][0]


def have() -> Path:
    return download.download(REPO, *listed())


def is_original(hub: Hub, path: Path) -> bool:
    return path.read_bytes() == (hub.root / "datasets" / NAME / "large.bin").read_bytes()


def partial_file(file: RemoteFile) -> Path:
    blob = blob_path(REPO, file.digest)
    return blob.with_name(blob.name + download.PARTIAL)


def test_a_large_and_a_small_file_are_in_the_ordinary_cache(hub):
    commit, file = listed()
    path = have()
    assert is_original(hub, path) and path.resolve() == blob_path(REPO, file.digest)
    small = list_folder(REPO, commit)[0][1]
    assert download.download(REPO, commit, small).read_text(encoding="utf-8") == "{}"
    assert hub.starts == [0]


@pytest.mark.parametrize("kind", ["truncate", "halt", "short"])
def test_a_cut_body_is_continued_where_it_ended(hub, kind):
    hub.faults.append(Fault(kind, "large.bin"))
    assert is_original(hub, have())
    assert len(hub.starts) == 2 and SIZE / 2 - (1 << 16) <= hub.starts[1] <= SIZE / 2


def test_a_file_that_is_shorter_than_listed_is_refused_and_not_kept(hub):
    hub.faults.append(Fault("short", "large.bin", times=999))
    with pytest.raises(UserError, match=r"large\.bin of the dataset owner/large arrived damaged"):
        have()
    _, file = listed()
    assert not partial_file(file).exists() and not blob_path(REPO, file.digest).exists()


def test_a_damaged_part_of_an_earlier_run_is_fetched_again(hub):
    _, file = listed()
    partial_file(file).parent.mkdir(parents=True)
    partial_file(file).write_bytes(bytes(SIZE // 3))
    assert is_original(hub, have())
    assert hub.starts == [SIZE // 3, 0]


def test_tries_count_from_the_last_byte_that_came(hub, monkeypatch):
    monkeypatch.setattr(hub_errors, "is_busy", lambda _: False)
    hub.faults += [Fault("truncate", "large.bin") for _ in range(3 * download.TRIES)]
    assert is_original(hub, have())
    assert sorted(hub.starts) == hub.starts


def test_killed_at_20_random_moments_no_more_than_a_step_is_fetched_twice(hub):
    """The process that downloads is a fork: it begins at once."""
    hub.pace = 0.004  # between two of 122 pieces
    rng = random.Random(0)
    context = multiprocessing.get_context("fork")
    commit, file = listed()
    part = partial_file(file)
    sizes = [0]
    for _ in range(20):
        process = context.Process(target=_forked, args=(commit, file))
        process.start()
        while process.is_alive() and (part.stat().st_size if part.exists() else 0) == sizes[-1]:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        sizes.append(part.stat().st_size)
    assert is_original(hub, have())
    assert sizes == sorted(set(sizes))  # every one was killed on its way, none lost anything
    assert hub.starts == sizes  # and each went on where the one before had ended


def test_processes_that_want_the_same_file_fetch_it_once_and_see_no_damage(hub):
    hub.pace = 0.002
    hub.faults.append(Fault("flip", "large.bin"))
    context = multiprocessing.get_context("fork")
    commit, file = listed()
    processes = [context.Process(target=_forked, args=(commit, file)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert is_original(hub, have()) and hub.starts == [0, 0]
    assert not partial_file(file).exists()


def _forked(commit: str, file: RemoteFile) -> None:
    close_session()
    download.download(REPO, commit, file)


def test_large_files_come_from_a_cdn_and_the_token_stays_with_the_hub(hub, monkeypatch):
    hub.cdn = True
    hub.private.add(NAME)
    with pytest.raises(UserError, match=f"has no dataset {NAME}.*set HF_TOKEN if"):
        have()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.faults.append(Fault("truncate", "cdn"))
    assert is_original(hub, have())
    assert any(path.startswith("/cdn/") for _, path in hub.requests)


def test_a_listing_of_many_pages_is_read_to_its_end(hub):
    folder = hub.root / "datasets" / NAME
    for number in range(7):
        (folder / f"part{number}").mkdir()
        (folder / f"part{number}/x.tsv").write_text("x", encoding="utf-8")
    hub.page = 3
    files, _ = list_folder(REPO, resolve(REPO, "main"), recursive=True)
    assert len(files) == 9


def test_what_the_disk_cannot_hold_is_not_begun(hub, tmp_path, monkeypatch):
    commit, file = listed()
    monkeypatch.setattr(download, "free_bytes", lambda folder: SIZE - 1)
    with pytest.raises(UserError, match=r"0\.01 GB of the dataset owner/large are still to be"):
        download.check_space(REPO, commit, [file])
    partial_file(file).parent.mkdir(parents=True)
    partial_file(file).write_bytes(bytes(10))
    download.check_space(REPO, commit, [file])  # a part is here
    assert download.still_to_fetch(REPO, commit, [file]) == SIZE - 10
    assert hub.starts == []
    assert free_bytes(tmp_path / "not" / "there") > 0
