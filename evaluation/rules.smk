"""Stage 4: does the compiled model still hear.

Reads   compiled/{model}/{target}/, data/audio_files/evaluation/*.jsonl, data/checkpoints/{model}.json
Writes  evaluation/results/{model}/{target}/quality.json
"""


rule evaluate:
    """Error rates of float and compiled parts, in every pairing, on held-out clips."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        compiled="compiled/{model}/{target}/manifest.json",
        clips=lambda wildcards: clips("evaluation", wildcards.model),
        calibration="calibration/sets/{model}/encoder/manifest.json",
        code=[
            "evaluation/evaluate.py",
            "evaluation/load.py",
            "evaluation/metrics.py",
            "calibration/features.py",
            "calibration/strata.py",
            "common/cli.py",
            "common/files.py",
            "common/progress.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
            "data/languages.py",
            "data/whisper.py",
            "runtime/compiled_whisper.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/openvino_sessions.py",
            "runtime/parts.py",
            "runtime/sessions.py",
            "runtime/tables.py",
            "runtime/torch_sessions.py",
        ],
    output:
        "evaluation/results/{model}/{target}/quality.json",
    log:
        "logs/evaluate/{model}_{target}.log",
    benchmark:
        "logs/evaluate/{model}_{target}.tsv"
    threads: workflow.cores
    params:
        packages=versions("jiwer", "numpy", "openvino", "torch", "transformers"),
        flags=lambda wildcards: ["--tasks", *tasks(wildcards.model)],
    shell:
        "python -m evaluation.evaluate --checkpoint {input.checkpoint:q}"
        " --compiled {input.compiled:q} --clips {input.clips:q}"
        " --calibration {input.calibration:q} {params.flags:q} --out {output:q} 2> {log:q}"
