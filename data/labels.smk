"""What is said in the calibration clips, written down by a Whisper or taken from the references.

Reads   data/audio_files/calibration/*.jsonl
Writes  data/labels/             the model's checkpoint, and the labels that are finished
        data/transcriptions.json what is said
        data/translations.json   that in English

Target `labels`. Nothing that is compiled waits for it.
"""

LABELS = config["data"]["labels"]
LABEL_CHECKPOINT = [] if LABELS["model"] == "reference" else ["data/labels/checkpoint.json"]


rule fetch_label_checkpoint:
    """Download the model that makes the labels, or hash it where it is local."""
    input:
        local=local_checkpoint(LABELS["model"]),
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
        "data/labels/checkpoint.json",
    log:
        "logs/fetch_label_checkpoint.log",
    resources:
        hf_hub=1,
    params:
        flags=["--source", LABELS["model"], "--revision", LABELS.get("revision", "main")],
    shell:
        "python -m data.checkpoint {params.flags:q} --out {output:q} 2> {log:q}"


rule label_clips:
    """Transcriptions and English translations of the calibration clips of all languages."""
    input:
        checkpoint=LABEL_CHECKPOINT,
        clips=[
            f"data/audio_files/calibration/{language}.jsonl"
            for language in config["data"]["languages"]
        ],
        code=[
            "data/labels.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
            "data/label_model.py",
            "data/label_store.py",
            "data/whisper.py",
            "common/cli.py",
            "common/files.py",
            "common/progress.py",
        ],
    output:
        transcriptions="data/transcriptions.json",
        translations="data/translations.json",
    log:
        "logs/label_clips.log",
    benchmark:
        "logs/label_clips.tsv"
    threads: workflow.cores if LABEL_CHECKPOINT else 1
    params:
        packages=versions("numpy", "torch", "transformers") if LABEL_CHECKPOINT else [],
        maker=["--checkpoint", *LABEL_CHECKPOINT] if LABEL_CHECKPOINT else ["--reference"],
    shell:
        "python -m data.labels {params.maker:q} --clips {input.clips:q}"
        " --transcriptions {output.transcriptions:q} --translations {output.translations:q}"
        " 2> {log:q}"


rule labels:
    """What is said in the calibration clips, and that in English."""
    input:
        rules.label_clips.output,
