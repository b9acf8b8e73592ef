"""What each version of the NPU vendor's compiler can do: targets, schemes, versions around it.

Only the standard library is used: this also runs in the interpreter that has the compiler.
"""

ARIES, REGULUS = NPU_TARGETS = ("aries-rb", "regulus-rb")
SCHEMES = ("all", "single", "multi", "global4", "global8")


class Refused(Exception):
    """What was asked for cannot be done; the message says why, and what to do."""


def numbers_of(version: str) -> tuple[int, ...]:
    """(1, 2, 0) of `1.2.0+aries2` or `1.2.0rc1`."""
    found = []
    for piece in version.split("+")[0].split("."):
        digits = piece[: len(piece) - len(piece.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


def targets_of(version: str) -> list[str]:
    """The NPU targets that a version compiles for: REGULUS since 1.2, when there was one wheel."""
    return [ARIES] if numbers_of(version) < (1, 2) else [ARIES, REGULUS]


def check_target(target: str, version: str) -> None:
    """Raise `Refused` where a version cannot compile for a target."""
    if target not in targets_of(version):
        raise Refused(
            f"target {target} needs qbcompiler 1.2 or newer, and {version} is installed; install a"
            " newer one, or take it out of compilation.targets"
        )


def scheme_for(part: str, scheme: str, target: str, version: str) -> str:
    """The scheme that is passed: `all` of REGULUS, which has one core, is `single`.

    Raises:
        Refused: the device or the version does not have it.
    """
    key = f"compilation.{part}.inference_scheme"
    if target == REGULUS:
        if scheme not in ("all", "single"):
            raise Refused(f"{REGULUS} has one core and no scheme `{scheme}`; set {key} to single")
        return "single"
    if scheme == "all" and numbers_of(version) < (1, 0, 2):
        usual = {"encoder": "global4", "decoder": "single"}[part]
        raise Refused(
            f"scheme `all` needs qbcompiler 1.0.2 or newer, and {version} is installed; set {key}"
            f" to {usual}, as the vendor's tutorial for that version does"
        )
    return scheme


def warnings_on(versions: dict[str, str | None]) -> list[str]:
    """What is known to go wrong with the versions installed beside the compiler.

    Args:
        versions: Of qbcompiler, torch and numpy; None where one is not installed.

    Raises:
        Refused: it cannot work.
    """
    if not versions["torch"]:
        raise Refused("the compiler's interpreter has no torch; install torch 2.7.1")
    if numbers_of(versions["numpy"] or "0")[:1] > (1,):
        raise Refused(
            f"numpy {versions['numpy']} is installed beside the compiler, which needs one older"
            " than 2 (it ends in `only 0-dimensional arrays` otherwise); install numpy 1.26"
        )
    if numbers_of(versions["torch"])[:3] != (2, 7, 1):
        return [
            f"torch {versions['torch']} is installed beside the compiler, whose native part is"
            " built for 2.7.1; if importing it fails, install torch 2.7.1"
        ]
    return []
