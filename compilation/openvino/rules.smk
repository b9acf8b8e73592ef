"""Stage 3, target cpu: each part quantised by NNCF.

Reads   runtime/float/{model}/, calibration/sets/{model}{variant}/
Writes  compilation/parts/{model}{variant}/cpu/   int8 parts, and how they were made
"""


rule quantise_encoder:
    """The int8 encoder, from its float graph and its calibration set."""
    input:
        graph="runtime/float/{model}/encoder.xml",
        weights="runtime/float/{model}/encoder.bin",
        calibration=lambda wildcards: VARIANTS.calibration_set(wildcards, "encoder"),
        chosen=lambda wildcards: VARIANTS.float_choice(wildcards, "encoder"),
    output:
        graph="compilation/parts/{model}{variant}/cpu/encoder.xml",
        weights="compilation/parts/{model}{variant}/cpu/encoder.bin",
        record="compilation/parts/{model}{variant}/cpu/encoder.json",
    log:
        "logs/quantise_encoder/{model}{variant}.log",
    benchmark:
        "logs/quantise_encoder/{model}{variant}.tsv"
    threads: THREADS
    resources:
        **needs(
            "quantise_encoder",
            lambda wildcards: flags.scheme(VARIANTS.settings(wildcards), "encoder"),
        ),
    params:
        *sources("compilation.openvino.quantise"),
        packages=versions("openvino", "nncf"),
        flags=lambda wildcards: flags.cpu_part(
            VARIANTS.settings(wildcards), "encoder", VARIANTS.float_choice(wildcards, "encoder")
        ),
    shell:
        "python -m compilation.openvino.quantise --part encoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} {params.flags:q}"
        " --out {output.graph:q} > {log:q} 2>&1"


rule quantise_decoder:
    """The int8 decoder, likewise."""
    input:
        graph="runtime/float/{model}/decoder.xml",
        weights="runtime/float/{model}/decoder.bin",
        calibration=lambda wildcards: VARIANTS.calibration_set(wildcards, "decoder"),
        chosen=lambda wildcards: VARIANTS.float_choice(wildcards, "decoder"),
    output:
        graph="compilation/parts/{model}{variant}/cpu/decoder.xml",
        weights="compilation/parts/{model}{variant}/cpu/decoder.bin",
        record="compilation/parts/{model}{variant}/cpu/decoder.json",
    log:
        "logs/quantise_decoder/{model}{variant}.log",
    benchmark:
        "logs/quantise_decoder/{model}{variant}.tsv"
    threads: THREADS
    resources:
        **needs(
            "quantise_decoder",
            lambda wildcards: flags.scheme(VARIANTS.settings(wildcards), "decoder"),
        ),
    params:
        *sources("compilation.openvino.quantise"),
        packages=versions("openvino", "nncf"),
        flags=lambda wildcards: flags.cpu_part(
            VARIANTS.settings(wildcards), "decoder", VARIANTS.float_choice(wildcards, "decoder")
        ),
    shell:
        "python -m compilation.openvino.quantise --part decoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} {params.flags:q}"
        " --out {output.graph:q} > {log:q} 2>&1"
