"""Stage 4, report: what was measured, for people.

Reads   what the other packages of evaluation/ have written, compiled/{model}{variant}/{target}/manifest.json
Writes  evaluation/results/{model}{variant}/{target}/report.html
        compiled/{model}{variant}/{target}/evaluation.json   and the folder's README.md and SHA256SUMS
"""


rule describe_hand_off:
    """What was measured, in the hand-off folder."""
    input:
        compiled="compiled/{model}{variant}/{target}/manifest.json",
        quality=f"{RESULTS}/quality.json",
        speed=f"{RESULTS}/speed.json",
    output:
        "compiled/{model}{variant}/{target}/evaluation.json",
    log:
        "logs/describe_hand_off/{model}{variant}_{target}.log",
    localrule: True
    resources:
        **needs("describe_hand_off"),
    params:
        *sources("evaluation.describe"),
    shell:
        "python -m evaluation.describe --quality {input.quality:q} --speed {input.speed:q}"
        " --out {output:q} 2> {log:q}"


rule write_report:
    """One page for people."""
    input:
        quality=f"{RESULTS}/quality.json",
        coverage=lambda wildcards: VARIANTS.coverage(wildcards),
        layers=f"{RESULTS}/layers.json",
        chosen=lambda wildcards: VARIANTS.float_choice(wildcards, *PARTS),
        speed=f"{RESULTS}/speed.json",
        manifest="compiled/{model}{variant}/{target}/manifest.json",
    output:
        report(f"{RESULTS}/report.html", category="{model}{variant}"),
    log:
        "logs/write_report/{model}{variant}_{target}.log",
    localrule: True
    resources:
        **needs("write_report"),
    params:
        *sources("evaluation.report.write"),
        packages=versions("jinja2", "soundfile"),
        chosen=lambda wildcards, input: [f"--keep-float={path}" for path in input.chosen],
        published=lambda wildcards: flags.published(BUILD, wildcards.model),
    shell:
        "python -m evaluation.report.write --quality {input.quality:q} --coverage {input.coverage:q}"
        " --layers {input.layers:q} {params.chosen:q} --speed {input.speed:q} --manifest {input.manifest:q}"
        " --published {params.published:q} --out {output:q} 2> {log:q}"
