"""Export the parts of a Whisper checkpoint as float32 OpenVINO graphs.

    python -m runtime.graphs --checkpoint data/checkpoints/whisper-small.json \
        --out runtime/float/whisper-small/manifest.json

Writes, beside the manifest, three graphs, each an .xml and a .bin, and the embedding tables:

    encoder        input_features [B, 3000, n_mels] -> encoder_hidden_states [B, 1500, d_model]
    decoder_cross  encoder_hidden_states -> cross_key_{i}, cross_value_{i}
    decoder        inputs_embeds [B, L, d_model], past_key_{i}, past_value_{i}, cross_key_{i},
                   cross_value_{i} -> logits [B, L, vocab], present_key_{i}, present_value_{i}
    tables         tables.safetensors: token and position embeddings, float32

i counts decoder layers; keys and values are [B, heads, length, head_dim], of length 1500 (cross),
P (past) and P + L (present); cross keys are turned, [B, heads, head_dim, 1500]. B, L and P are
free, everything else is fixed.
"""

import argparse
from pathlib import Path

import openvino as ov
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

from common.cli import run
from common.files import listed, replacing, write_json
from data.whisper import facts_of, load_model
from runtime.ir import save_model
from runtime.names import name_layers
from runtime.parts import DecoderCross, DecoderStep, Encoder
from runtime.tables import NAMES, TABLES

Shapes = dict[str, list[int]]  # input name -> shape, -1 where the length is free
EXAMPLE_BATCH, EXAMPLE_LENGTH = 1, 2  # of the free axes while tracing


def convert(module: nn.Module, inputs: Shapes, outputs: list[str]) -> ov.Model:
    """Trace a module into a graph whose inputs and outputs are named as given, in that order.

    Its layers are named after their modules (see runtime/names.py).
    """
    example = tuple(
        torch.zeros([EXAMPLE_BATCH, *(EXAMPLE_LENGTH if size < 0 else size for size in shape[1:])])
        for shape in inputs.values()
    )
    shapes = [(ov.PartialShape(shape), ov.Type.f32) for shape in inputs.values()]
    graph = ov.convert_model(module.eval(), example_input=example, input=shapes)
    for port, name in zip(graph.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(graph.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    name_layers(graph)
    return graph


def frames(model: WhisperForConditionalGeneration) -> int:
    """Mel frames of one window: 3000 for every published Whisper."""
    encoder = model.model.encoder
    return model.config.max_source_positions * encoder.conv1.stride[0] * encoder.conv2.stride[0]


def layer_names(config: WhisperConfig, kind: str) -> list[str]:
    """`{kind}_key_0`, `{kind}_value_0`, `{kind}_key_1`, ... for every decoder layer."""
    layers = range(config.decoder_layers)
    return [f"{kind}_{half}_{layer}" for layer in layers for half in ("key", "value")]


def head_shape(config: WhisperConfig, length: int) -> list[int]:
    """Shape of one layer's decoder keys or values."""
    heads = config.decoder_attention_heads
    return [-1, heads, length, config.d_model // heads]


def encoder_graph(model: WhisperForConditionalGeneration) -> ov.Model:
    """Float graph of the encoder."""
    inputs = {"input_features": [-1, frames(model), model.config.num_mel_bins]}
    return convert(Encoder(model), inputs, ["encoder_hidden_states"])


def decoder_cross_graph(model: WhisperForConditionalGeneration) -> ov.Model:
    """Float graph of the projections of the encoder states that one utterance needs once."""
    config = model.config
    inputs = {"encoder_hidden_states": [-1, config.max_source_positions, config.d_model]}
    return convert(DecoderCross(model), inputs, layer_names(config, "cross"))


def decoder_graph(model: WhisperForConditionalGeneration) -> ov.Model:
    """Float graph of the decoder, with past and present keys/values as inputs and outputs."""
    config = model.config
    inputs = {"inputs_embeds": [-1, -1, config.d_model]}
    inputs |= dict.fromkeys(layer_names(config, "past"), head_shape(config, -1))
    values = head_shape(config, config.max_source_positions)
    keys = [*values[:2], *values[:1:-1]]
    inputs |= {n: keys if "_key_" in n else values for n in layer_names(config, "cross")}
    return convert(DecoderStep(model), inputs, ["logits", *layer_names(config, "present")])


def export(checkpoint: Path, out: Path) -> None:
    """Write all graphs and the tables of the checkpoint of a manifest, and theirs to `out`."""
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    model = load_model(checkpoint)
    graphs = {
        "encoder": encoder_graph,
        "decoder_cross": decoder_cross_graph,
        "decoder": decoder_graph,
    }
    for name, graph in graphs.items():
        save_model(graph(model), out.with_name(f"{name}.xml"))
    weights = model.state_dict()
    with replacing(out.with_name(TABLES)) as temporary:
        tables = {name: weights[name].contiguous() for name in NAMES}
        save_file(tables, temporary, metadata={"format": "pt"})
        # The library makes it readable for its owner only.
        temporary.chmod(out.with_name("encoder.xml").stat().st_mode)
    names = [f"{name}{suffix}" for name in graphs for suffix in (".xml", ".bin")]
    files = listed(out.parent, [*names, TABLES])
    compiler = {"openvino": ov.__version__}
    write_json(out, {"checkpoint": facts_of(checkpoint), "compiler": compiler, "files": files})


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="the manifest.json to write")
    args = parser.parse_args(argv)
    export(args.checkpoint, args.out)


if __name__ == "__main__":
    run(main)
