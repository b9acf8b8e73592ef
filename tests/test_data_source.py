"""Where a data set's files are: the layouts of FLEURS, on the Hub and in a local folder."""

import shutil
from pathlib import Path

import pytest

from common.cli import UserError
from data.fetch import fetch_split
from data.layouts import detect, split_files
from data.source import dataset
from tests.data_fleurs import row, write_split
from tests.hub import Hub, use

NAME = "owner/fleurs"

PARQUET = [
    "README.md",
    "parquet-data/en_us/train-00000-of-00002.parquet",
    "parquet-data/en_us/train-00001-of-00002.parquet",
    "parquet-data/en_us/validation-00000-of-00001.parquet",
    "parquet-data/ko_kr/validation-00000-of-00001.parquet",
]
CONVERTED = ["en_us/validation/0000.parquet", "en_us/test/0000.parquet", "en_us/test/0001.parquet"]
CONVERTED_2023 = ["en_us/fleurs-validation.parquet", "en_us/fleurs-test.parquet"]
TAR = ["data/en_us/dev.tsv", "data/en_us/audio/dev.tar.gz", "data/en_us/test.tsv", "fleurs.py"]


@pytest.mark.parametrize(
    ("paths", "layout"),
    [
        (PARQUET, "parquet"),
        (PARQUET + TAR, "parquet"),
        (CONVERTED, "converted"),
        (CONVERTED_2023, "converted"),
        (TAR, "tar"),
        (["README.md", "audio/a.wav", "clips.csv"], None),
        ([], None),
    ],
)
def test_a_layout_is_known_by_its_files(paths, layout):
    assert detect(paths) == layout


@pytest.mark.parametrize(
    ("layout", "paths", "split", "expected"),
    [
        ("parquet", PARQUET, "train", PARQUET[1:3]),
        ("parquet", PARQUET, "validation", PARQUET[3:4]),
        ("converted", CONVERTED, "test", CONVERTED[1:]),
        ("converted", CONVERTED_2023, "validation", CONVERTED_2023[:1]),
        ("tar", TAR, "validation", TAR[:2]),
    ],
)
def test_the_files_of_a_split_are_found_in_each_layout(layout, paths, split, expected):
    assert split_files(layout, reversed(paths), "en_us", split, "here") == expected


@pytest.mark.parametrize(
    ("layout", "paths", "split", "sentence"),
    [
        ("tar", TAR, "train", "here has no split 'train' of en_us: it has dev, test"),
        ("tar", TAR, "test", "here has 1 of 2 files of test of en_us"),
        ("parquet", PARQUET[:2], "train", "here has 1 of 2 files of train of en_us"),
        ("converted", CONVERTED, "train", "has no split 'train' of en_us: it has test, validation"),
    ],
)
def test_what_is_not_there_is_named(layout, paths, split, sentence):
    with pytest.raises(UserError, match=sentence):
        split_files(layout, paths, "en_us", split, "here")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub whose data set has a README only; what a test adds is found."""
    (tmp_path / "hub/datasets" / NAME).mkdir(parents=True)
    (tmp_path / "hub/datasets" / NAME / "README.md").write_text("speech", encoding="utf-8")
    with Hub(tmp_path / "hub") as served:
        use(monkeypatch, served.url, tmp_path / "cache")
        yield served


def add_converted(hub: Hub, tmp_path: Path) -> None:
    written = write_split(tmp_path / "made", "ko_kr", [row(1, 0)])
    converted = hub.root / "converted" / NAME / "ko_kr/validation/0000.parquet"
    converted.parent.mkdir(parents=True)
    shutil.copy2(written, converted)


def add_tar(hub: Hub) -> None:
    folder = hub.root / "datasets" / NAME / "data/ko_kr"
    (folder / "audio").mkdir(parents=True)
    (folder / "dev.tsv").write_text("1\ta.wav\n", encoding="utf-8")
    (folder / "audio/dev.tar.gz").write_bytes(b"an archive")


def test_without_the_parquet_tree_the_converted_branch_is_taken(hub, tmp_path):
    add_tar(hub)
    add_converted(hub, tmp_path)
    found = dataset(NAME, "main")
    assert found["layout"] == "converted"
    assert found["commit"] == hub.commit(hub.root / "converted" / NAME)
    assert fetch_split(found, "ko_kr", "validation") == ["ko_kr/validation/0000.parquet"]


def test_without_that_branch_the_archives_are_taken(hub, monkeypatch):
    add_tar(hub)
    found = dataset(NAME, "main")
    assert found["layout"] == "tar"
    files = fetch_split(found, "ko_kr", "validation")
    assert files == ["data/ko_kr/dev.tsv", "data/ko_kr/audio/dev.tar.gz"]
    hub.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    again = dataset(NAME, "main")
    assert fetch_split(again, "ko_kr", "validation") == files
    assert hub.requests == []


def test_a_repository_in_no_layout_is_one_sentence(hub):
    with pytest.raises(UserError, match="is not laid out as google/fleurs is"):
        dataset(NAME, "main")


def test_a_folder_of_own_audio_is_known_by_its_index(tmp_path):
    (tmp_path / "clips.csv").write_text("file,language,text\na.wav,ko,one\n", encoding="utf-8")
    (tmp_path / "a.wav").write_bytes(b"audio")
    found = dataset(str(tmp_path), "main")
    assert (found["layout"], found["commit"]) == ("files", None)
    assert fetch_split(found, "ko_kr", "validation") == ["clips.csv", "a.wav"]
    with pytest.raises(UserError, match="de_de"):
        fetch_split(found, "de_de", "validation")
