"""Stage 3, NPU targets: each part compiled by the vendor's compiler, in the interpreter that has it.

Reads   data/checkpoints/{model}.json, calibration/sets/{model}/
Writes  compilation/checkpoints/{model}/          the checkpoint's files, where a container sees them
        compilation/graphs/{model}/{target}/      .mblt, the float graph of each part
        compilation/parts/{model}/{target}/       .mxq, and how it was made
"""

LISTS = {
    "encoder": "whisper_encoder_cali.txt",
    "decoder": "whisper_decoder_calib.json",
}


rule place_checkpoint:
    """A checkpoint's files in the project's folder."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        code=[
            "compilation/qb/place_checkpoint.py",
            "common/cli.py",
            "common/files.py",
            "data/cache.py",
        ],
    output:
        "compilation/checkpoints/{model}/manifest.json",
    log:
        "logs/place_checkpoint/{model}.log",
    shell:
        "python -m compilation.qb.place_checkpoint --checkpoint {input.checkpoint:q} --out {output:q}"
        " 2> {log:q}"


rule parse_npu_part:
    """Checkpoint -> .mblt."""
    input:
        checkpoint="compilation/checkpoints/{model}/manifest.json",
        code=[
            "compilation/qb/compile.py",
            "compilation/qb/invoke.py",
            "compilation/qb/generations.py",
            "compilation/qb/limits.py",
            "compilation/qb/process.py",
            "compilation/qb/recipes.py",
            "compilation/qb/samples.py",
            "common/cli.py",
            "common/disk.py",
            "common/files.py",
            "common/gpu.py",
            "common/listing.py",
        ],
    output:
        graph="compilation/graphs/{model}/{target}/{part}.mblt",
        record="compilation/graphs/{model}/{target}/{part}.mblt.json",
    log:
        "logs/parse_npu_part/{model}_{target}_{part}.log",
    benchmark:
        "logs/parse_npu_part/{model}_{target}_{part}.tsv"
    wildcard_constraints:
        target="aries-rb|regulus-rb",
        part="encoder|decoder",
    container:
        QB["container"] or None
    params:
        python=QB["python"],
        compiler=lambda wildcards: COMPILER,
        overrides=lambda wildcards: json.dumps(QB["parse_overrides"][wildcards.part]),
        # Whatever depends on input is not compared with the last run: more time re-runs nothing.
        hours=lambda wildcards, input: QB["timeout_hours"],
    shell:
        "{params.python:q} -m compilation.qb.compile parse --part {wildcards.part}"
        " --target {wildcards.target} --checkpoint {input.checkpoint:q}"
        " --overrides {params.overrides:q} --timeout-hours {params.hours}"
        " --out {output.graph:q} 2> {log:q}"


rule quantise_npu_part:
    """.mblt and calibration set -> .mxq."""
    input:
        checkpoint="compilation/checkpoints/{model}/manifest.json",
        graph="compilation/graphs/{model}/{target}/{part}.mblt",
        calibration="calibration/sets/{model}/{part}/manifest.json",
        code=rules.parse_npu_part.input.code,
    output:
        part="compilation/parts/{model}/{target}/{part}.mxq",
        record="compilation/parts/{model}/{target}/{part}.mxq.json",
    log:
        "logs/quantise_npu_part/{model}_{target}_{part}.log",
    benchmark:
        "logs/quantise_npu_part/{model}_{target}_{part}.tsv"
    wildcard_constraints:
        target="aries-rb|regulus-rb",
        part="encoder|decoder",
    container:
        QB["container"] or None
    threads: workflow.cores
    params:
        python=QB["python"],
        compiler=lambda wildcards: COMPILER,
        listing=lambda wildcards, input: Path(input.calibration).with_name(LISTS[wildcards.part]),
        flags=lambda wildcards: npu_flags(config["compilation"][wildcards.part]),
        hours=lambda wildcards, input: QB["timeout_hours"],
    shell:
        "{params.python:q} -m compilation.qb.compile quantise --part {wildcards.part}"
        " --target {wildcards.target} --checkpoint {input.checkpoint:q} --graph {input.graph:q}"
        " --calibration {params.listing:q} {params.flags:q} --timeout-hours {params.hours}"
        " --out {output.part:q} 2> {log:q}"


rule check_npu_part:
    """The .mxq, read by the vendor's runtime where it is installed; the part's record."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graph="compilation/graphs/{model}/{target}/{part}.mblt.json",
        made="compilation/parts/{model}/{target}/{part}.mxq.json",
        part="compilation/parts/{model}/{target}/{part}.mxq",
        code=[
            "compilation/qb/check.py",
            "compilation/hand_off/vendor.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
            "data/cache.py",
            "runtime/npu_sessions.py",
        ],
    output:
        "compilation/parts/{model}/{target}/{part}.json",
    log:
        "logs/check_npu_part/{model}_{target}_{part}.log",
    wildcard_constraints:
        target="aries-rb|regulus-rb",
        part="encoder|decoder",
    params:
        packages=installed("mobilint-qb-runtime"),
    shell:
        "python -m compilation.qb.check --made {input.made:q} --graph {input.graph:q}"
        " --checkpoint {input.checkpoint:q} --out {output:q} 2> {log:q}"


def npu_flags(settings):
    """How a part is quantised for NPUs."""
    return [
        *("--recipe", settings["recipe"], "--scheme", settings["inference_scheme"]),
        *("--activation-16bits", *settings["activation_16bits"]),
        *("--overrides", json.dumps(settings["overrides"])),
    ]
