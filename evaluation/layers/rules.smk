"""Stage 4, layers: which lose it, which must stay float, and does calibration cover what they see.

Reads   compilation/parts/{model}{variant}/cpu/, runtime/float/{model}/, calibration/sets/{model}{variant}/,
        data/audio_files/, data/checkpoints/{model}.json
Writes  evaluation/results/{model}{variant}/coverage.json        held-out values beyond the calibration sets
        evaluation/results/{model}{variant}/cpu/layers.json      the damage of each int8 layer
        compilation/parts/{model}{variant}/cpu/keep_float.json   what must stay float, where config says `auto`
"""


rule measure_coverage:
    """Held-out values beyond the calibration set's range; needs no compiler."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        calibration=lambda wildcards: [VARIANTS.calibration_set(wildcards, one) for one in PARTS],
        clips=lambda wildcards: BUILD.clips("evaluation", wildcards.model),
    output:
        "evaluation/results/{model}{variant}/coverage.json",
    log:
        "logs/measure_coverage/{model}{variant}.log",
    resources:
        **needs("measure_coverage"),
    params:
        *sources("evaluation.layers.coverage"),
        packages=versions("numpy", "openvino", "tokenizers", "transformers"),
    shell:
        "python -m evaluation.layers.coverage --checkpoint {input.checkpoint:q} --graphs {input.graphs:q}"
        " --calibration {input.calibration:q} --clips {input.clips:q} --out {output:q} 2> {log:q}"


rule rank_layers:
    """How much each int8 layer loses by itself; for the target cpu."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        parts=lambda wildcards: [VARIANTS.part(wildcards, one, "cpu") for one in PARTS],
        clips=lambda wildcards: BUILD.clips("evaluation", wildcards.model),
    output:
        "evaluation/results/{model}{variant}/cpu/layers.json",
    log:
        "logs/rank_layers/{model}{variant}.log",
    threads: THREADS
    resources:
        **needs("rank_layers"),
    params:
        *sources("evaluation.layers.rank"),
        packages=versions("numpy", "openvino", "tokenizers", "transformers"),
    shell:
        "python -m evaluation.layers.rank --checkpoint {input.checkpoint:q} --graphs {input.graphs:q}"
        " --parts {input.parts:q} --clips {input.clips:q} --out {output:q} 2> {log:q}"


rule choose_float_layers:
    """The fewest layers that must stay float for the gate to be passed, on calibration clips."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        calibration=lambda wildcards: [VARIANTS.calibration_set(wildcards, one) for one in PARTS],
        clips=lambda wildcards: BUILD.clips("calibration", wildcards.model),
    output:
        "compilation/parts/{model}{variant}/cpu/keep_float.json",
    log:
        "logs/choose_float_layers/{model}{variant}.log",
    threads: THREADS
    resources:
        **needs("choose_float_layers"),
    params:
        *sources("evaluation.layers.search_keep_float"),
        packages=versions("jiwer", "nncf", "numpy", "openvino", "torch", "transformers"),
        flags=lambda wildcards: flags.float_search(VARIANTS.settings(wildcards)),
        tasks=lambda wildcards: BUILD.tasks(wildcards.model),
    shell:
        "python -m evaluation.layers.search_keep_float {params.flags:q}"
        " --checkpoint {input.checkpoint:q} --graphs {input.graphs:q}"
        " --calibration {input.calibration:q} --clips {input.clips:q} --tasks {params.tasks:q} --out {output:q} 2> {log:q}"
