"""Stage 3, target cpu: each part quantised by NNCF.

Reads   runtime/float/{model}/, calibration/sets/{model}/
Writes  compilation/parts/{model}/cpu/   int8 parts, and how they were made
"""


rule quantise_encoder:
    """The int8 encoder, from its float graph and its calibration set."""
    input:
        graph="runtime/float/{model}/encoder.xml",
        weights="runtime/float/{model}/encoder.bin",
        calibration="calibration/sets/{model}/encoder/manifest.json",
        chosen=BUILD.float_choice("encoder"),
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
        *sources("compilation.openvino.quantise"),
        packages=versions("openvino", "nncf"),
        flags=flags.cpu_part(config, BUILD, "encoder"),
    shell:
        "python -m compilation.openvino.quantise --part encoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} {params.flags:q}"
        " --out {output.graph:q} > {log:q} 2>&1"


rule quantise_decoder:
    """The int8 decoder, likewise."""
    input:
        graph="runtime/float/{model}/decoder.xml",
        weights="runtime/float/{model}/decoder.bin",
        calibration="calibration/sets/{model}/decoder/manifest.json",
        chosen=BUILD.float_choice("decoder"),
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
        *sources("compilation.openvino.quantise"),
        packages=versions("openvino", "nncf"),
        flags=flags.cpu_part(config, BUILD, "decoder"),
    shell:
        "python -m compilation.openvino.quantise --part decoder --graph {input.graph:q}"
        " --calibration {input.calibration:q} {params.flags:q}"
        " --out {output.graph:q} > {log:q} 2>&1"
