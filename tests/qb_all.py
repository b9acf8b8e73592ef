"""All four calls of a version in one process, which imports torch and transformers once.

Run with the double in the path, from the repository root:
    python -m tests.qb_all FOLDER TARGET RECIPE ENCODER_SCHEME DECODER_SCHEME
"""

import sys
from pathlib import Path
from typing import Any

from compilation.qb import child as invoke
from compilation.qb import compile as compile_module
from compilation.qb.recipes import Wish
from tests.qb import fake_set


def call(request: dict[str, Any], folder: Path, suffix: str, hours: float) -> dict[str, Any]:
    """As `compile_module.call`, in this process."""
    folder.mkdir(parents=True)
    out = folder / f"part{suffix}"
    request |= {"out": str(out), "resolved": str(folder / "resolved.json")}
    wish = Wish(**{**request["wish"], "device": "cpu"})
    made = {"parse": invoke.parse, "quantise": invoke.quantise}[request["step"]](request, wish)
    return {**made, "device": "cpu", "file": out, "seconds": 0.1, "peak": 1}


def main() -> None:
    """Both steps of both parts."""
    folder, target, recipe, *schemes = sys.argv[1:]
    compile_module.call = call
    manifest = Path(folder) / "checkpoint/manifest.json"
    for part, scheme in zip(("encoder", "decoder"), schemes, strict=True):
        common = ["--part", part, "--target", target, "--checkpoint", str(manifest)]
        graph = f"{folder}/{part}.mblt"
        compile_module.main(["parse", *common, "--out", graph])
        listing = fake_set(Path(folder) / f"set_{part}", manifest, part)
        inputs = ["--graph", graph, "--calibration", str(listing), "--recipe", recipe]
        compile_module.main(
            ["quantise", *common, *inputs, "--scheme", scheme, "--out", f"{folder}/{part}.mxq"]
        )


if __name__ == "__main__":
    main()
