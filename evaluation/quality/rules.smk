"""Stage 4, quality: does the compiled model still hear, and which half of it broke.

Reads   compiled/{model}{variant}/{target}/, runtime/float/{model}/, calibration/sets/{model}{variant}/encoder/,
        data/audio_files/evaluation/*.jsonl
Writes  evaluation/results/{model}{variant}/{target}/   transcripts.json, quality.json, passed.txt
"""

RESULTS = "evaluation/results/{model}{variant}/{target}"


rule evaluate:
    """What float and compiled parts, in every pairing, hear of held-out clips."""
    input:
        graphs="runtime/float/{model}/manifest.json",
        compiled="compiled/{model}{variant}/{target}/manifest.json",
        clips=lambda wildcards: BUILD.clips("evaluation", wildcards.model),
        calibration=lambda wildcards: VARIANTS.calibration_set(wildcards, "encoder"),
    output:
        f"{RESULTS}/transcripts.json",
    log:
        "logs/evaluate/{model}{variant}_{target}.log",
    benchmark:
        "logs/evaluate/{model}{variant}_{target}.tsv"
    threads: THREADS
    resources:
        **needs("evaluate"),
    params:
        *sources("evaluation.quality.evaluate"),
        packages=versions("numpy", "openvino", "torch", "transformers"),
        flags=lambda wildcards: ["--tasks", *BUILD.tasks(wildcards.model)],
        heard="evaluation/results/{model}/.heard/clips.jsonl",
    shell:
        "python -m evaluation.quality.evaluate --graphs {input.graphs:q}"
        " --compiled {input.compiled:q} --clips {input.clips:q}"
        " --calibration {input.calibration:q} {params.flags:q} --heard {params.heard:q} --out {output:q} 2> {log:q}"


rule score:
    """Error rates with intervals, failures, states, logits, and whether the bounds are kept."""
    input:
        transcripts=f"{RESULTS}/transcripts.json",
        conditions=(
            [f"{RESULTS}/conditions.json"]
            if any(config["evaluation"]["conditions"].values())
            else []
        ),
    output:
        f"{RESULTS}/quality.json",
    log:
        "logs/score/{model}{variant}_{target}.log",
    localrule: True
    resources:
        **needs("score"),
    params:
        *sources("evaluation.quality.score"),
        packages=versions("jiwer", "numpy", "sacrebleu"),
        conditions=lambda wildcards, input: [f"--conditions={path}" for path in input.conditions],
        gate=flags.gate(config),
    shell:
        "python -m evaluation.quality.score --transcripts {input.transcripts:q} {params.conditions:q}"
        " --gate {params.gate:q} --out {output:q} 2> {log:q}"


rule check_gate:
    """Fails where the compiled model is not good enough, after all else is written."""
    input:
        quality=f"{RESULTS}/quality.json",
        described="compiled/{model}{variant}/{target}/evaluation.json",
        report=f"{RESULTS}/report.html",
    output:
        f"{RESULTS}/passed.txt",
    log:
        "logs/check_gate/{model}{variant}_{target}.log",
    localrule: True
    resources:
        **needs("check_gate"),
    params:
        *sources("evaluation.scoring.gate"),
    shell:
        "python -m evaluation.scoring.gate {input.quality:q} --out {output:q} 2> {log:q}"
