"""What can run a Whisper, float or compiled, when its speed is measured."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from common.files import read_json
from data.cache import local_paths
from runtime.folder import sessions_of
from runtime.sessions import DecoderSession, EncoderSession

Sessions = tuple[EncoderSession, DecoderSession]


class Files(NamedTuple):
    """Manifests of one model in all its forms."""

    checkpoint: Path
    graphs: Path
    compiled: Path


def _float_torch(files: Files) -> Sessions:
    from data.whisper import load_model
    from runtime.torch_sessions import TorchDecoder, TorchEncoder

    model = load_model(files.checkpoint)
    return TorchEncoder(model), TorchDecoder(model)


def _float_cuda(files: Files) -> Sessions:
    from runtime.float_sessions import cuda_sessions

    sessions = cuda_sessions(files.checkpoint)
    return sessions.encoder(), sessions.decoder()


def _float_openvino(files: Files) -> Sessions:
    from runtime.float_sessions import cpu_sessions

    sessions = cpu_sessions(files.graphs)
    return sessions.encoder(), sessions.decoder()


def _compiled(files: Files) -> Sessions:
    return sessions_of(files.compiled.parent)


def _checkpoint_weights(files: Files) -> list[Path]:
    return [path for path in local_paths(files.checkpoint) if path.suffix == ".safetensors"]


def _graph_weights(files: Files) -> list[Path]:
    names = [file["path"] for file in read_json(files.graphs)["files"]]
    kinds = (".bin", ".safetensors")
    return [files.graphs.with_name(name) for name in names if name.endswith(kinds)]


def _compiled_weights(files: Files) -> list[Path]:
    """Of the parts; for an NPU the embedding tables too, which lie beside them."""
    manifest = read_json(files.compiled)
    parts = [file["path"] for part in manifest["parts"].values() for file in part["files"]]
    beside = [file["path"] for file in manifest["files"] if file["path"] not in parts]
    names = [name for name in parts if not name.endswith(".xml")]
    names += [name for name in beside if name.endswith(".safetensors")]
    return [files.compiled.with_name(name) for name in names]


class Backend(NamedTuple):
    """Something that runs a Whisper: what it imports, its sessions, its weight files."""

    module: str
    load: Callable[[Files], Sessions]
    weights: Callable[[Files], list[Path]]


TORCH, OPENVINO, INT8, CUDA, NPU = (
    "float torch",
    "float OpenVINO",
    "int8 OpenVINO",
    "float torch CUDA",
    "NPU",
)
BACKENDS = {
    TORCH: Backend("runtime.torch_sessions", _float_torch, _checkpoint_weights),
    OPENVINO: Backend("runtime.openvino_sessions", _float_openvino, _graph_weights),
    INT8: Backend("runtime.openvino_sessions", _compiled, _compiled_weights),
    CUDA: Backend("runtime.torch_sessions", _float_cuda, _checkpoint_weights),
    NPU: Backend("qbruntime", _compiled, _compiled_weights),
}
