"""Names of what is built: of a model, `whisper-small`, or a variant of it, `whisper-small@w8`."""

SIGN = "@"


def split(name: str) -> tuple[str, str]:
    """Model and variant of a name: `a@b` is `a` and `@b`; of a plain model, the second is empty."""
    model, sign, variant = name.partition(SIGN)
    return model, sign + variant
