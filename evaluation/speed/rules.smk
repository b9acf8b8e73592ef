"""Stage 4, speed: how fast the compiled model is, beside the float one.

Reads   compiled/{model}{variant}/{target}/, runtime/float/{model}/, data/audio_files/evaluation/*.jsonl,
        data/checkpoints/{model}.json
Writes  evaluation/results/{model}{variant}/{target}/speed.json
"""


rule measure_speed:
    """Time and memory of the float and the compiled model, with the machine for itself."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        compiled="compiled/{model}{variant}/{target}/manifest.json",
        clips=lambda wildcards: BUILD.clips("evaluation", wildcards.model),
    output:
        f"{RESULTS}/speed.json",
    log:
        "logs/measure_speed/{model}{variant}_{target}.log",
    threads: THREADS
    resources:
        **needs("measure_speed"),
    params:
        *sources("evaluation.speed.measure"),
        packages=versions("numpy", "openvino", "torch", "transformers"),
        clips=config["evaluation"]["speed_clips"],
    shell:
        "python -m evaluation.speed.measure --checkpoint {input.checkpoint:q}"
        " --graphs {input.graphs:q} --compiled {input.compiled:q} --clips {input.clips:q}"
        " --max-clips {params.clips} --out {output:q} 2> {log:q}"
