"""A CPU hand-off folder is loaded by optimum-intel as it is, in an environment of its own.

optimum-intel wants an older transformers than this project has.
"""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers import CONVERTED
from common.files import read_json
from tests.test_transcribe_alone import interpreter

INSTALLED = ("nncf", "numpy", "scipy", "soundfile", "torch")  # already, and so nothing to fetch
WANTED = [*CONVERTED["OpenVINO GenAI"], *(f"{name}=={version(name)}" for name in INSTALLED)]
HEAR = """
import json, sys
import soundfile
from optimum.intel import OVModelForSpeechSeq2Seq
from transformers import AutoProcessor

folder, task, *clips = sys.argv[1:]
model = OVModelForSpeechSeq2Seq.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
texts = []
for clip in clips:
    path, language = clip.split("=")
    audio, rate = soundfile.read(path, dtype="float32")
    features = processor(audio, sampling_rate=rate, return_tensors="pt").input_features
    ids = model.generate(features, language=language, task=task)
    texts += processor.batch_decode(ids, skip_special_tokens=True)
print(json.dumps(texts))
"""


def test_optimum_intel_gives_the_golden_texts(demo: Path, tmp_path: Path) -> None:
    folder = demo / "compiled/whisper-micro/cpu"
    golden = read_json(folder / "golden/golden.json")["clips"]
    clips = [one for one in golden if one["task"] == "transcribe"]
    files = [f"{folder}/golden/{one['name']}.wav={one['whisper_language']}" for one in clips]
    python = interpreter(tmp_path, WANTED, tmp_path)
    command = [str(python), "-I", "-c", HEAR, str(folder), "transcribe", *files]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stderr[-1000:]
    texts = [text.strip() for text in json.loads(result.stdout.splitlines()[-1])]
    assert len(texts) > 1
    assert texts == [one["text"] for one in clips]
