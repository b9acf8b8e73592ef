"""Stage 3: each part of a checkpoint, compiled for a target, and the hand-off folder.

Reads   data/checkpoints/{model}.json, runtime/float/{model}/, calibration/sets/{model}/
Writes  compilation/parts/{model}/cpu/   int8 parts, and how they were made
        compiled/{model}/{target}/       the hand-off folder
"""


rule quantise_encoder:
    """The int8 encoder, from its float graph and its calibration set."""
    input:
        graph="runtime/float/{model}/encoder.xml",
        weights="runtime/float/{model}/encoder.bin",
        calibration="calibration/sets/{model}/encoder/manifest.json",
        code=[
            "compilation/openvino_quantise.py",
            "compilation/openvino_calibration.py",
            "common/cli.py",
            "common/files.py",
            "runtime/ir.py",
            "runtime/mapped.py",
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
    shell:
        "python -m compilation.openvino_quantise --part encoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} --out {output.graph:q} > {log:q} 2>&1"


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
        code=[
            "compilation/openvino_quantise.py",
            "compilation/openvino_calibration.py",
            "common/cli.py",
            "common/files.py",
            "runtime/ir.py",
            "runtime/mapped.py",
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
    shell:
        "python -m compilation.openvino_quantise --part decoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} --out {output.graph:q} > {log:q} 2>&1"


rule assemble_hand_off:
    """The folder for device engineers, replaced as a whole."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        tables="runtime/float/{model}/tables.safetensors",
        parts=[
            "compilation/parts/{model}/{target}/encoder.json",
            "compilation/parts/{model}/{target}/decoder.json",
        ],
        code=[
            "compilation/hand_off.py",
            "common/cli.py",
            "common/files.py",
            "data/cache.py",
            "data/whisper.py",
            "runtime/tables.py",
        ],
    output:
        "compiled/{model}/{target}/manifest.json",
    log:
        "logs/assemble_hand_off/{model}_{target}.log",
    shell:
        "python -m compilation.hand_off --model {wildcards.model:q} --target {wildcards.target:q}"
        " --checkpoint {input.checkpoint:q} --graphs {input.graphs:q} --parts {input.parts:q}"
        " --out {output:q} 2> {log:q}"
