"""What one pair of parts makes of clips, and how long it takes; target cpu.

A trial of search_keep_float.py, which needs no more. (quality.evaluate has every pairing.)
"""

import argparse
from pathlib import Path
from typing import Any

from common.cli import run
from common.files import write_json
from common.listing import check_listed
from data.cache import local_folder
from data.clips import interleave, understood
from evaluation.transcription.pairings import Pairings
from evaluation.transcription.transcribe_clips import transcribe_clips
from runtime.ir import CHOSEN, read_model
from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder, float_decoder, float_encoder
from runtime.stateful import make_stateful
from runtime.tables import TABLES, load_tables


def transcribe_trial(
    checkpoint: Path, graphs: Path, parts: Path | None, clip_manifests: list[Path], tasks: list[str]
) -> dict[str, Any]:
    """Rows as in transcripts.json with one pairing, the seconds that they took, and of audio.

    Args:
        checkpoint: Its manifest.
        graphs: Manifest of its float graphs.
        parts: Folder of both int8 parts; None: the float graphs transcribe.
        clip_manifests: Manifests of clips, one a language.
        tasks: Tasks that the checkpoint was trained for.
    """
    check_listed(graphs)
    if parts is None:
        kind = "float"
        encoder, decoder = float_encoder(graphs.parent), float_decoder(graphs.parent)
    else:
        kind, tables = "compiled", load_tables(graphs.with_name(TABLES))
        encoder = OpenVinoEncoder(parts / "encoder.xml", CHOSEN)
        whole = make_stateful(read_model(parts / "decoder.xml"), tables)
        decoder = OpenVinoDecoder(whole, CHOSEN)
    files = local_folder(checkpoint)
    pairings = Pairings.with_files(files, {kind: encoder}, {kind: decoder})
    clips = understood(interleave(clip_manifests), pairings.generation)
    seconds, audio_seconds, rows = 0.0, 0.0, []
    for one in transcribe_clips(pairings, clips, tasks, f"{kind} parts"):
        seconds += one.seconds
        audio_seconds += one.clip["seconds"]
        rows += one.rows
    return {"seconds": seconds, "audio_seconds": audio_seconds, "rows": rows}


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--graphs", type=Path, required=True, help="manifest of its float graphs")
    add(
        "--parts",
        type=Path,
        help="folder of the int8 parts; without it, the float graphs transcribe",
    )
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--tasks", nargs="+", required=True, help="what the model can do")
    add("--out", type=Path, required=True, help="a JSON file")
    args = parser.parse_args(argv)
    found = transcribe_trial(args.checkpoint, args.graphs, args.parts, args.clips, args.tasks)
    write_json(args.out, found)


if __name__ == "__main__":
    run(main)
