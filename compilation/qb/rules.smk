"""Stage 3, NPU targets: each part compiled by the vendor's compiler, in the interpreter that has it.

Reads   data/checkpoints/{model}.json, calibration/sets/{model}{variant}/
Writes  compilation/checkpoints/{model}/                   the checkpoint's files, where a container sees them
        compilation/graphs/{model}{variant}/{target}/      .mblt, the float graph of each part
        compilation/parts/{model}{variant}/{target}/       .mxq, and how it was made
"""

LISTS = {
    "encoder": "whisper_encoder_cali.txt",
    "decoder": "whisper_decoder_calib.json",
}
# Of any function, Snakemake says that a container is ignored where its option is not given.
CONTAINER = BUILD.container if any(map(BUILD.container, BUILD.folders)) else None


rule place_checkpoint:
    """A checkpoint's files in the project's folder."""
    input:
        checkpoint="data/checkpoints/{model}.json",
    output:
        "compilation/checkpoints/{model}/manifest.json",
    log:
        "logs/place_checkpoint/{model}.log",
    localrule: True
    resources:
        **needs("place_checkpoint"),
    params:
        *sources("compilation.qb.place_checkpoint"),
    shell:
        "python -m compilation.qb.place_checkpoint --checkpoint {input.checkpoint:q} --out {output:q}"
        " 2> {log:q}"


rule parse_npu_part:
    """Checkpoint -> .mblt."""
    input:
        checkpoint="compilation/checkpoints/{model}/manifest.json",
    output:
        graph="compilation/graphs/{model}{variant}/{target}/{part}.mblt",
        record="compilation/graphs/{model}{variant}/{target}/{part}.mblt.json",
    log:
        "logs/parse_npu_part/{model}{variant}_{target}_{part}.log",
    benchmark:
        "logs/parse_npu_part/{model}{variant}_{target}_{part}.tsv"
    wildcard_constraints:
        target="|".join(NPU_TARGETS),
    container:
        CONTAINER
    resources:
        **needs("parse_npu_part"),
    params:
        *sources("compilation.qb.compile"),
        python=lambda wildcards: VARIANTS.settings(wildcards)["compilation"]["qbcompiler"]["python"],
        compiler=lambda wildcards: BUILD.compiler(wildcards),
        overrides=lambda wildcards: flags.parse_overrides(
            VARIANTS.settings(wildcards), wildcards.part
        ),
        # Whatever depends on input is not compared with the last run: more time re-runs nothing.
        hours=lambda wildcards, input: flags.hours(VARIANTS.settings(wildcards)),
    shell:
        "{params.python:q} -m compilation.qb.compile parse --part {wildcards.part}"
        " --target {wildcards.target} --checkpoint {input.checkpoint:q}"
        " --overrides {params.overrides:q} --timeout-hours {params.hours}"
        " --out {output.graph:q} 2> {log:q}"


rule quantise_npu_part:
    """.mblt and calibration set -> .mxq."""
    input:
        checkpoint="compilation/checkpoints/{model}/manifest.json",
        graph=lambda wildcards: VARIANTS.graph(wildcards, wildcards.part),
        calibration=lambda wildcards: VARIANTS.calibration_set(wildcards, wildcards.part),
    output:
        part="compilation/parts/{model}{variant}/{target}/{part}.mxq",
        record="compilation/parts/{model}{variant}/{target}/{part}.mxq.json",
    log:
        "logs/quantise_npu_part/{model}{variant}_{target}_{part}.log",
    benchmark:
        "logs/quantise_npu_part/{model}{variant}_{target}_{part}.tsv"
    wildcard_constraints:
        target="|".join(NPU_TARGETS),
    container:
        CONTAINER
    threads: THREADS
    resources:
        **needs("quantise_npu_part"),
    params:
        *sources("compilation.qb.compile"),
        python=lambda wildcards: VARIANTS.settings(wildcards)["compilation"]["qbcompiler"]["python"],
        compiler=lambda wildcards: BUILD.compiler(wildcards),
        listing=lambda wildcards: VARIANTS.calibration_set(wildcards, wildcards.part).replace(
            "manifest.json", LISTS[wildcards.part]
        ),
        flags=lambda wildcards: flags.npu_part(VARIANTS.settings(wildcards), wildcards.part),
        hours=lambda wildcards, input: flags.hours(VARIANTS.settings(wildcards)),
    shell:
        "{params.python:q} -m compilation.qb.compile quantise --part {wildcards.part}"
        " --target {wildcards.target} --checkpoint {input.checkpoint:q} --graph {input.graph:q}"
        " --calibration {params.listing:q} {params.flags:q} --timeout-hours {params.hours}"
        " --out {output.part:q} 2> {log:q}"


rule check_npu_part:
    """The .mxq, read by the vendor's runtime where it is installed; the part's record."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graph=lambda wildcards: f"{VARIANTS.graph(wildcards, wildcards.part)}.json",
        made="compilation/parts/{model}{variant}/{target}/{part}.mxq.json",
        part="compilation/parts/{model}{variant}/{target}/{part}.mxq",
    output:
        "compilation/parts/{model}{variant}/{target}/{part}.json",
    log:
        "logs/check_npu_part/{model}{variant}_{target}_{part}.log",
    wildcard_constraints:
        target="|".join(NPU_TARGETS),
    localrule: True
    resources:
        **needs("check_npu_part"),
    params:
        *sources("compilation.qb.check"),
        packages=installed("mobilint-qb-runtime"),
    shell:
        "python -m compilation.qb.check --made {input.made:q} --graph {input.graph:q}"
        " --checkpoint {input.checkpoint:q} --out {output:q} 2> {log:q}"
