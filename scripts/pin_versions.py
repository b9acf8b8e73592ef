"""Pin every direct and transitive dependency in pyproject.toml.

Resolves the direct dependencies (their pins are edited by hand) for all supported Python versions
and rewrites `[tool.uv] constraint-dependencies`, so that every machine installs the same versions
without a lock file.

Example:
    uv run python scripts/pin_versions.py
"""

import re
import subprocess
import sys
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
BLOCK = re.compile(r"constraint-dependencies = \[\n(.*?)\]\n", re.DOTALL)


def resolved() -> list[str]:
    """`name==version ; marker` of every package that the project needs on any platform."""
    subprocess.run(["uv", "lock", "--upgrade", "--quiet"], check=True)
    options = ["--no-hashes", "--no-annotate", "--no-header", "--all-groups", "--quiet"]
    export = subprocess.run(
        ["uv", "export", *options], check=True, capture_output=True, text=True
    ).stdout
    pins = (line.strip() for line in export.splitlines() if "==" in line)
    return sorted(pin for pin in pins if "'never'" not in pin)  # markers that exclude a package


def main() -> None:
    """Empty the block, resolve anew, write the block."""
    before = PYPROJECT.read_text(encoding="utf-8")
    text = BLOCK.sub("constraint-dependencies = [\n]\n", before)
    PYPROJECT.write_text(text, encoding="utf-8")
    try:
        pins = resolved()
    except subprocess.CalledProcessError:
        PYPROJECT.write_text(before, encoding="utf-8")
        raise
    lines = "".join(f"    {pin!r},\n" if '"' in pin else f'    "{pin}",\n' for pin in pins)
    text = BLOCK.sub(lambda _: f"constraint-dependencies = [\n{lines}]\n", text)
    PYPROJECT.write_text(text, encoding="utf-8")
    print(f"{len(pins)} packages pinned", file=sys.stderr)


if __name__ == "__main__":
    main()
