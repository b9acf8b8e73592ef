"""The float graphs of a checkpoint, which calibration runs and compilation quantises.

Reads   data/checkpoints/{model}.json
Writes  runtime/float/{model}/  OpenVINO IR of each part, the embedding tables, the operations
"""


rule export_graphs:
    """Float graphs of the encoder and the decoder."""
    input:
        checkpoint="data/checkpoints/{model}.json",
    output:
        manifest="runtime/float/{model}/manifest.json",
        files=expand(
            "runtime/float/{{model}}/{file}",
            file=[
                "encoder.xml",
                "encoder.bin",
                "decoder.xml",
                "decoder.bin",
                "tables.safetensors",
                "operations.json",
            ],
        ),
    log:
        "logs/export_graphs/{model}.log",
    benchmark:
        "logs/export_graphs/{model}.tsv"
    resources:
        **needs("export_graphs"),
    params:
        *sources("runtime.graphs"),
        packages=versions("openvino", "safetensors", "torch", "transformers"),
    # Freed blocks of a megabyte go back at once: half of the memory at the peak (glibc keeps them).
    shell:
        "MALLOC_MMAP_THRESHOLD_=1000000 python -m runtime.graphs --checkpoint {input.checkpoint:q}"
        " --out {output.manifest:q} 2> {log:q}"
