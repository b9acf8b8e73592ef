"""Sessions of the compiled parts in a hand-off folder, whatever they were compiled for."""

from pathlib import Path

from common.cli import UserError
from common.files import read_json
from runtime.sessions import DecoderSession, EncoderSession


def sessions_of(folder: Path) -> tuple[EncoderSession, DecoderSession]:
    """Sessions of the two compiled parts in a hand-off folder, as its config.json names them.

    Raises:
        UserError: The folder is no hand-off folder, or what runs its parts is not here.
    """
    path = folder / "config.json"
    config = read_json(path) if path.is_file() else {}
    if "encoder_mxq_path" not in config:
        raise UserError(
            f"{folder} is no hand-off folder (it has no config.json that names the parts); give one"
            " such as compiled/whisper-small/cpu, made by `snakemake --cores all compiled`"
        )
    encoder, decoder = (folder / config[f"{part}_mxq_path"] for part in ("encoder", "decoder"))
    if encoder.suffix == ".mxq":
        from runtime.npu_sessions import NpuDecoder, NpuEncoder  # the vendor's runtime

        return NpuEncoder(encoder, config), NpuDecoder(decoder, config)
    from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder

    cross = decoder.with_name(f"{decoder.stem}_cross.xml")
    return OpenVinoEncoder(encoder), OpenVinoDecoder(decoder, cross)
