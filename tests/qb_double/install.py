"""Stand-in for the NPU vendor's compiler: as strict, and what it writes is no compiled model.

Which names and which strictness a version has is in the folder of its generation. Variables:
    QB_DOUBLE_CALLS  file to which each call is appended, a JSON object a line
    QB_DOUBLE        what mxq_compile does wrong; see shared/quantising.py

Example:
    folder = install(tmp_path / "vendor", "1.3.0")
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(folder)})
"""

import shutil
from pathlib import Path

HERE = Path(__file__).parent
GENERATIONS = {(1, 0): "v1_0", (1, 1): "v1_1", (1, 2): "v1_2", (1, 3): "v1_3", (1, 4): "v1_4"}
METADATA = "Metadata-Version: 2.1\nName: qbcompiler\nVersion: {version}\n"
NO_CACHE = shutil.ignore_patterns("__pycache__")


def install(folder: Path, version: str) -> Path:
    """Make the package `qbcompiler`, with metadata, in a folder; the folder, for PYTHONPATH.

    Args:
        folder: Where to; another version there is replaced.
        version: A newer one than all known is like the newest.
    """
    numbers = tuple(int(piece) for piece in version.split("+")[0].split(".")[:2])
    fitting = [name for since, name in GENERATIONS.items() if since <= numbers]
    if not fitting:
        raise ValueError(f"no generation of the compiler for {version}")
    package = folder / "qbcompiler"
    for old in (package, *folder.glob("qbcompiler-*.dist-info")):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(HERE / fitting[-1], package, ignore=NO_CACHE)
    shutil.copytree(HERE / "shared", package / "_double", ignore=NO_CACHE)
    (package / "_version.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
    info = folder / f"qbcompiler-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA.format(version=version), encoding="utf-8")
    return folder
