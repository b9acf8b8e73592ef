"""Human speech with what is said, from Debian: telephone prompts, as a folder of own recordings.

Example, then the whole pipeline on them with OpenAI's weights:
    python -m benchmarks.telephone_prompts benchmarks/telephone_prompts
    snakemake --cores 8 --configfile benchmarks/telephone_prompts.yaml

The packages asterisk-core-sounds-{en,es,fr,it,ru} and their -wav (8 kHz; CC BY-SA 3.0, Russian CC
BY 3.0) are fetched with apt-get and unpacked with dpkg-deb, without root; --packages names a
folder that has them already. One voice a language. The Spanish texts have no accents, and so float
and compiled model alike have errors there that nobody hears.
"""

import argparse
import csv
import gzip
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import soundfile

from common.cli import UserError, run
from common.files import replacing

VOICES = {  # of each package's language: the folder of its voice, and FLEURS' code
    "en": ("en_US_f_Allison", "en_us"),
    "es": ("es_MX_f_Allison", "es_419"),
    "fr": ("fr_CA_f_June", "fr_fr"),
    "it": ("it_IT_m_Carlo", "it_it"),
    "ru": ("ru_RU_f_IvrvoiceRU", "ru_ru"),
}
WORDS = 4  # at least
SECONDS = (1.5, 28.0)
# Sounds that are not spoken, remarks to the speaker, and lines that hold the next one's name.
NOT_SPOKEN = re.compile(r"[(\[<]|\S-\S+:")


def command(*words: str | Path, folder: Path) -> None:
    """Run a Debian tool in a folder.

    Raises:
        UserError: It is not there, or fails.
    """
    if not shutil.which(str(words[0])):
        raise UserError(f"there is no {words[0]}: this needs Debian, or a relative of it")
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise UserError(
            f"{' '.join(map(str, words))} ended with status {done.returncode}: {said[-1:]};"
            " apt-get update may help"
        )


def unpacked(packages: Path | None, folder: Path) -> Path:
    """The packages' files, below `folder`; fetched where no folder of packages is given."""
    if packages is None:
        names = [f"asterisk-core-sounds-{one}{kind}" for one in VOICES for kind in ("", "-wav")]
        command("apt-get", "download", *names, folder=folder)
    files = sorted((packages or folder).glob("asterisk-core-sounds-*.deb"))
    if not files:
        raise UserError(f"{packages}: no asterisk-core-sounds-*.deb in it")
    for file in files:
        command("dpkg-deb", "-x", file.absolute(), "root", folder=folder)
    return folder / "root"


def lines(text: bytes) -> Iterator[tuple[str, str]]:
    """Name and words of every prompt in a package's list; what is said twice comes once.

    Args:
        text: The list, `name: words` a line, in UTF-8 or, in some versions, Latin-1.
    """
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    said = set()
    for line in decoded.splitlines():
        name, _, words = line.partition(": ")
        words = words.removeprefix(f"{name}: ").strip(' \t"“”')
        if line.startswith(";") or NOT_SPOKEN.search(words) or len(words.split()) < WORDS:
            continue
        if words not in said:
            said.add(words)
            yield name.strip(), words


def recordings(root: Path) -> Iterator[tuple[str, Path, str, str]]:
    """Name, file, FLEURS' code and words of every prompt that is long and short enough."""
    for language, (voice, code) in VOICES.items():
        package = f"asterisk-core-sounds-{language}"
        listed = root / f"usr/share/doc/{package}/core-sounds-{language}.txt.gz"
        if not listed.exists():
            raise UserError(f"{package}: the package is missing, or its list is elsewhere")
        for name, words in lines(gzip.decompress(listed.read_bytes())):
            file = root / f"usr/share/asterisk/sounds/{voice}/{name}.wav"
            if file.exists() and SECONDS[0] <= soundfile.info(file).duration <= SECONDS[1]:
                yield name, file, code, words


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--packages", type=Path, help="a folder with the .deb files")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as place:
        rows = []
        for name, file, code, words in recordings(unpacked(args.packages, Path(place))):
            copy = args.out / code / f"{name.replace('/', '_')}.wav"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
            rows.append((copy.relative_to(args.out), code, words))
    with replacing(args.out / "index.csv") as path, path.open("w", newline="") as index:
        writer = csv.writer(index, lineterminator="\n")
        writer.writerows([("file", "language", "text"), *rows])
    counts = Counter(code for _, code, _ in rows)
    print(", ".join(f"{code} {count}" for code, count in sorted(counts.items())), "recordings")


if __name__ == "__main__":
    run(main)
