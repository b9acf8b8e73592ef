"""1.0, for ARIES alone: flat settings, in objects that functions of the package make.

The scheme `all` is new in 1.0.2.
"""

from collections.abc import Callable
from typing import Any

from pydantic.alias_generators import to_pascal
from qbcompiler._double.objects import Config, config_class
from torch.nn import Module

DEVICES = ("gpu", "cuda", "cpu")
GENERAL = ("onnx", "torch", "tf", "tflite", "torchscript")
BACKENDS = (*GENERAL, "hf", "nemo", "wenet", "outetts", "mellotts")
SCHEMES = ("single", "multi", "global", "global4", "global8", "all")
SHORT = {name: f"quantization_{name}" for name in ("method", "output", "mode")}
BITS = {f"{name}_weight_bits": int for name in ("query", "key", "value", "output", "ffn", "head")}
LENGTHS = {f"max_{name}_length": int for name in ("data", "sequence", "cache", "core_data")}
TRANSFORMATIONS = (
    *("qk", "ud", "vo", "spin_r1", "spin_r2", "norm_conv", "ff_multi_lut", "qk_rotation"),
    *("optimize_ffn", "head_out_ch_rotation"),
)
FIELDS = {
    "calibration": {**dict.fromkeys(SHORT.values(), int), "percentile": float, "topk_ratio": float},
    "bit": {**BITS, "activation_16bits": list[str]},
    "llm": {
        **{"llm_config_apply": bool, **LENGTHS, "use_full_seq_length": bool},
        **{"batch_size": int, "npu_core_ids": list[int]},
    },
    "equivalent_transformation": {
        **{f"{name}_apply": bool for name in TRANSFORMATIONS},
        **{"ud_learn": bool, "head_out_ch_rotation_matrix_path": str},
    },
    "search_weight_scale": dict.fromkeys(("apply", "query", "key", "value", "out", "ffn"), bool),
}
GROUPS = {
    "quantization": ("calibration", "bit"),
    "advanced_quantization": ("equivalent_transformation", "search_weight_scale"),
}


class Flat(Config):
    """Base of those that are also made by `from_kwargs`."""

    from_kwargs = classmethod(lambda made, **fields: made(**fields))


def maker(made: type[Config]) -> Callable[..., Config]:
    """The function of the package that makes an object: fields also by position, in short names."""

    def make(*values: Any, **fields: Any) -> Config:
        given = dict(zip(made.model_fields, values, strict=False)) | fields
        return made(**{SHORT.get(name, name): value for name, value in given.items()})

    return make


MADE = {name: config_class(f"{to_pascal(name)}Config", FIELDS[name], Flat) for name in FIELDS}
for name, parts in GROUPS.items():
    MADE[name] = config_class(f"{to_pascal(name)}Config", {one: MADE[one] for one in parts})
BUILDERS = {f"get_{name}_config": maker(made) for name, made in MADE.items()}
BUILDERS |= {MADE[name].__name__: MADE[name] for name in ("bit", "calibration", "llm")}
# Of mxq_compile; gone in 1.1.
FLAT = {
    **{"quantization_mode": 1, "quantization_output": 0, "is_quant_ch": bool | None},
    **{"percentile": float | None, "topk_ratio": float | None},
    **{"optimize_option": int | None, "act_mixed_precision": False},
    **{"use_gpu_only_for_calibration": bool | None, "hf_config": dict[str, Any] | None},
    **{f"{name}_config": MADE[name] | None for name in GROUPS},
}
CHANGES = {
    "mblt_compile": {
        **{"model": str | Module, "mblt_save_path": str, "backend": "onnx", "target": str | None},
        **{"feed_dict": dict[str, Any] | None, "device": "gpu", "cpu_offload": False},
    },
    "mxq_compile": {
        **{"model": str | Module, "calib_data_path": str | None, "save_path": "./tmp.mxq"},
        **{"backend": "onnx", "feed_dict": dict[str, Any] | None, "device": "gpu"},
        **{"inference_scheme": "single", "cpu_offload": False},
        **{"weight_dtype": str | None, "save_subgraph_type": 0},
        **{"output_subgraph_path": str | None, "llm_config": MADE["llm"] | None, **FLAT},
    },
}
