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
    output:
        "data/labels/checkpoint.json",
    log:
        "logs/fetch_label_checkpoint.log",
    localrule: True
    resources:
        **needs("fetch_label_checkpoint"),
        hf_hub=1,
    params:
        *sources("data.checkpoint"),
        content=lambda wildcards: BUILD.content(LABELS["model"]),
        flags=lambda wildcards: flags.fetched({"source": LABELS["model"], **LABELS}),
    shell:
        "python -m data.checkpoint {params.flags:q} --out {output:q} 2> {log:q}"


rule label_clips:
    """Transcriptions and English translations of the calibration clips of all languages."""
    input:
        checkpoint=LABEL_CHECKPOINT,
        clips=[f"data/audio_files/calibration/{language}.jsonl" for language in SPEECH.languages],
    output:
        transcriptions="data/transcriptions.json",
        translations="data/translations.json",
    log:
        "logs/label_clips.log",
    benchmark:
        "logs/label_clips.tsv"
    threads: THREADS if LABEL_CHECKPOINT else 1
    resources:
        **needs(
            "label_clips", lambda wildcards: "by checkpoint" if LABEL_CHECKPOINT else "by texts"
        ),
    params:
        *sources("data.labels"),
        packages=versions("numpy", "torch", "transformers") if LABEL_CHECKPOINT else [],
        maker=["--checkpoint", *LABEL_CHECKPOINT] if LABEL_CHECKPOINT else ["--reference"],
    shell:
        "python -m data.labels {params.maker:q} --clips {input.clips:q}"
        " --transcriptions {output.transcriptions:q} --translations {output.translations:q}"
        " 2> {log:q}"


rule labels:
    """What is said in the calibration clips, and that in English."""
    input:
        results.labels(BUILD, config),
