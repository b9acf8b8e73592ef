"""What the report shows of numbers inside the model: states, logits, layers, calibration ranges."""

import re
from typing import Any

from markupsafe import Markup, escape

from evaluation.report import charts
from evaluation.report.format import counted, number, percent, significant, size
from evaluation.report.languages import name_of

STATES = (  # key, heading, digits, unit
    ("cosine", "Cosine", 4, ""),
    ("sqnr_db", "SQNR", 1, " dB"),
    ("psnr_db", "PSNR", 1, " dB"),
)
INPUTS = {
    "mel": "log-mel features, to the encoder",
    "encoder_states": "encoder states, to the decoder",
    "embeddings": "embedded tokens, to the decoder",
}
SHOWN = 10  # layers of a part that are in sight; the others can be unfolded


def states(quality: dict[str, Any]) -> dict[str, Any]:
    """Cosine, SQNR and PSNR of the compiled encoder's states to the float ones, by language."""
    found = quality["encoder_states"]
    named = [("All", "", found["all"])]
    named += sorted((name_of(code), code, own) for code, own in found["languages"].items())
    scales = {
        key: charts.scale_around(
            value for _, _, own in named for value in (own[key] or {}).values()
        )
        for key, *_ in STATES
    }
    rows = []
    for name, code, own in named:
        cells = [_state(name, own[key], scales[key], *rest) for key, *rest in STATES]
        rows.append((name, code, cells))
    return {
        "heads": [f"{head}{f', {unit}' if unit else ''}" for _, head, _, unit in STATES],
        "rows": rows,
    }


def _state(
    name: str,
    value: dict[str, float] | None,
    scale: charts.Scale | None,
    head: str,
    digits: int,
    unit: str,
) -> dict[str, Any]:
    mean, least = ((value or {}).get(key) for key in ("mean", "min"))
    title = (
        f"{name}, {head}: mean {number(mean, digits)}{unit}, least {number(least, digits)}{unit}"
    )
    plot = charts.dots(mean, least, scale, title)
    return {"mean": number(mean, digits), "least": number(least, digits), "plot": plot}


def logits(quality: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each band of token positions, how far the compiled decoder's logits are."""
    bands = [(band, own) for band, own in quality["logits"].items() if own and own["tokens"]]
    others = [None if own["top1"] is None else 1 - own["top1"] for _, own in bands]
    scale = charts.scale_from_zero(others, 0.01, 1.0)
    return [
        {
            "band": band.replace("-", "–"),
            "tokens": number(own["tokens"], 0),
            "other": percent(other),
            "kl": significant(own["kl"], 2),
            "psnr": number(own["psnr_db"], 1),
            "plot": charts.single_bar(
                "compiled", other, scale, f"tokens {band}: {percent(other)} other tokens"
            ),
        }
        for (band, own), other in zip(bands, others, strict=True)
    ]


def layers(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each part, its layers, most damaged first: those in sight and the others."""
    parts = []
    for part, ranked in found["parts"].items():
        scale = charts.scale_around(layer["sqnr_db"] for layer in ranked)
        rows = [
            {
                "layer": breakable(layer["layer"]),
                "sqnr": number(layer["sqnr_db"], 1),
                "size": size(layer["bytes"] or None),
                "plot": charts.dots(
                    layer["sqnr_db"], None, scale, f"{number(layer['sqnr_db'], 1)} dB"
                ),
            }
            for layer in ranked
        ]
        parts.append({"part": part, "rows": rows[:SHOWN], "others": rows[SHOWN:]})
    return [part for part in parts if part["rows"]]


def keep_float(found: dict[str, Any]) -> dict[str, Any]:
    """How the layers that stay float were found: what each try cost, and which they are."""
    rows = [
        {
            "layers": own["layers"],
            "size": size(own["bytes"]),
            "time": significant(own["real_time_factor"], 2),
            "sentence": own["sentence"],
        }
        for own in found["tries"]
    ]
    kept = [name for part in ("encoder", "decoder") for name in found.get(part, [])]
    return {
        "sentence": found["sentence"],
        "rows": rows,
        "float_time": significant(found["tries"][0]["float_real_time_factor"], 2),
        "kept": [breakable(name) for name in kept],
    }


def breakable(name: str) -> Markup:
    """The name of a layer, that may be broken after its dots and slashes."""
    return Markup(re.sub(r"([./])", r"\1<wbr>", str(escape(name))))


def coverage(found: dict[str, Any]) -> dict[str, Any]:
    """Of each input, calibrated and seen range; and by language, the shares that lie outside."""
    inputs = {name: own for name, own in found["inputs"].items() if own}
    rows = []
    for name, own in inputs.items():
        outer, inner = own["all"]["range"], own["all"]["seen"]
        texts = [" to ".join(significant(end, 3) for end in ends) for ends in (outer, inner)]
        known = None not in (*outer, *inner)
        title = f"calibrated with {texts[0]}, seen in held-out clips {texts[1]}"
        rows.append(
            {
                "name": INPUTS.get(name, name),
                "outside": share(own["all"]["outside"]),
                "range": texts[0],
                "seen": texts[1],
                "plot": charts.ranges(outer, inner, title) if known else "",
            }
        )
    codes = sorted({code for own in inputs.values() for code in own["languages"]}, key=name_of)
    most = max([_outside(own, code) for own in inputs.values() for code in codes] + [1e-9])
    languages = [
        (
            name_of(code),
            code,
            [
                {
                    "share": share(own["languages"].get(code, {}).get("outside")),
                    "shade": round(_outside(own, code) / most, 2),
                }
                for own in inputs.values()
            ],
        )
        for code in codes
    ]
    heads = [INPUTS.get(name, name).partition(",")[0] for name in inputs]
    kept = {"clips": counted(found["clips"], "held-out clip"), "warning": found["warning"]}
    return {**kept, "rows": rows, "heads": heads, "languages": languages}


def _outside(own: dict[str, Any], code: str) -> float:
    return own["languages"].get(code, {}).get("outside") or 0.0


def share(value: float | None) -> str:
    """A small share in percent; `0` where there is nothing at all."""
    if value == 0:
        return "0"
    if value is not None and value < 5e-6:
        return "< 0.001 %"
    return percent(value, 3 if value is not None and value < 0.001 else 2)
