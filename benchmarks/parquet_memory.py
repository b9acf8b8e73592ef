"""How much memory reading a Parquet file of speech takes, by the way it was written.

Example:
    python -m benchmarks.parquet_memory --folder .

Writes files of 300 clips, 358 MB in one row group, and prints for each the peak memory of a process
that reads the texts and then the audio of 20 clips: with data.parquet, and with pyarrow's
read_table as the baseline. A file that is over is removed; they take 358 MB on the disk.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS, CLIP = 300, 1_193_000  # clips, and bytes of each: 18.6 s of FLEURS' 32-bit audio
WANTED = range(0, ROWS, 15)
MB = 1_000_000
# By default pyarrow writes up to 1024 clips into one page: that of a dictionary of clips.
LAYOUTS = {
    "default": {},
    # as that package writes: pages are cut where the content says so
    "datasets": {"use_content_defined_chunking": True, "write_page_index": True},
    "one page": {"use_dictionary": False, "data_page_size": 1 << 40, "write_batch_size": ROWS},
    "1 MB pages": {"use_dictionary": False, "data_page_size": 1 << 20, "write_batch_size": 1},
}
COMPRESSIONS = ("snappy", "none")
READERS = ("data.parquet", "read_table")


def write(path: str, layout: str, compression: str) -> None:
    """Write clips of noise, which no compression makes smaller."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    names = [f"{row}.wav" for row in range(ROWS)]
    clips = pa.array([rng.bytes(CLIP) for _ in range(ROWS)], pa.binary())
    columns = {
        "id": pa.array(range(ROWS), pa.int32()),
        "num_samples": pa.array([CLIP // 4] * ROWS, pa.int32()),
        "path": names,
        "audio": pa.StructArray.from_arrays([clips, pa.array(names)], ["bytes", "path"]),
        "raw_transcription": names,
        "gender": [0] * ROWS,
    }
    pq.write_table(pa.table(columns), path, compression=compression, **LAYOUTS[layout])


def read(path: str, reader: str) -> None:
    """Read the texts, then the audio of the wanted clips, one after the other."""
    if reader == "read_table":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        clips = [table["audio"][row].as_py()["bytes"] for row in WANTED]
        assert all(len(clip) == CLIP for clip in clips)
        return
    from data.parquet import read_audio, read_recordings

    wanted = [one for one in read_recordings([Path(path)]) if one.row in WANTED]
    sizes = [len(data or b"") for _, data in read_audio([Path(path)], wanted)]
    assert sizes == [CLIP] * len(WANTED)


def peak(*step: str) -> int:
    """Peak memory, in bytes, of a process that does one step: "write" or "read", and what it takes.

    The process itself is asked: in what getrusage says of a child Linux counts the memory that its
    parent had when it started the child.
    """
    code = (
        "import sys\nfrom benchmarks import parquet_memory as module\n"
        "getattr(module, sys.argv[1])(*sys.argv[2:])\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print(*[line.split()[1] for line in lines if line.startswith('VmHWM:')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *step],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(done.stdout) * 1024


def main(argv: list[str] | None = None) -> None:
    """Print a line a way of writing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="for the files: a disk with 358 MB free")
    given = parser.parse_args(argv)
    print(f"{'peak in MB (and times the file)':32}" + "".join(f"{name:>18}" for name in READERS))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "clips.parquet"
        for layout in LAYOUTS:
            for compression in COMPRESSIONS:
                peak("write", str(path), layout, compression)
                size = path.stat().st_size
                peaks = [peak("read", str(path), reader) for reader in READERS]
                figures = [f"{value / MB:.0f} ({value / size:.1f})" for value in peaks]
                print(f"{f'{layout}, {compression}':32}" + "".join(f"{one:>18}" for one in figures))


if __name__ == "__main__":
    main()
