"""Stand-in for the NPU vendor's compiler: as strict, and what it writes is no compiled model.

`package` is laid out as the vendor's; what a version has that an older one has not is in
`package/_generations`. Variables:
    QB_DOUBLE_CALLS  file to which each call is appended, a JSON object a line
    QB_DOUBLE        what mxq_compile does wrong; see package/_double/quantising.py
"""

import shutil
from pathlib import Path

PACKAGE = Path(__file__).parent / "package"
GENERATIONS = {(1, minor): f"v1_{minor}.py" for minor in range(5)}
# The first generation that has them, and the last.
LAST = (9,)
MODULES = {"configs.py": ((1, 1), (1, 3)), "model_dict": ((1, 3), LAST), "artifact": ((1, 3), LAST)}
METADATA = "Metadata-Version: 2.1\nName: qbcompiler\nVersion: {version}\n"


def install(folder: Path, version: str) -> Path:
    """Make the package `qbcompiler`, with metadata, in a folder; the folder, for PYTHONPATH.

    Args:
        folder: Where to; another version there is replaced.
        version: A newer one than all known is like the newest.
    """
    numbers = tuple(int(piece) for piece in version.split("+")[0].split(".")[:2])
    absent = [name for since, name in GENERATIONS.items() if since > numbers]
    absent += [name for name, (first, last) in MODULES.items() if not first <= numbers <= last]
    package = folder / "qbcompiler"
    for old in (package, *folder.glob("qbcompiler-*.dist-info")):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", *absent))
    (package / "_version.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
    info = folder / f"qbcompiler-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA.format(version=version), encoding="utf-8")
    return folder
