"""What `snakemake data` costs against a stand-in for the Hub: requests, bytes, seconds.

Example: python -m benchmarks.data_stage --languages 17 --samples 20

Makes a data set of tones in FLEURS' layout, serves it from this machine, and runs the data stage
in a clean copy of the project three times: with one language that always arrives damaged; again,
with all whole; and once more, in a new copy with the Hub switched off. Then one large file is
fetched by this project and by the Hub's own client, in this process; the ratio is of their times.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from huggingface_hub import constants, hf_hub_download

from data.cache import Repo
from data.download import download
from data.hub import list_folder, resolve
from data.languages import FLEURS_TO_WHISPER
from tests.data_fleurs import encoded, row, tone, write_split
from tests.hub import Fault, Hub
from tests.workflow import clean_copy, snakemake

NAME = "owner/fleurs"
SENTENCES = 60  # of which about half are for calibration
SECONDS = 3.0


def stage(folder: Path, hub: Hub, label: str, cache: Path, **variables: str) -> None:
    """Run the data stage and print what it did."""
    hub.requests.clear()
    begin = time.monotonic()
    result = snakemake(
        folder, "data", "--configfile", "bench.yaml", **(hub.environment(cache) | variables)
    )
    seconds = time.monotonic() - begin
    manifests = list((folder / "data/audio_files").glob("*/*.jsonl"))
    errors = {line for line in result.stdout.splitlines() if line.startswith("error: ")}
    fetched = sum("/resolve/" in path and method == "GET" for method, path in hub.requests)
    print(
        f"{label}: exit {result.returncode}, {len(manifests)} manifests, {len(hub.requests)}"
        f" requests ({fetched} of them bodies of files), {seconds:.0f} s",
        *errors,
        sep="\n  ",
        flush=True,
    )


def compare_clients(hub: Hub, cache: Path, megabytes: int) -> None:
    """Time one file fetched by `data.download` and by huggingface_hub."""
    folder = hub.root / "datasets/owner/large"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(np.random.default_rng(0).bytes(megabytes * 1_000_000))
    constants.ENDPOINT = hub.url
    constants.HUGGINGFACE_CO_URL_TEMPLATE = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HF_HUB_DISABLE_XET = True
    repo = Repo("dataset", "owner/large")
    seconds = []
    for name in ("ours", "theirs"):
        constants.HF_HUB_CACHE = str(cache / name)
        begin = time.monotonic()
        if name == "ours":
            commit = resolve(repo, "main")
            download(repo, commit, list_folder(repo, commit)[0][0])
        else:
            hf_hub_download(
                repo.name, "a.bin", repo_type="dataset", cache_dir=constants.HF_HUB_CACHE
            )
        seconds.append(time.monotonic() - begin)
    print(
        f"{megabytes} MB, checked: {seconds[0]:.1f} s; by huggingface_hub, unchecked:"
        f" {seconds[1]:.1f} s; ratio {seconds[0] / seconds[1]:.2f}"
    )


def main() -> None:
    """Run the three stages and the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--languages", type=int, default=17)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=360, help="of the single file")
    given = parser.parse_args()
    default = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))["data"]["languages"]
    languages = [*default, *sorted(set(FLEURS_TO_WHISPER) - set(default))][: given.languages]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for number, language in enumerate(sorted({*languages, "en_us"})):
            seeds = range(number * SENTENCES, (number + 1) * SENTENCES)
            sounds = [encoded(tone(SECONDS, seed=seed)) for seed in seeds]
            rows = [row(sentence, 0, SECONDS, sound=one) for sentence, one in enumerate(sounds)]
            size = write_split(root / "hub/datasets" / NAME, language, rows).stat().st_size
        print(f"{len(languages)} languages of {size / 1e6:.1f} MB, {given.samples} samples each")
        config = {
            "build": ["micro"],
            "models": {"micro": {"source": "demo/model"}},
            "data": {
                "source": NAME,
                "revision": "main",
                "languages": languages,
                "samples_per_language": given.samples,
            },
            "evaluation": {"samples_per_language": 10},
        }
        with Hub(root / "hub") as hub:
            for number in (1, 2):
                copy = clean_copy(root / f"copy{number}")
                (copy / "bench.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
            hub.faults.append(Fault("flip", languages[0], times=999))
            stage(root / "copy1", hub, "one language damaged", root / "cache")
            hub.faults.clear()
            stage(root / "copy1", hub, "again, all whole", root / "cache")
            stage(root / "copy2", hub, "Hub switched off", root / "cache", HF_HUB_OFFLINE="1")
            compare_clients(hub, root / "clients", given.megabytes)


if __name__ == "__main__":
    main()
