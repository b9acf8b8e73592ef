"""The float checkpoint's parts as sessions, by what there is to run them.

On a CPU, OpenVINO runs the exported float graphs, which takes neither torch nor its memory; on a
CUDA GPU, torch runs the checkpoint, which is loaded once for both parts.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from common.gpu import has_gpu
from runtime.sessions import DecoderSession, EncoderSession


class FloatSessions(NamedTuple):
    """How to begin each part, and what fits it."""

    encoder: Callable[[], EncoderSession]
    decoder: Callable[[], DecoderSession]
    encoded_at_once: int  # clips
    decoder_bytes: int  # for the keys and values of a batch's encoder states
    device: str  # for manifests


def has_cuda() -> bool:
    """Whether torch can use a CUDA GPU; it is imported only where there is a driver."""
    if not has_gpu():
        return False
    import torch

    return torch.cuda.is_available()


def float_sessions(graphs: Path, checkpoint: Path) -> FloatSessions:
    """The best there is here.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        checkpoint: Manifest of the checkpoint.
    """
    return cuda_sessions(checkpoint) if has_cuda() else cpu_sessions(graphs)


def cpu_sessions(graphs: Path) -> FloatSessions:
    """OpenVINO, clip by clip through the encoder: one clip keeps all cores at work."""
    from runtime.openvino_sessions import float_decoder, float_encoder

    folder = graphs.parent
    return FloatSessions(
        encoder=lambda: float_encoder(folder),
        decoder=lambda: float_decoder(folder),
        encoded_at_once=1,
        decoder_bytes=900_000_000,
        device="cpu: OpenVINO, float32",
    )


def cuda_sessions(checkpoint: Path) -> FloatSessions:
    """torch in float32 on the GPU, without TF32, which has 10 bits of mantissa."""
    import torch

    from data.whisper import load_model
    from runtime.torch_sessions import TorchDecoder, TorchEncoder

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    model = cache(lambda: load_model(checkpoint).cuda())
    return FloatSessions(
        encoder=lambda: TorchEncoder(model()),
        decoder=lambda: TorchDecoder(model()),
        encoded_at_once=16,
        decoder_bytes=4_000_000_000,
        device=f"cuda: torch, float32, {torch.cuda.get_device_name()}",
    )
