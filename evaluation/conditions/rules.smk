"""Stage 4, conditions: how the compiled model hears long, noisy and silent audio.

Reads   compiled/{model}{variant}/{target}/, runtime/float/{model}/, data/audio_files/evaluation/*.jsonl
Writes  evaluation/results/{model}{variant}/{target}/conditions.json
        evaluation/results/{model}/.heard/conditions.jsonl   texts that its variants and targets share
"""


rule hear_conditions:
    """What float and compiled model make of long, noisy and silent audio, and of timestamps."""
    input:
        graphs="runtime/float/{model}/manifest.json",
        compiled="compiled/{model}{variant}/{target}/manifest.json",
        clips=lambda wildcards: BUILD.clips("evaluation", wildcards.model),
    output:
        f"{RESULTS}/conditions.json",
    log:
        "logs/hear_conditions/{model}{variant}_{target}.log",
    benchmark:
        "logs/hear_conditions/{model}{variant}_{target}.tsv"
    threads: THREADS
    resources:
        **needs("hear_conditions"),
    params:
        *sources("evaluation.conditions.hear"),
        packages=versions("numpy", "openvino", "torch", "transformers"),
        flags=flags.conditions(config),
        heard="evaluation/results/{model}/.heard/conditions.jsonl",
    shell:
        "python -m evaluation.conditions.hear --graphs {input.graphs:q}"
        " --compiled {input.compiled:q} --clips {input.clips:q} {params.flags:q}"
        " --heard {params.heard:q} --out {output:q} 2> {log:q}"
