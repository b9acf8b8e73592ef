"""Stage 1: speech and checkpoints.

Reads   the Hub or local folders, as config `data` and `models` name them
Writes  data/sources/{source}/        what was found where, with sha256
        data/checkpoints/{model}.json the checkpoint's files, with sha256
        data/audio_files/{use}/       16 kHz WAV, and a manifest a language (calibration, evaluation)
"""


include: "labels.smk"


rule resolve_dataset:
    """Find the dataset, pin its revision to a commit, list its files."""
    output:
        f"{SPEECH.folder}/dataset.json",
    log:
        "logs/resolve_dataset.log",
    localrule: True
    resources:
        **needs("resolve_dataset"),
        hf_hub=1,
    params:
        *sources("data.source"),
        flags=lambda wildcards: flags.fetched(config["data"]),
    shell:
        "python -m data.source {params.flags:q} --out {output:q} 2> {log:q}"


rule fetch_speech:
    """Download one split of one language, or hash it where it is local."""
    input:
        dataset=f"{SPEECH.folder}/dataset.json",
    output:
        f"{SPEECH.folder}/{{split}}/{{language}}.json",
    log:
        "logs/fetch_speech/{split}_{language}.log",
    localrule: True
    resources:
        **needs("fetch_speech"),
        hf_hub=1,
    params:
        *sources("data.fetch"),
        content=lambda wildcards: SPEECH.content(wildcards.split, wildcards.language),
    shell:
        "python -m data.fetch --dataset {input.dataset:q} --language {wildcards.language:q}"
        " --split {wildcards.split:q} --together {SPEECH.together:q} --out {output:q} 2> {log:q}"


rule prepare_audio:
    """Choose sentences and recordings, write WAV and the language's manifest."""
    input:
        files=lambda wildcards: SPEECH.files(wildcards.use, wildcards.language),
        english=lambda wildcards: SPEECH.english(wildcards.use),
    output:
        manifest="data/audio_files/{use}/{language}.jsonl",
        left_out="data/audio_files/{use}/{language}.left_out.json",
    log:
        "logs/prepare_audio/{use}_{language}.log",
    localrule: True
    resources:
        **needs("prepare_audio"),
    params:
        *sources("data.prepare"),
        packages=versions("librosa", "numpy", "pyarrow", "soundfile"),
        flags=lambda wildcards: flags.prepare(config, BUILD, wildcards.use),
    shell:
        "python -m data.prepare --use {wildcards.use:q} --language {wildcards.language:q}"
        " --files {input.files:q} --english {input.english:q} {params.flags:q}"
        " --left-out {output.left_out:q} --out {output.manifest:q} 2> {log:q}"


rule fetch_checkpoint:
    """Download a checkpoint, or hash it where it is local."""
    output:
        "data/checkpoints/{model}.json",
    log:
        "logs/fetch_checkpoint/{model}.log",
    localrule: True
    resources:
        **needs("fetch_checkpoint"),
        hf_hub=1,
    params:
        *sources("data.checkpoint"),
        content=lambda wildcards: [*map(BUILD.content, BUILD.checkpoints(wildcards.model))],
        flags=lambda wildcards: flags.fetched(BUILD.model(wildcards.model)),
    shell:
        "python -m data.checkpoint {params.flags:q} --out {output:q} 2> {log:q}"
