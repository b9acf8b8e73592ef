"""Stage 2: what each part will see at run time.

Reads   data/audio_files/calibration/*.jsonl, data/checkpoints/{model}.json, runtime/float/{model}/
Writes  calibration/sets/{model}/encoder/  log-mel features
        calibration/sets/{model}/decoder/  embedded token sequences and encoder states
"""


rule calibrate_encoder:
    """Log-mel features of every calibration clip."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        clips=lambda wildcards: clips("calibration", wildcards.model),
        code=[
            "calibration/encoder.py",
            "calibration/features.py",
            "calibration/store.py",
            "common/cli.py",
            "common/files.py",
            "common/progress.py",
            "data/audio.py",
            "data/cache.py",
            "data/clips.py",
            "data/whisper.py",
        ],
    output:
        manifest=ensure("calibration/sets/{model}/encoder/manifest.json", non_empty=True),
        list="calibration/sets/{model}/encoder/whisper_encoder_cali.txt",
    log:
        "logs/calibrate_encoder/{model}.log",
    benchmark:
        "logs/calibrate_encoder/{model}.tsv"
    params:
        packages=versions("numpy", "torch", "transformers"),
    shell:
        "python -m calibration.encoder --checkpoint {input.checkpoint:q} --clips {input.clips:q}"
        " --out {output.manifest:q} 2> {log:q}"


rule calibrate_decoder:
    """Greedy token sequences, embedded, and the encoder states that they attend to."""
    input:
        checkpoint="data/checkpoints/{model}.json",
        clips=lambda wildcards: clips("calibration", wildcards.model),
        features="calibration/sets/{model}/encoder/manifest.json",
        graphs="runtime/float/{model}/manifest.json",
        graph_files=rules.export_graphs.output.files,
        code=[
            "calibration/decoder.py",
            "calibration/greedy.py",
            "calibration/sequence.py",
            "calibration/store.py",
            "calibration/work.py",
            "common/cli.py",
            "common/files.py",
            "common/progress.py",
            "data/cache.py",
            "data/clips.py",
            "data/whisper.py",
            "runtime/ir.py",
            "runtime/openvino_sessions.py",
            "runtime/sessions.py",
            "runtime/tables.py",
        ],
    output:
        manifest=ensure("calibration/sets/{model}/decoder/manifest.json", non_empty=True),
        list="calibration/sets/{model}/decoder/whisper_decoder_calib.json",
        texts="calibration/sets/{model}/decoder/whisper_decoder_calib_metadata.json",
    log:
        "logs/calibrate_decoder/{model}.log",
    benchmark:
        "logs/calibrate_decoder/{model}.tsv"
    threads: workflow.cores
    params:
        packages=versions("numpy", "openvino", "tokenizers"),
        flags=lambda wildcards: [
            "--seed",
            config["calibration"]["seed"],
            "--transcribe",
            config["calibration"]["decoder"]["mix"]["transcribe"],
            "--translate",
            config["calibration"]["decoder"]["mix"]["translate"],
            "--max-new-tokens",
            config["calibration"]["decoder"]["max_new_tokens"],
            "--tasks",
            *tasks(wildcards.model),
        ],
    shell:
        "python -m calibration.decoder --checkpoint {input.checkpoint:q} --clips {input.clips:q}"
        " --features {input.features:q} --graphs {input.graphs:q} {params.flags:q}"
        " --out {output.manifest:q} 2> {log:q}"
