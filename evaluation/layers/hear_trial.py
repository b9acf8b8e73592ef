"""What one pair of parts hears of clips, and how long it takes; target cpu.

A try of choose_float.py, which needs no more. (evaluation.quality.evaluate hears with every
pairing.)
"""

import argparse
import time
from pathlib import Path
from typing import Any

from calibration.features import encoder_input
from common.cli import run
from common.files import write_json
from common.listing import check_listed
from common.progress import Progress
from data.cache import local_folder
from data.clips import interleave, read_audio, understood
from data.whisper import load_processor
from evaluation.scoring.gate import COMPILED, FLOAT
from evaluation.transcription.generate import check_heard, hear, references, row_of
from evaluation.transcription.models import with_sessions
from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder, float_decoder, float_encoder
from runtime.tables import TABLES


def listen(
    checkpoint: Path, graphs: Path, parts: Path | None, clip_manifests: list[Path], tasks: list[str]
) -> dict[str, Any]:
    """Rows as in transcripts.json with one pairing, and the seconds of hearing and of audio.

    Args:
        checkpoint: Its manifest.
        graphs: Manifest of its float graphs.
        parts: Folder of both int8 parts; None: the float graphs are heard.
        clip_manifests: Manifests of clips, one a language.
        tasks: Tasks that the checkpoint was trained for.
    """
    if parts is None:
        pairing, encoder, decoder = (
            FLOAT,
            float_encoder(graphs.parent),
            float_decoder(graphs.parent, 1),
        )
    else:
        pairing, encoder = COMPILED, OpenVinoEncoder(parts / "encoder.xml")
        decoder = OpenVinoDecoder(parts / "decoder.xml", parts / "decoder_cross.xml")
    check_listed(graphs)
    tables = graphs.with_name(TABLES)
    whisper = with_sessions(local_folder(checkpoint), encoder, decoder, tables)
    processor = load_processor(checkpoint)
    rows, taken, length = [], 0.0, 0.0
    clips = understood(interleave(clip_manifests), whisper.generation_config)
    for clip in Progress(clips, desc=f"hearing, {pairing}", unit="clip"):
        features = encoder_input(processor.feature_extractor, read_audio(clip))
        begin = time.perf_counter()
        states = encoder.encode(features)
        for task, reference in references(clip, whisper.generation_config, tasks).items():
            heard = hear(whisper, processor, states, clip["whisper_language"], task)
            rows.append(row_of(str(clip["path"]), clip, task, reference, {pairing: heard}))
        taken += time.perf_counter() - begin
        length += clip["seconds"]
    check_heard(rows)
    return {"seconds": taken, "audio_seconds": length, "rows": rows}


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
        help="folder of the int8 parts; without it, the float graphs are heard",
    )
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--tasks", nargs="+", required=True, help="what the model can do")
    add("--out", type=Path, required=True, help="a JSON file")
    args = parser.parse_args(argv)
    heard = listen(args.checkpoint, args.graphs, args.parts, args.clips, args.tasks)
    write_json(args.out, heard)


if __name__ == "__main__":
    run(main)
