"""Float and compiled parts, to be paired with each other."""

from pathlib import Path
from typing import NamedTuple

from transformers import GenerationConfig, WhisperProcessor

from common.listing import check_listed
from evaluation.transcription.models import generation_of
from runtime.folder import sessions_of
from runtime.openvino_sessions import float_decoder, float_encoder
from runtime.sessions import DecoderSession, EncoderSession


class Pairings(NamedTuple):
    """Encoders and decoders, by kind (`float`, `compiled`); a pairing is named `float+compiled`."""

    encoders: dict[str, EncoderSession]
    decoders: dict[str, DecoderSession]
    generation: GenerationConfig
    processor: WhisperProcessor

    @classmethod
    def with_files(
        cls,
        folder: Path,
        encoders: dict[str, EncoderSession],
        decoders: dict[str, DecoderSession],
    ) -> "Pairings":
        """Sessions, with the JSON files of a hand-off folder, or of their checkpoint's."""
        processor = WhisperProcessor.from_pretrained(str(folder))
        return cls(encoders, decoders, generation_of(folder), processor)


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
    return Pairings.with_files(folder, encoders, decoders)
