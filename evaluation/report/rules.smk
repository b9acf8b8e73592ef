"""Stage 4, report: what was measured, for people.

Reads   what the other packages of evaluation/ have written, compiled/{model}/{target}/manifest.json
Writes  evaluation/results/{model}/{target}/report.html
        compiled/{model}/{target}/evaluation.json   and the folder's README.md and SHA256SUMS
"""


rule describe_hand_off:
    """What was measured, in the hand-off folder."""
    input:
        compiled="compiled/{model}/{target}/manifest.json",
        quality=f"{RESULTS}/quality.json",
        speed=f"{RESULTS}/speed.json",
    output:
        "compiled/{model}/{target}/evaluation.json",
    log:
        "logs/describe_hand_off/{model}_{target}.log",
    params:
        *sources("evaluation.describe"),
    shell:
        "python -m evaluation.describe --quality {input.quality:q} --speed {input.speed:q}"
        " --out {output:q} 2> {log:q}"


rule write_report:
    """One page for people."""
    input:
        quality=f"{RESULTS}/quality.json",
        coverage="evaluation/results/{model}/coverage.json",
        layers=f"{RESULTS}/layers.json",
        chosen=BUILD.float_choice("encoder", "decoder"),
        speed=f"{RESULTS}/speed.json",
        manifest="compiled/{model}/{target}/manifest.json",
    output:
        report(f"{RESULTS}/report.html", category="{model}"),
    log:
        "logs/write_report/{model}_{target}.log",
    params:
        *sources("evaluation.report.write"),
        packages=versions("jinja2", "soundfile"),
        chosen=lambda wildcards, input: [f"--keep-float={path}" for path in input.chosen],
        published=lambda wildcards: flags.published(BUILD, wildcards.model),
    shell:
        "python -m evaluation.report.write --quality {input.quality:q} --coverage {input.coverage:q}"
        " --layers {input.layers:q} {params.chosen:q} --speed {input.speed:q} --manifest {input.manifest:q}"
        " --published {params.published:q} --out {output:q} 2> {log:q}"
