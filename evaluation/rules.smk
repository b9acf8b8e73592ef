"""Stage 4: does the compiled model still hear, and which half broke.

Reads   compiled/{model}/{target}/, runtime/float/{model}/, calibration/sets/{model}/encoder/,
        data/audio_files/evaluation/*.jsonl, and what evaluation/measures.smk writes
Writes  evaluation/results/{model}/{target}/                transcripts, quality, report.html
        compiled/{model}/{target}/evaluation.json           and the folder's README.md and SHA256SUMS
"""

RESULTS = "evaluation/results/{model}/{target}"


rule evaluate:
    """What float and compiled parts, in every pairing, hear of held-out clips."""
    input:
        graphs="runtime/float/{model}/manifest.json",
        compiled="compiled/{model}/{target}/manifest.json",
        clips=lambda wildcards: clips("evaluation", wildcards.model),
        calibration="calibration/sets/{model}/encoder/manifest.json",
        code=[
            "evaluation/quality/evaluate.py",
            "evaluation/scoring/bootstrap.py",
            "evaluation/scoring/gate.py",
            "evaluation/transcription/generate.py",
            "evaluation/transcription/models.py",
            "evaluation/scoring/text_errors.py",
            "evaluation/quality/distances.py",
            "calibration/features.py",
            "calibration/greedy.py",
            "calibration/strata.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
            "common/progress.py",
            "compilation/hand_off/expect.py",
            "data/audio.py",
            "data/clips.py",
            "data/languages.py",
            "runtime/compiled_whisper.py",
            "runtime/folder.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/npu_sessions.py",
            "runtime/openvino_sessions.py",
            "runtime/sessions.py",
            "runtime/tables.py",
        ],
    output:
        f"{RESULTS}/transcripts.json",
    log:
        "logs/evaluate/{model}_{target}.log",
    benchmark:
        "logs/evaluate/{model}_{target}.tsv"
    threads: workflow.cores
    params:
        packages=versions("numpy", "openvino", "torch", "transformers"),
        flags=lambda wildcards: ["--tasks", *tasks(wildcards.model)],
    shell:
        "python -m evaluation.quality.evaluate --graphs {input.graphs:q}"
        " --compiled {input.compiled:q} --clips {input.clips:q}"
        " --calibration {input.calibration:q} {params.flags:q} --out {output:q} 2> {log:q}"


rule score:
    """Error rates with intervals, failures, states, logits, and whether the bounds are kept."""
    input:
        transcripts=f"{RESULTS}/transcripts.json",
        code=[
            "evaluation/quality/score.py",
            "evaluation/scoring/bootstrap.py",
            "evaluation/scoring/gate_bounds.py",
            "evaluation/scoring/task_statistics.py",
            "evaluation/scoring/gate.py",
            "evaluation/scoring/text_errors.py",
            "common/cli.py",
            "common/files.py",
            "data/languages.py",
        ],
    output:
        f"{RESULTS}/quality.json",
    log:
        "logs/score/{model}_{target}.log",
    params:
        packages=versions("jiwer", "numpy", "sacrebleu"),
        gate=json.dumps(config["evaluation"]["gate"]),
    shell:
        "python -m evaluation.quality.score --transcripts {input.transcripts:q} --gate {params.gate:q}"
        " --out {output:q} 2> {log:q}"


rule describe_hand_off:
    """What was measured, in the hand-off folder."""
    input:
        compiled="compiled/{model}/{target}/manifest.json",
        quality=f"{RESULTS}/quality.json",
        speed=f"{RESULTS}/speed.json",
        templates=["compilation/hand_off/readme.md.j2"],
        code=[
            "evaluation/describe.py",
            "evaluation/scoring/bootstrap.py",
            "evaluation/scoring/gate.py",
            "calibration/greedy.py",
            "common/cli.py",
            "common/files.py",
            "compilation/hand_off/expect.py",
            "compilation/hand_off/provenance.py",
            "compilation/hand_off/readme.py",
            "compilation/hand_off/sums.py",
            "data/cache.py",
            "data/languages.py",
            "data/whisper.py",
            "runtime/folder.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/npu_sessions.py",
            "runtime/openvino_sessions.py",
            "runtime/sessions.py",
            "runtime/tables.py",
        ],
    output:
        "compiled/{model}/{target}/evaluation.json",
    log:
        "logs/describe_hand_off/{model}_{target}.log",
    shell:
        "python -m evaluation.describe --quality {input.quality:q} --speed {input.speed:q}"
        " --out {output:q} 2> {log:q}"


rule write_report:
    """One page for people."""
    input:
        quality=f"{RESULTS}/quality.json",
        coverage="evaluation/results/{model}/coverage.json",
        layers=f"{RESULTS}/layers.json",
        chosen=chosen_layers(*SEARCHED),
        speed=f"{RESULTS}/speed.json",
        manifest="compiled/{model}/{target}/manifest.json",
        templates=[
            "evaluation/report/comparison.html.j2",
            "evaluation/report/macros.html.j2",
            "evaluation/report/page.css",
            "evaluation/report/page.html.j2",
            "evaluation/report/report.html.j2",
        ],
        code=[
            "evaluation/report/write.py",
            "evaluation/scoring/bootstrap.py",
            "evaluation/scoring/gate.py",
            "evaluation/scoring/text_errors.py",
            "evaluation/report/audio.py",
            "evaluation/report/charts.py",
            "evaluation/report/clips.py",
            "evaluation/report/comparison.py",
            "evaluation/report/format.py",
            "evaluation/report/languages.py",
            "evaluation/report/provenance.py",
            "evaluation/report/scatter.py",
            "evaluation/report/sections.py",
            "evaluation/report/numerics.py",
            "evaluation/report/speed.py",
            "evaluation/report/summary.py",
            "common/cli.py",
            "common/files.py",
            "data/languages.py",
        ],
    output:
        report(f"{RESULTS}/report.html", category="{model}"),
    log:
        "logs/write_report/{model}_{target}.log",
    params:
        packages=versions("jinja2", "soundfile"),
        chosen=lambda wildcards, input: [f"--keep-float={path}" for path in input.chosen],
        published=lambda wildcards: json.dumps(
            config["models"][wildcards.model].get("published", [])
        ),
    shell:
        "python -m evaluation.report.write --quality {input.quality:q} --coverage {input.coverage:q}"
        " --layers {input.layers:q} {params.chosen:q} --speed {input.speed:q} --manifest {input.manifest:q}"
        " --published {params.published:q} --out {output:q} 2> {log:q}"


rule check_gate:
    """Fails where the compiled model is not good enough, after all else is written."""
    input:
        quality=f"{RESULTS}/quality.json",
        described="compiled/{model}/{target}/evaluation.json",
        report=f"{RESULTS}/report.html",
        code=[
            "evaluation/scoring/gate.py",
            "evaluation/scoring/bootstrap.py",
            "common/cli.py",
            "common/files.py",
        ],
    output:
        f"{RESULTS}/passed.txt",
    log:
        "logs/check_gate/{model}_{target}.log",
    shell:
        "python -m evaluation.scoring.gate {input.quality:q} --out {output:q} 2> {log:q}"
