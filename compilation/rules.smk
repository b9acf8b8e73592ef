"""Stage 3: each part of a checkpoint, compiled for a target, and the hand-off folder.

Reads   data/checkpoints/{model}.json, calibration/sets/{model}/
Writes  compilation/graphs/{model}/cpu/  float graphs (OpenVINO IR)
        compilation/parts/{model}/cpu/   int8 parts, and how they were made
        compiled/{model}/{target}/       the hand-off folder
"""


rule export_encoder:
    """Float graph of the encoder."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        code=[
            "compilation/openvino_export.py",
            "compilation/openvino_runtime.py",
            "compilation/whisper_parts.py",
            "common/cli.py",
            "common/files.py",
            "data/cache.py",
            "data/whisper.py",
        ],
    output:
        graph="compilation/graphs/{model}/cpu/encoder.xml",
        weights="compilation/graphs/{model}/cpu/encoder.bin",
    log:
        "logs/export_encoder/{model}.log",
    params:
        packages=versions("openvino", "torch", "transformers"),
    shell:
        "python -m compilation.openvino_export --part encoder --checkpoint {input.checkpoint:q}"
        " --out {output.graph:q} 2> {log:q}"


rule export_decoder:
    """Float graphs of the decoder's step and of its projection of the encoder states."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        code=[
            "compilation/openvino_export.py",
            "compilation/openvino_runtime.py",
            "compilation/whisper_parts.py",
            "common/cli.py",
            "common/files.py",
            "data/cache.py",
            "data/whisper.py",
        ],
    output:
        graph="compilation/graphs/{model}/cpu/decoder.xml",
        weights="compilation/graphs/{model}/cpu/decoder.bin",
        cross=[
            "compilation/graphs/{model}/cpu/decoder_cross.xml",
            "compilation/graphs/{model}/cpu/decoder_cross.bin",
        ],
    log:
        "logs/export_decoder/{model}.log",
    params:
        packages=versions("openvino", "torch", "transformers"),
    shell:
        "python -m compilation.openvino_export --part decoder --checkpoint {input.checkpoint:q}"
        " --out {output.graph:q} 2> {log:q}"


rule quantise_encoder:
    """The int8 encoder, from its float graph and its calibration set."""
    input:
        graph="compilation/graphs/{model}/cpu/encoder.xml",
        weights="compilation/graphs/{model}/cpu/encoder.bin",
        calibration="calibration/sets/{model}/encoder/manifest.json",
        code=[
            "compilation/openvino_quantise.py",
            "compilation/openvino_calibration.py",
            "compilation/openvino_runtime.py",
            "common/cli.py",
            "common/files.py",
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
        graph="compilation/graphs/{model}/cpu/decoder.xml",
        weights="compilation/graphs/{model}/cpu/decoder.bin",
        cross=[
            "compilation/graphs/{model}/cpu/decoder_cross.xml",
            "compilation/graphs/{model}/cpu/decoder_cross.bin",
        ],
        calibration="calibration/sets/{model}/decoder/manifest.json",
        code=[
            "compilation/openvino_quantise.py",
            "compilation/openvino_calibration.py",
            "compilation/openvino_runtime.py",
            "common/cli.py",
            "common/files.py",
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
        ],
    output:
        "compiled/{model}/{target}/manifest.json",
    log:
        "logs/assemble_hand_off/{model}_{target}.log",
    params:
        packages=versions("safetensors", "transformers"),
    shell:
        "python -m compilation.hand_off --model {wildcards.model:q} --target {wildcards.target:q}"
        " --checkpoint {input.checkpoint:q} --parts {input.parts:q} --out {output:q} 2> {log:q}"
