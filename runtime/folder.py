"""Sessions of the compiled parts in a hand-off folder, whatever they were compiled for."""

from pathlib import Path

from common.cli import UserError
from common.files import read_json
from runtime.sessions import DecoderSession, EncoderSession
from runtime.tables import load_tables

# What OpenVINO GenAI and optimum-intel name a part's graph in a folder for the target cpu.
GRAPHS = {"encoder": "openvino_encoder_model", "decoder": "openvino_decoder_model"}
CPU, NPU = "cpu", "npu"


def device_of(folder: Path) -> str:
    """What runs the parts of a hand-off folder: `cpu` or `npu`.

    Raises:
        UserError: The folder is no hand-off folder.
    """
    path = folder / "config.json"
    if path.is_file() and "encoder_mxq_path" in read_json(path):
        return NPU
    if path.is_file() and (folder / f"{GRAPHS['encoder']}.xml").is_file():
        return CPU
    raise UserError(
        f"{folder} is no hand-off folder (it has no compiled parts); give one such as"
        " compiled/whisper-small/cpu, made by `snakemake --cores all compiled`"
    )


def sessions_of(folder: Path) -> tuple[EncoderSession, DecoderSession]:
    """Sessions of the two compiled parts in a hand-off folder.

    Raises:
        UserError: The folder is no hand-off folder, or what runs its parts is not here.
    """
    if device_of(folder) == NPU:
        from runtime.npu_sessions import NpuDecoder, NpuEncoder  # the vendor's runtime

        config = read_json(folder / "config.json")
        encoder, decoder = (folder / config[f"{part}_mxq_path"] for part in ("encoder", "decoder"))
        tables = load_tables(folder / "model.safetensors")
        return NpuEncoder(encoder, config), NpuDecoder(decoder, config, tables)
    from runtime.openvino_sessions import compiled_sessions

    return compiled_sessions(folder)
