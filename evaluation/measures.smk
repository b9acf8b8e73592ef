"""Stage 4: what is measured beside the texts: coverage, the damage of layers and which of them must stay float, speed.

Reads   compiled/{model}/{target}/, compilation/parts/{model}/cpu/, runtime/float/{model}/,
        calibration/sets/{model}/, data/audio_files/evaluation/*.jsonl, data/checkpoints/{model}.json
Writes  evaluation/results/{model}/coverage.json            do the calibration sets cover held-out speech
        evaluation/results/{model}/{target}/                layers.json, speed.json
        compilation/parts/{model}/cpu/keep_float.json       layers that must stay float, where config says `auto`
"""


rule measure_coverage:
    """Held-out values beyond the calibration set's range; needs no compiler."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        calibration=[
            "calibration/sets/{model}/encoder/manifest.json",
            "calibration/sets/{model}/decoder/manifest.json",
        ],
        clips=lambda wildcards: clips("evaluation", wildcards.model),
        code=[
            "evaluation/layers/coverage.py",
            "evaluation/layers/part_inputs.py",
            "calibration/features.py",
            "calibration/strata.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
            "common/progress.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
            "data/whisper.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/openvino_sessions.py",
            "runtime/tables.py",
        ],
    output:
        "evaluation/results/{model}/coverage.json",
    log:
        "logs/measure_coverage/{model}.log",
    params:
        packages=versions("numpy", "openvino", "tokenizers", "transformers"),
    shell:
        "python -m evaluation.layers.coverage --checkpoint {input.checkpoint:q} --graphs {input.graphs:q}"
        " --calibration {input.calibration:q} --clips {input.clips:q} --out {output:q} 2> {log:q}"


rule rank_layers:
    """How much each int8 layer loses by itself; for the target cpu."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        parts=[
            "compilation/parts/{model}/cpu/encoder.json",
            "compilation/parts/{model}/cpu/decoder.json",
        ],
        clips=lambda wildcards: clips("evaluation", wildcards.model),
        code=[
            "evaluation/layers/rank.py",
            "evaluation/layers/part_inputs.py",
            "evaluation/layers/cut.py",
            "calibration/features.py",
            "calibration/strata.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
            "common/nearest.py",
            "common/progress.py",
            "compilation/openvino/samples.py",
            "compilation/openvino/layers.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
            "data/whisper.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/names.py",
            "runtime/openvino_sessions.py",
            "runtime/tables.py",
        ],
    output:
        "evaluation/results/{model}/cpu/layers.json",
    log:
        "logs/rank_layers/{model}.log",
    threads: workflow.cores
    params:
        packages=versions("numpy", "openvino", "tokenizers", "transformers"),
    shell:
        "python -m evaluation.layers.rank --checkpoint {input.checkpoint:q} --graphs {input.graphs:q}"
        " --parts {input.parts:q} --clips {input.clips:q} --out {output:q} 2> {log:q}"


rule choose_float_layers:
    """The fewest layers that must stay float for the gate to be passed, on calibration clips."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        calibration=[
            "calibration/sets/{model}/encoder/manifest.json",
            "calibration/sets/{model}/decoder/manifest.json",
        ],
        clips=lambda wildcards: clips("calibration", wildcards.model),
        code=[
            "evaluation/layers/choose_float.py",
            "evaluation/scoring/bootstrap.py",
            "evaluation/scoring/gate_bounds.py",
            "evaluation/scoring/task_statistics.py",
            "evaluation/layers/smallest_count.py",
            "evaluation/scoring/gate.py",
            "evaluation/transcription/generate.py",
            "evaluation/layers/part_inputs.py",
            "evaluation/layers/cut.py",
            "evaluation/layers/rank.py",
            "evaluation/layers/hear_trial.py",
            "evaluation/transcription/models.py",
            "evaluation/scoring/text_errors.py",
            "evaluation/quality/score.py",
            "evaluation/layers/trials.py",
            "calibration/features.py",
            "calibration/store.py",
            "calibration/strata.py",
            "common/child_process.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
            "common/nearest.py",
            "common/progress.py",
            "compilation/openvino/samples.py",
            "compilation/openvino/layers.py",
            "compilation/openvino/quantise.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
            "data/languages.py",
            "data/whisper.py",
            "runtime/compiled_whisper.py",
            "runtime/folder.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/names.py",
            "runtime/npu_sessions.py",
            "runtime/openvino_sessions.py",
            "runtime/sessions.py",
            "runtime/tables.py",
        ],
    output:
        "compilation/parts/{model}/cpu/keep_float.json",
    log:
        "logs/choose_float_layers/{model}.log",
    threads: workflow.cores
    params:
        packages=versions("jiwer", "nncf", "numpy", "openvino", "torch", "transformers"),
        searched=SEARCHED,
        kept=json.dumps(
            {
                part: config["compilation"][part]["keep_float"]
                for part in ("encoder", "decoder")
                if part not in SEARCHED
            }
        ),
        tries=config["compilation"]["keep_float_tries"],
        gate=json.dumps(config["evaluation"]["gate"]),
        tasks=lambda wildcards: tasks(wildcards.model),
    shell:
        "python -m evaluation.layers.choose_float --search {params.searched:q} --kept {params.kept:q}"
        " --tries {params.tries} --gate {params.gate:q} --checkpoint {input.checkpoint:q}"
        " --graphs {input.graphs:q} --calibration {input.calibration:q} --clips {input.clips:q}"
        " --tasks {params.tasks:q} --out {output:q} 2> {log:q}"


rule measure_speed:
    """Time and memory of the float and the compiled model, with the machine for itself."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        compiled="compiled/{model}/{target}/manifest.json",
        clips=lambda wildcards: clips("evaluation", wildcards.model),
        code=[
            "evaluation/speed/measure.py",
            "evaluation/speed/backends.py",
            "evaluation/speed/figures.py",
            "evaluation/speed/prepare.py",
            "evaluation/speed/run.py",
            "calibration/features.py",
            "calibration/greedy.py",
            "calibration/strata.py",
            "common/child_process.py",
            "common/cli.py",
            "common/files.py",
            "common/gpu.py",
            "common/listing.py",
            "common/progress.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
            "data/whisper.py",
            "runtime/float_sessions.py",
            "runtime/folder.py",
            "runtime/ir.py",
            "runtime/mapped.py",
            "runtime/npu_sessions.py",
            "runtime/openvino_sessions.py",
            "runtime/parts.py",
            "runtime/sessions.py",
            "runtime/tables.py",
            "runtime/torch_sessions.py",
        ],
    output:
        f"{RESULTS}/speed.json",
    log:
        "logs/measure_speed/{model}_{target}.log",
    threads: workflow.cores
    params:
        packages=versions("numpy", "openvino", "torch", "transformers"),
        clips=config["evaluation"]["speed_clips"],
    shell:
        "python -m evaluation.speed.measure --checkpoint {input.checkpoint:q}"
        " --graphs {input.graphs:q} --compiled {input.compiled:q} --clips {input.clips:q}"
        " --max-clips {params.clips} --out {output:q} 2> {log:q}"
