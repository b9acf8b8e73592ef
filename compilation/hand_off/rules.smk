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
        calibration="calibration/sets/{model}/encoder/manifest.json",
        clips=lambda wildcards: BUILD.clips("calibration", wildcards.model),
    output:
        "compilation/golden/{model}/golden.json",
    log:
        "logs/make_golden/{model}.log",
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
        golden="compilation/golden/{model}/golden.json",
        calibration=[
            "calibration/sets/{model}/encoder/manifest.json",
            "calibration/sets/{model}/decoder/manifest.json",
        ],
        parts=[
            "compilation/parts/{model}/{target}/encoder.json",
            "compilation/parts/{model}/{target}/decoder.json",
        ],
        left_out=lambda wildcards: [
            clips.replace(".jsonl", ".left_out.json")
            for clips in BUILD.clips("calibration", wildcards.model)
        ],
    output:
        "compiled/{model}/{target}/manifest.json",
    log:
        "logs/assemble_hand_off/{model}_{target}.log",
    params:
        *sources("compilation.hand_off.assemble"),
        packages=versions(
            "jinja2", "nncf", "numpy", "openvino", "openvino-tokenizers", "transformers"
        )
        + installed("mobilint-qb-runtime", "transformers-mblt"),
        flags=lambda wildcards: flags.license_of(BUILD, wildcards.model),
    shell:
        "python -m compilation.hand_off.assemble --model {wildcards.model:q}"
        " --target {wildcards.target:q} --checkpoint {input.checkpoint:q}"
        " --dataset {input.dataset:q} --graphs {input.graphs:q} --golden {input.golden:q}"
        " --calibration {input.calibration:q} --parts {input.parts:q}"
        " --left-out {input.left_out:q} {params.flags:q} --out {output:q} 2> {log:q}"


rule archive_hand_off:
    """The folder in one file, with what was measured of it where that can be done here."""
    input:
        manifest="compiled/{model}/{target}/manifest.json",
        measured=lambda wildcards: [
            f"compiled/{wildcards.model}/{target}/evaluation.json"
            for target in {wildcards.target} - {*NPU_TARGETS}
        ],
    output:
        archive="compiled/{model}-{target}.tar.zst",
        digest="compiled/{model}-{target}.tar.zst.sha256",
    log:
        "logs/archive_hand_off/{model}_{target}.log",
    params:
        *sources("compilation.hand_off.archive"),
        packages=versions("zstandard"),
        folder="compiled/{model}/{target}",
    shell:
        "python -m compilation.hand_off.archive {params.folder:q} --out {output.archive:q} 2> {log:q}"
