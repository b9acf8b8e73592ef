"""Export the parts of a Whisper checkpoint as OpenVINO graphs that compute in float32.

    python -m runtime.graphs --checkpoint data/checkpoints/whisper-small.json \
        --out runtime/float/whisper-small/manifest.json

Writes, beside the manifest, two graphs, each an .xml and a .bin, the embedding tables, and what a
compiler of the graphs must support:

    encoder  input_features [B, n_mels, 3000] -> last_hidden_state [B, 1500, d_model]
    decoder  inputs_embeds [B, L, d_model], encoder_hidden_states [B, 1500, d_model], past_key_{i},
             past_value_{i} -> logits [B, L, vocab], present_key_{i}, present_value_{i}
    tables   tables.safetensors: token and position embeddings, float32
    operations.json: of each graph, its operations with shapes and counts (runtime/operations.py)

Weights are stored in float16 where that is exact for every value of a constant, in float32 else;
`weights` in the manifest says how many, and their bytes. All that is computed is float32.

i counts decoder layers; keys and values are [B, heads, length, head_dim], of length P (past) and
P + L (present). B, L and P are free, everything else is fixed. runtime/stateful.py makes of the
decoder what runs.
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
from runtime.ir import replace_value, save_model, store_float16
from runtime.names import name_layers
from runtime.operations import operations_of
from runtime.parts import DecoderCross, DecoderStep, Encoder
from runtime.tables import NAMES, TABLES

Shapes = dict[str, list[int]]  # input name -> shape, -1 where the length is free
OPERATIONS = "operations.json"
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
    inputs = {"input_features": [-1, model.config.num_mel_bins, frames(model)]}
    return convert(Encoder(model), inputs, ["last_hidden_state"])


def decoder_graph(model: WhisperForConditionalGeneration) -> ov.Model:
    """Float graph of the decoder, with past and present keys/values as inputs and outputs.

    What an utterance needs once is traced by itself and joined: traced together, cross-attention
    would become one operation, which scales all keys at every token.
    """
    config = model.config
    states, width = [-1, config.max_source_positions, config.d_model], config.d_model
    cross_names, past_names = layer_names(config, "cross"), layer_names(config, "past")
    cross = convert(DecoderCross(model), {"encoder_hidden_states": states}, cross_names)
    inputs = {"inputs_embeds": [-1, -1, width]}
    inputs |= dict.fromkeys(past_names, head_shape(config, -1))
    inputs |= dict.fromkeys(cross_names, head_shape(config, config.max_source_positions))
    step = convert(DecoderStep(model), inputs, ["logits", *layer_names(config, "present")])
    for name in cross_names:
        replace_value(step.input(name), cross.output(name).get_node().input_value(0))
    past = [step.input(name) for name in past_names]
    given = [step.input("inputs_embeds"), cross.input("encoder_hidden_states"), *past]
    return ov.Model(step.get_results(), [port.get_node() for port in given])


def export(checkpoint: Path, out: Path) -> None:
    """Write both graphs and the tables of the checkpoint of a manifest, and theirs to `out`."""
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    model = load_model(checkpoint)
    makers = {"encoder": encoder_graph, "decoder": decoder_graph}
    stored, operations = {}, {}
    for name, make in makers.items():
        graph = make(model)
        operations[name] = operations_of(graph)
        stored[name] = store_float16(graph)
        save_model(graph, out.with_name(f"{name}.xml"))
    write_json(out.with_name(OPERATIONS), operations)
    weights = model.state_dict()
    with replacing(out.with_name(TABLES)) as temporary:
        tables = {name: weights[name].contiguous() for name in NAMES}
        save_file(tables, temporary, metadata={"format": "pt"})
        # The library makes it readable for its owner only.
        temporary.chmod(out.with_name("encoder.xml").stat().st_mode)
    names = [f"{name}{suffix}" for name in makers for suffix in (".xml", ".bin")]
    files = listed(out.parent, [*names, TABLES, OPERATIONS])
    manifest = {
        "checkpoint": facts_of(checkpoint),
        "compiler": {"openvino": ov.__version__},
        "weights": stored,
        "files": files,
    }
    write_json(out, manifest)


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
