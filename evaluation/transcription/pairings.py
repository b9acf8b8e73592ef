"""Float and compiled parts, to be paired with each other."""

from pathlib import Path
from typing import NamedTuple

from transformers import WhisperForConditionalGeneration, WhisperProcessor

from common.listing import check_listed
from evaluation.transcription.models import with_sessions
from runtime.folder import sessions_of
from runtime.openvino_sessions import float_decoder, float_encoder
from runtime.sessions import EncoderSession


class Pairings(NamedTuple):
    """Encoders and decoders, by kind (`float`, `compiled`); a pairing is named `float+compiled`."""

    encoders: dict[str, EncoderSession]
    whispers: dict[str, WhisperForConditionalGeneration]  # with each decoder, and its encoder
    processor: WhisperProcessor


def pairings_of(graphs: Path, folder: Path) -> Pairings:
    """Float and compiled parts of one model.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        folder: The hand-off folder.

    Raises:
        UserError: A file of either is missing or was changed.
    """
    check_listed(graphs)
    check_listed(folder / "manifest.json")
    encoder, decoder = sessions_of(folder)
    encoders = {"float": float_encoder(graphs.parent), "compiled": encoder}
    decoders = {"float": float_decoder(graphs.parent), "compiled": decoder}
    return Pairings(
        encoders,
        {kind: with_sessions(folder, encoders[kind], one) for kind, one in decoders.items()},
        WhisperProcessor.from_pretrained(str(folder)),
    )
