"""Stage 3, every target: the hand-off folder for device engineers.

Reads   data/checkpoints/{model}.json, data/sources/, data/audio_files/calibration/, runtime/float/{model}/,
        calibration/sets/{model}{variant}/, compilation/parts/{model}{variant}/{target}/
Writes  compilation/golden/{model}{variant}/     short clips, and what the float model makes of them
        compiled/{model}{variant}/{target}/      the hand-off folder
        compiled/{model}{variant}-{target}.tar.zst  it in one file (`snakemake archive`)
"""


rule make_golden:
    """Two short clips, and what the float model makes of them."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        calibration="calibration/sets/{model}{variant}/encoder/manifest.json",
        clips=lambda wildcards: BUILD.clips("calibration", wildcards.model),
    output:
        "compilation/golden/{model}{variant}/golden.json",
    log:
        "logs/make_golden/{model}{variant}.log",
    resources:
        **needs("make_golden"),
    params:
        *sources("compilation.hand_off.golden"),
        packages=versions("numpy", "openvino", "tokenizers", "transformers"),
    shell:
        "python -m compilation.hand_off.golden --checkpoint {input.checkpoint:q}"
        " --graphs {input.graphs:q} --calibration {input.calibration:q}"
        " --clips {input.clips:q} --out {output:q} 2> {log:q}"


rule assemble_hand_off:
    """The folder for device engineers, replaced as a whole."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        dataset=f"{SPEECH.folder}/dataset.json",
        graphs="runtime/float/{model}/manifest.json",
        tables="runtime/float/{model}/tables.safetensors",
        golden=lambda wildcards: VARIANTS.golden(wildcards),
        calibration=lambda wildcards: [VARIANTS.calibration_set(wildcards, one) for one in PARTS],
        parts=lambda wildcards: [VARIANTS.part(wildcards, one, wildcards.target) for one in PARTS],
        left_out=lambda wildcards: [
            clips.replace(".jsonl", ".left_out.json")
            for clips in BUILD.clips("calibration", wildcards.model)
        ],
    output:
        "compiled/{model}{variant}/{target}/manifest.json",
    log:
        "logs/assemble_hand_off/{model}{variant}_{target}.log",
    resources:
        **needs("assemble_hand_off"),
    params:
        *sources("compilation.hand_off.assemble"),
        packages=versions(
            "jinja2", "nncf", "numpy", "openvino", "openvino-tokenizers", "transformers"
        )
        + installed("mobilint-qb-runtime", "transformers-mblt"),
        flags=lambda wildcards: flags.license_of(BUILD, wildcards.model),
    shell:
        "python -m compilation.hand_off.assemble --model '{wildcards.model}{wildcards.variant}'"
        " --target {wildcards.target:q} --checkpoint {input.checkpoint:q}"
        " --dataset {input.dataset:q} --graphs {input.graphs:q} --golden {input.golden:q}"
        " --calibration {input.calibration:q} --parts {input.parts:q}"
        " --left-out {input.left_out:q} {params.flags:q} --out {output:q} 2> {log:q}"


rule archive_hand_off:
    """The folder in one file, with what was measured of it where that can be done here."""
    input:
        manifest="compiled/{model}{variant}/{target}/manifest.json",
        measured=lambda wildcards: [
            f"compiled/{wildcards.model}{wildcards.variant}/{target}/evaluation.json"
            for target in {wildcards.target} - {*NPU_TARGETS}
        ],
    output:
        archive="compiled/{model}{variant}-{target}.tar.zst",
        digest="compiled/{model}{variant}-{target}.tar.zst.sha256",
    log:
        "logs/archive_hand_off/{model}{variant}_{target}.log",
    resources:
        **needs("archive_hand_off"),
    params:
        *sources("compilation.hand_off.archive"),
        packages=versions("zstandard"),
        folder="compiled/{model}{variant}/{target}",
    shell:
        "python -m compilation.hand_off.archive {params.folder:q} --out {output.archive:q} 2> {log:q}"
