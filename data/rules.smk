"""Stage 1: speech and checkpoints.

Reads   the Hub or local folders, as config `data` and `models` name them
Writes  data/sources/{source}/        what was found where, with sha256
        data/checkpoints/{model}.json the checkpoint's files, with sha256
        data/audio_files/{use}/       16 kHz WAV, and a manifest a language (calibration, evaluation)
"""

# Of each data set apart, so that one that cannot be had takes nothing from the one before.
SOURCES = "data/sources/" + (re.sub(r"[^\w.-]+", "--", str(SOURCE)).strip(".-") or "here")


def english(use):
    """Where the English sentences of the same ids are; own audio brings its translations along."""
    return [] if OWN_AUDIO else [f"{SOURCES}/{SPLITS[use]}/en_us.json"]


# All that a run fetches, as split/language. Not a param: what else there is changes no file's content.
TOGETHER = sorted(
    f"{split}/{language}"
    for split in set(SPLITS.values())
    for language in {*config["data"]["languages"], *([] if OWN_AUDIO else ["en_us"])}
)


rule resolve_dataset:
    """Find the dataset, pin its revision to a commit, list its files."""
    input:
        code=[
            "data/source.py",
            "data/cache.py",
            "data/hub.py",
            "data/hub_errors.py",
            "data/languages.py",
            "data/layouts.py",
            "data/local.py",
            "data/own_audio.py",
            "common/cli.py",
            "common/files.py",
        ],
    output:
        f"{SOURCES}/dataset.json",
    log:
        "logs/resolve_dataset.log",
    resources:
        hf_hub=1,
    params:
        flags=[
            "--source",
            config["data"]["source"],
            "--revision",
            config["data"].get("revision", "main"),
        ],
    shell:
        "python -m data.source {params.flags:q} --out {output:q} 2> {log:q}"


rule fetch_speech:
    """Download one split of one language, or hash it where it is local."""
    input:
        dataset=f"{SOURCES}/dataset.json",
        local=lambda wildcards: local_speech(wildcards.language, wildcards.split),
        code=[
            "data/fetch.py",
            "data/cache.py",
            "data/download.py",
            "data/hub.py",
            "data/hub_errors.py",
            "data/languages.py",
            "data/layouts.py",
            "data/local.py",
            "data/own_audio.py",
            "common/cli.py",
            "common/disk.py",
            "common/files.py",
            "common/progress.py",
        ],
    output:
        f"{SOURCES}/{{split}}/{{language}}.json",
    log:
        "logs/fetch_speech/{split}_{language}.log",
    resources:
        hf_hub=1,
    shell:
        "python -m data.fetch --dataset {input.dataset:q} --language {wildcards.language:q}"
        " --split {wildcards.split:q} --together {TOGETHER:q} --out {output:q} 2> {log:q}"


rule prepare_audio:
    """Choose sentences and recordings, write WAV and the language's manifest."""
    input:
        files=lambda wildcards: f"{SOURCES}/{SPLITS[wildcards.use]}/{wildcards.language}.json",
        english=lambda wildcards: english(wildcards.use),
        code=[
            "data/prepare.py",
            "data/audio.py",
            "data/cache.py",
            "data/choose.py",
            "data/journal.py",
            "data/languages.py",
            "data/own_audio.py",
            "data/own_reader.py",
            "data/parquet.py",
            "data/speech.py",
            "data/tar.py",
            "data/writing.py",
            "common/cli.py",
            "common/files.py",
        ],
    output:
        "data/audio_files/{use}/{language}.jsonl",
    log:
        "logs/prepare_audio/{use}_{language}.log",
    params:
        packages=versions("librosa", "numpy", "pyarrow", "soundfile"),
        flags=lambda wildcards: [
            "--samples",
            config[STAGES[wildcards.use]]["samples_per_language"],
            "--silence",
            config["data"]["silence_dbfs"],
            "--seed",
            config["data"]["seed"],
            "--pool",
            POOLS[wildcards.use],
        ],
    shell:
        "python -m data.prepare --use {wildcards.use:q} --language {wildcards.language:q}"
        " --files {input.files:q} --english {input.english:q} {params.flags:q}"
        " --out {output:q} 2> {log:q}"


rule fetch_checkpoint:
    """Download a checkpoint, or hash it where it is local."""
    input:
        local=lambda wildcards: local_checkpoint(config["models"][wildcards.model]["source"]),
        code=[
            "data/checkpoint.py",
            "data/cache.py",
            "data/download.py",
            "data/hub.py",
            "data/hub_errors.py",
            "common/cli.py",
            "common/disk.py",
            "common/files.py",
            "common/progress.py",
        ],
    output:
        "data/checkpoints/{model}.json",
    log:
        "logs/fetch_checkpoint/{model}.log",
    resources:
        hf_hub=1,
    params:
        flags=lambda wildcards: [
            "--source",
            config["models"][wildcards.model]["source"],
            "--revision",
            config["models"][wildcards.model].get("revision", "main"),
        ],
    shell:
        "python -m data.checkpoint {params.flags:q} --out {output:q} 2> {log:q}"
