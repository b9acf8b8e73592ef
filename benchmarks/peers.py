"""A hand-off folder for the CPU beside what one would otherwise take, on the same recordings.

Example, after a run of the pipeline (uv installs each engine into an environment of its own):
    python -m benchmarks.peers --checkpoint openai/whisper-base --folder compiled/whisper-base/cpu \
        --clips data/audio_files/evaluation/{en_us,fr_fr,ru_ru}.jsonl --count 9

Engines transcribe the recordings greedily, the language given, in rounds that take turns, so that a
busy machine slows all alike; of each recording the fastest round counts. Printed is a table
(Markdown): milliseconds a recording, the same as a share of the best peer's, peak memory, and the
error rate (words, or characters where a language does not space them).

    ours                 the folder, by OpenVINO GenAI
    OpenVINO GenAI       the checkpoint in 8-bit weights by optimum-intel, by OpenVINO GenAI
    faster-whisper int8  the checkpoint converted by CTranslate2
    torch                the checkpoint in float32, by transformers
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Hear = Callable[[Any, str], str]  # of audio float32 [time] and Whisper's code of a language
Limits = dict[str, int]  # max_new_tokens, as every engine calls it, or nothing
GENAI = ["openvino==2026.4.1", "openvino-genai==2026.4.1.0", "soundfile"]
PACKAGES = {
    "ours": GENAI,
    "OpenVINO GenAI": GENAI,
    "faster-whisper int8": ["faster-whisper==1.2.1", "soundfile"],
    "torch": ["torch", "transformers==5.17.0", "soundfile"],
}
CONVERTED = {
    "OpenVINO GenAI": [
        "optimum-intel[openvino]==2.2.0",
        "openvino==2026.4.1",
        "openvino-tokenizers==2026.4.1.0",
    ],
    "faster-whisper int8": ["ctranslate2==4.8.5", "torch", "transformers<5.6"],
}
ROUNDS = 4


def by_genai(model: str, limits: Limits) -> Hear:
    """By OpenVINO GenAI, as it chooses."""
    import openvino_genai

    pipeline = openvino_genai.WhisperPipeline(model, "CPU")
    return lambda audio, code: pipeline.generate(
        audio, language=code, task="transcribe", **limits
    ).texts[0]


def by_faster_whisper(model: str, limits: Limits) -> Hear:
    """By CTranslate2 in int8."""
    from faster_whisper import WhisperModel

    whisper = WhisperModel(model, device="cpu", compute_type="int8")
    options: dict[str, Any] = {"beam_size": 1, "without_timestamps": True, "temperature": 0.0}
    return lambda audio, code: "".join(
        one.text for one in whisper.transcribe(audio, language=code, **options, **limits)[0]
    )


def by_torch(model: str, limits: Limits) -> Hear:
    """By transformers in float32."""
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    whisper = WhisperForConditionalGeneration.from_pretrained(model, dtype="float32").eval()
    processor = WhisperProcessor.from_pretrained(model)

    def hear(audio: Any, code: str) -> str:
        inputs = processor(audio, sampling_rate=16_000, return_tensors="pt").input_features
        ids = whisper.generate(inputs, language=code, task="transcribe", **limits)
        return processor.decode(ids[0], skip_special_tokens=True)

    return hear


ENGINES = {
    "ours": by_genai,
    "OpenVINO GenAI": by_genai,
    "faster-whisper int8": by_faster_whisper,
    "torch": by_torch,
}


def serve(engine: str, model: str, limits: Limits) -> None:
    """Load an engine; then, for each line on stdin, hear a recording and print what came of it."""
    import soundfile

    hear = ENGINES[engine](model, limits)
    for line in sys.stdin:
        path, code = json.loads(line)
        audio, _ = soundfile.read(path, dtype="float32")
        begin = time.perf_counter()
        text = hear(audio, code).strip()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps([time.perf_counter() - begin, text, peak]), flush=True)


def with_packages(packages: list[str], *command: str) -> list[str]:
    """A command in an environment that has these packages."""
    wanted = [word for package in packages for word in ("--with", package)]
    return ["uv", "run", "--quiet", "--no-project", "--isolated", *wanted, *command]


def converted(engine: str, checkpoint: str, folder: Path) -> str:
    """The checkpoint as a peer takes it."""
    out = str(folder / engine.split()[0])
    if engine == "OpenVINO GenAI":
        command = ["optimum-cli", "export", "openvino", "--model", checkpoint]
        command += ["--task", "automatic-speech-recognition-with-past", "--weight-format", "int8"]
        command.append(out)
    else:
        command = ["ct2-transformers-converter", "--model", checkpoint, "--output_dir", out]
        command += ["--copy_files", "tokenizer.json", "preprocessor_config.json"]
    subprocess.run(with_packages(CONVERTED[engine], *command), check=True, stdout=sys.stderr)
    return out


class Engine:
    """An engine in a process of its own."""

    def __init__(self, name: str, model: str, tokens: int | None) -> None:
        command = ["python", __file__, "--serve", name, model]
        command += ["--tokens", str(tokens)] if tokens else []
        self._process = subprocess.Popen(
            with_packages(PACKAGES[name], *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.best: dict[str, float] = {}
        self.texts: dict[str, str] = {}
        self.peak = 0.0

    def hear(self, path: str, code: str) -> None:
        """Hear a recording once more."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps([path, code]), file=self._process.stdin, flush=True)
        seconds, self.texts[path], self.peak = json.loads(self._process.stdout.readline())
        self.best[path] = min(seconds, self.best.get(path, seconds))

    def milliseconds(self) -> float:
        """A recording."""
        return 1000 * sum(self.best.values()) / len(self.best)


def compare(checkpoint: str, folder: str, clips: list[dict[str, Any]], tokens: int | None) -> None:
    """Run all engines in turns and print the table."""
    from common.progress import Progress
    from evaluation.scoring.text_errors import count_errors

    with tempfile.TemporaryDirectory() as place:
        models = {"ours": folder, "torch": checkpoint}
        models |= {name: converted(name, checkpoint, Path(place)) for name in CONVERTED}
        engines = {name: Engine(name, model, tokens) for name, model in models.items()}
        for _ in Progress(range(ROUNDS), desc="peers", unit="round"):
            for clip in clips:
                for engine in engines.values():
                    engine.hear(str(clip["path"]), clip["whisper_language"])
    peers = [engine.milliseconds() for name, engine in engines.items() if name != "ours"]
    print("| engine | ms a recording | of the best peer's | peak memory, GB | error rate, % |")
    print("|---|---|---|---|---|")
    for name, engine in engines.items():
        found = [
            count_errors(
                clip["transcription"], engine.texts[str(clip["path"])], clip["whisper_language"]
            )
            for clip in clips
        ]
        rate = sum(one.edits for one in found) / sum(one.units for one in found)
        took = engine.milliseconds()
        share = took / min(peers)
        print(f"| {name} | {took:.0f} | {share:.2f} | {engine.peak:.2f} | {100 * rate:.1f} |")


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", help="name on the Hub, or folder")
    parser.add_argument("--folder", help="hand-off folder for the CPU")
    parser.add_argument("--clips", type=Path, nargs="+", help="manifests of clips, one a language")
    parser.add_argument("--count", type=int, default=9, help="recordings of each language")
    parser.add_argument("--tokens", type=int, help="at most, a recording: random weights never end")
    parser.add_argument("--serve", nargs=2, metavar=("ENGINE", "MODEL"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.serve:
        serve(*args.serve, {"max_new_tokens": args.tokens} if args.tokens else {})
        return
    from data.clips import interleave

    clips = interleave(args.clips)[: args.count * len(args.clips)]
    compare(args.checkpoint, args.folder, clips, args.tokens)


if __name__ == "__main__":
    main()
