"""Export one part of a Whisper checkpoint as float32 OpenVINO graphs.

    python -m compilation.openvino_export --part decoder \
        --checkpoint data/checkpoints/whisper-small.json \
        --out compilation/graphs/whisper-small/cpu/decoder.xml

Writes the named .xml and its .bin; for the decoder also decoder_cross.xml and .bin beside it.

    encoder        input_features [1, 3000, n_mels] -> encoder_hidden_states [1, 1500, d_model]
    decoder_cross  encoder_hidden_states -> cross_key_{i}, cross_value_{i}
    decoder        inputs_embeds [1, L, d_model], past_key_{i}, past_value_{i}, cross_key_{i},
                   cross_value_{i} -> logits [1, L, vocab], present_key_{i}, present_value_{i}

i counts decoder layers; keys and values are [1, heads, length, head_dim], of length 1500 (cross),
P (past) and P + L (present). L and P are free, everything else is fixed.
"""

import argparse
from pathlib import Path

import openvino as ov
import torch
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

from common.cli import run
from compilation.openvino_runtime import save_model
from compilation.whisper_parts import DecoderCross, DecoderStep, Encoder
from data.whisper import load_model

Shapes = dict[str, list[int]]  # input name -> shape, -1 where the length is free
EXAMPLE_LENGTH = 2  # of a free axis while tracing


def convert(module: nn.Module, inputs: Shapes, outputs: list[str]) -> ov.Model:
    """Trace a module into a graph whose inputs and outputs are named as given, in that order."""
    example = tuple(
        torch.zeros([EXAMPLE_LENGTH if size < 0 else size for size in shape])
        for shape in inputs.values()
    )
    shapes = [(ov.PartialShape(shape), ov.Type.f32) for shape in inputs.values()]
    graph = ov.convert_model(module.eval(), example_input=example, input=shapes)
    for port, name in zip(graph.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(graph.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
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
    return [1, heads, length, config.d_model // heads]


def encoder_graph(model: WhisperForConditionalGeneration) -> ov.Model:
    """Float graph of the encoder."""
    inputs = {"input_features": [1, frames(model), model.config.num_mel_bins]}
    return convert(Encoder(model), inputs, ["encoder_hidden_states"])


def decoder_cross_graph(model: WhisperForConditionalGeneration) -> ov.Model:
    """Float graph of the projections of the encoder states that one utterance needs once."""
    config = model.config
    inputs = {"encoder_hidden_states": [1, config.max_source_positions, config.d_model]}
    return convert(DecoderCross(model), inputs, layer_names(config, "cross"))


def decoder_graph(model: WhisperForConditionalGeneration) -> ov.Model:
    """Float graph of the decoder, with past and present keys/values as inputs and outputs."""
    config = model.config
    inputs = {"inputs_embeds": [1, -1, config.d_model]}
    inputs |= dict.fromkeys(layer_names(config, "past"), head_shape(config, -1))
    cross = head_shape(config, config.max_source_positions)
    inputs |= dict.fromkeys(layer_names(config, "cross"), cross)
    return convert(DecoderStep(model), inputs, ["logits", *layer_names(config, "present")])


def export(checkpoint: Path, part: str, out: Path) -> None:
    """Write the graphs of one part; `checkpoint` is its manifest, `out` the part's .xml."""
    model = load_model(checkpoint)
    if part == "encoder":
        save_model(encoder_graph(model), out)
    else:
        save_model(decoder_cross_graph(model), out.with_name(f"{out.stem}_cross.xml"))
        save_model(decoder_graph(model), out)


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--part", choices=["encoder", "decoder"], required=True)
    parser.add_argument("--out", type=Path, required=True, help="the .xml to write")
    args = parser.parse_args(argv)
    export(args.checkpoint, args.part, args.out)


if __name__ == "__main__":
    run(main)
