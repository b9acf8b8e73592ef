"""Stage 2: what each part will see at run time.

Reads   data/audio_files/calibration/*.jsonl, data/checkpoints/{model}.json, runtime/float/{model}/;
        data/transcriptions.json and data/translations.json where calibration.decoder.text is labels
Writes  calibration/sets/{model}{variant}/encoder/  log-mel features
        calibration/sets/{model}{variant}/decoder/  embedded token sequences and encoder states
"""

SHARDS = config["calibration"]["shards"]


rule calibrate_encoder:
    """Log-mel features of every calibration clip."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        clips=lambda wildcards: BUILD.clips("calibration", wildcards.model),
    output:
        manifest=ensure("calibration/sets/{model}{variant}/encoder/manifest.json", non_empty=True),
        list="calibration/sets/{model}{variant}/encoder/whisper_encoder_cali.txt",
    log:
        "logs/calibrate_encoder/{model}{variant}.log",
    benchmark:
        "logs/calibrate_encoder/{model}{variant}.tsv"
    resources:
        **needs("calibrate_encoder"),
    params:
        *sources("calibration.encoder"),
        packages=versions("numpy", "torch", "transformers"),
        flags=lambda wildcards: flags.encoder_set(VARIANTS.settings(wildcards)),
    shell:
        "python -m calibration.encoder --checkpoint {input.checkpoint:q} --clips {input.clips:q}"
        " {params.flags:q} --out {output.manifest:q} 2> {log:q}"


rule calibrate_decoder:
    """Token sequences, embedded, and the encoder states that they attend to."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        clips=lambda wildcards: BUILD.clips("calibration", wildcards.model),
        features=lambda wildcards: VARIANTS.calibration_set(wildcards, "encoder"),
        graphs="runtime/float/{model}/manifest.json",
        graph_files=rules.export_graphs.output.files,
        labels=lambda wildcards: (
            rules.label_clips.output if flags.labelled(VARIANTS.settings(wildcards)) else []
        ),
        shards=[
            f"calibration/sets/{{model}}{{variant}}/decoder/shards/{shard}_of_{SHARDS}.json"
            for shard in range(1, SHARDS + 1)
            if SHARDS > 1
        ],
    output:
        manifest=ensure("calibration/sets/{model}{variant}/decoder/manifest.json", non_empty=True),
        list="calibration/sets/{model}{variant}/decoder/whisper_decoder_calib.json",
        texts="calibration/sets/{model}{variant}/decoder/whisper_decoder_calib_metadata.json",
    log:
        "logs/calibrate_decoder/{model}{variant}.log",
    benchmark:
        "logs/calibrate_decoder/{model}{variant}.tsv"
    threads: THREADS
    resources:
        **needs("calibrate_decoder"),
    params:
        *sources("calibration.decoder"),
        packages=versions("numpy", "openvino", "tokenizers"),
        flags=lambda wildcards: flags.decoder_set(
            VARIANTS.settings(wildcards), BUILD.tasks(wildcards.model)
        ),
        labels=lambda wildcards, input: ["--labels", *input.labels] if input.labels else [],
    # Freed blocks of a megabyte go back at once: a sixth of the memory at the peak.
    shell:
        "MALLOC_MMAP_THRESHOLD_=1000000 python -m calibration.decoder"
        " --checkpoint {input.checkpoint:q} --clips {input.clips:q} --features {input.features:q} --graphs {input.graphs:q} {params.flags:q}"
        " {params.labels:q} --out {output.manifest:q} 2> {log:q}"


rule calibrate_decoder_shard:
    """A share of the computing for the decoder's set, which then finds it in its store."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        clips=lambda wildcards: BUILD.clips("calibration", wildcards.model),
        features=lambda wildcards: VARIANTS.calibration_set(wildcards, "encoder"),
        graphs="runtime/float/{model}/manifest.json",
        graph_files=rules.export_graphs.output.files,
        labels=lambda wildcards: (
            rules.label_clips.output if flags.labelled(VARIANTS.settings(wildcards)) else []
        ),
    output:
        "calibration/sets/{model}{variant}/decoder/shards/{shard}_of_{shards}.json",
    log:
        "logs/calibrate_decoder_shard/{model}{variant}_{shard}_of_{shards}.log",
    benchmark:
        "logs/calibrate_decoder_shard/{model}{variant}_{shard}_of_{shards}.tsv"
    wildcard_constraints:
        shard="[0-9]+",
        shards="[0-9]+",
    threads: THREADS
    resources:
        **needs("calibrate_decoder_shard"),
    params:
        *sources("calibration.decoder"),
        packages=versions("numpy", "openvino", "tokenizers"),
        flags=lambda wildcards: flags.decoder_set(
            VARIANTS.settings(wildcards), BUILD.tasks(wildcards.model)
        ),
        labels=lambda wildcards, input: ["--labels", *input.labels] if input.labels else [],
    # Freed blocks of a megabyte go back at once: a sixth of the memory at the peak.
    shell:
        "MALLOC_MMAP_THRESHOLD_=1000000 python -m calibration.decoder"
        " --checkpoint {input.checkpoint:q} --clips {input.clips:q} --features {input.features:q} --graphs {input.graphs:q} {params.flags:q}"
        " {params.labels:q} --shard {wildcards.shard}/{wildcards.shards}"
        " --out {output:q} 2> {log:q}"
