"""Stage 3, every target: the hand-off folder for device engineers.

Reads   data/checkpoints/{model}.json, data/sources/, data/audio_files/calibration/, runtime/float/{model}/,
        calibration/sets/{model}/, compilation/parts/{model}/{target}/
Writes  compilation/golden/{model}/              short clips, and what the float model makes of them
        compiled/{model}/{target}/               the hand-off folder
        compiled/{model}-{target}.tar.zst        it in one file (`snakemake archive`)
"""


rule make_golden:
    """Two short clips, and what the float model makes of them."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        graphs="runtime/float/{model}/manifest.json",
        clips=lambda wildcards: clips("calibration", wildcards.model),
        code=[
            "compilation/hand_off/golden.py",
            "compilation/hand_off/expect.py",
            "calibration/features.py",
            "calibration/greedy.py",
            "calibration/strata.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
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
        "compilation/golden/{model}/golden.json",
    log:
        "logs/make_golden/{model}.log",
    params:
        packages=versions("numpy", "openvino", "tokenizers", "transformers"),
    shell:
        "python -m compilation.hand_off.golden --checkpoint {input.checkpoint:q}"
        " --graphs {input.graphs:q} --clips {input.clips:q} --out {output:q} 2> {log:q}"


rule assemble_hand_off:
    """The folder for device engineers, replaced as a whole."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        dataset=f"{SOURCES}/dataset.json",
        graphs="runtime/float/{model}/manifest.json",
        tables="runtime/float/{model}/tables.safetensors",
        golden="compilation/golden/{model}/golden.json",
        calibration=[
            "calibration/sets/{model}/encoder/manifest.json",
            "calibration/sets/{model}/decoder/manifest.json",
        ],
        parts=[
            "compilation/parts/{model}/{target}/encoder.json",
            "compilation/parts/{model}/{target}/decoder.json",
        ],
        templates=[
            "compilation/hand_off/manifest.schema.yaml",
            "compilation/hand_off/readme.md.j2",
            "compilation/hand_off/transcribe.py",
        ],
        code=[
            "compilation/hand_off/assemble.py",
            "compilation/hand_off/expect.py",
            "compilation/hand_off/provenance.py",
            "compilation/hand_off/readme.py",
            "compilation/hand_off/sums.py",
            "compilation/hand_off/vendor.py",
            "calibration/greedy.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
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
        "compiled/{model}/{target}/manifest.json",
    log:
        "logs/assemble_hand_off/{model}_{target}.log",
    params:
        packages=versions("jinja2", "nncf", "numpy", "openvino", "torch", "transformers")
        + installed("mobilint-qb-runtime")
        + installed("transformers-mblt"),
        flags=lambda wildcards: license_flags(wildcards.model),
    shell:
        "python -m compilation.hand_off.assemble --model {wildcards.model:q}"
        " --target {wildcards.target:q} --checkpoint {input.checkpoint:q}"
        " --dataset {input.dataset:q} --graphs {input.graphs:q} --golden {input.golden:q}"
        " --calibration {input.calibration:q} --parts {input.parts:q} {params.flags:q}"
        " --out {output:q} 2> {log:q}"


rule archive_hand_off:
    """The folder in one file, with what was measured of it where that can be done here."""
    input:
        manifest="compiled/{model}/{target}/manifest.json",
        measured=lambda wildcards: (
            []
            if wildcards.target in NPU_TARGETS
            else f"compiled/{wildcards.model}/{wildcards.target}/evaluation.json"
        ),
        code=[
            "compilation/hand_off/archive.py",
            "compilation/hand_off/expect.py",
            "compilation/hand_off/provenance.py",
            "compilation/hand_off/sums.py",
            "compilation/hand_off/vendor.py",
            "compilation/qb/check.py",
            "compilation/verify.py",
            "calibration/greedy.py",
            "common/cli.py",
            "common/files.py",
            "common/listing.py",
            "data/cache.py",
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
        archive="compiled/{model}-{target}.tar.zst",
        digest="compiled/{model}-{target}.tar.zst.sha256",
    log:
        "logs/archive_hand_off/{model}_{target}.log",
    wildcard_constraints:
        target="cpu|aries-rb|regulus-rb",
    params:
        packages=versions("zstandard"),
        folder=lambda wildcards, input: Path(input.manifest).parent,
    shell:
        "python -m compilation.hand_off.archive {params.folder:q} --out {output.archive:q} 2> {log:q}"


def license_flags(model):
    """The licence of a checkpoint, where the configuration says it."""
    found = config["models"][model].get("license")
    return ["--license", found] if found else []
