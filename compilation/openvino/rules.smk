"""Stage 3, target cpu: each part quantised by NNCF.

Reads   runtime/float/{model}/, calibration/sets/{model}/
Writes  compilation/parts/{model}/cpu/   int8 parts, and how they were made
"""

SEARCHED = [
    part for part in ("encoder", "decoder") if config["compilation"][part]["keep_float"] == "auto"
]


def chosen_layers(*parts):
    """What a search has found for any of these parts."""
    return ["compilation/parts/{model}/cpu/keep_float.json"] if set(parts) & set(SEARCHED) else []


def kept_float(part):
    """Which layers stay float."""
    if part in SEARCHED:
        return lambda wildcards, input: ["--keep-float-of", *input.chosen]
    return ["--keep-float", *config["compilation"][part]["keep_float"]]


rule quantise_encoder:
    """The int8 encoder, from its float graph and its calibration set."""
    input:
        graph="runtime/float/{model}/encoder.xml",
        weights="runtime/float/{model}/encoder.bin",
        calibration="calibration/sets/{model}/encoder/manifest.json",
        chosen=chosen_layers("encoder"),
        code=[
            "compilation/openvino/quantise.py",
            "compilation/openvino/samples.py",
            "compilation/openvino/layers.py",
            "common/cli.py",
            "common/files.py",
            "common/nearest.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/names.py",
        ],
    output:
        graph="compilation/parts/{model}/cpu/encoder.xml",
        weights="compilation/parts/{model}/cpu/encoder.bin",
        record="compilation/parts/{model}/cpu/encoder.json",
    log:
        "logs/quantise_encoder/{model}.log",
    benchmark:
        "logs/quantise_encoder/{model}.tsv"
    threads: workflow.cores
    params:
        packages=versions("openvino", "nncf"),
        keep_float=kept_float("encoder"),
    shell:
        "python -m compilation.openvino.quantise --part encoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} {params.keep_float:q}"
        " --out {output.graph:q} > {log:q} 2>&1"


rule quantise_decoder:
    """The int8 decoder and its projection of the encoder states, likewise."""
    input:
        graph="runtime/float/{model}/decoder.xml",
        weights="runtime/float/{model}/decoder.bin",
        cross=[
            "runtime/float/{model}/decoder_cross.xml",
            "runtime/float/{model}/decoder_cross.bin",
        ],
        calibration="calibration/sets/{model}/decoder/manifest.json",
        chosen=chosen_layers("decoder"),
        code=[
            "compilation/openvino/quantise.py",
            "compilation/openvino/samples.py",
            "compilation/openvino/layers.py",
            "common/cli.py",
            "common/files.py",
            "common/nearest.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/names.py",
        ],
    output:
        graph="compilation/parts/{model}/cpu/decoder.xml",
        weights="compilation/parts/{model}/cpu/decoder.bin",
        record="compilation/parts/{model}/cpu/decoder.json",
    log:
        "logs/quantise_decoder/{model}.log",
    benchmark:
        "logs/quantise_decoder/{model}.tsv"
    threads: workflow.cores
    params:
        packages=versions("openvino", "nncf"),
        keep_float=kept_float("decoder"),
    shell:
        "python -m compilation.openvino.quantise --part decoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} {params.keep_float:q}"
        " --out {output.graph:q} > {log:q} 2>&1"
