"""1.0, for ARIES alone: flat settings, in objects that functions of the package make.

The scheme `all` is new in 1.0.2.
"""

from typing import Any, ClassVar

from qbcompiler._double.objects import Config, config_class
from torch.nn import Module

DEVICES = ("gpu", "cuda", "cpu")
GENERAL = ("onnx", "torch", "tf", "tflite", "torchscript")
BACKENDS = (*GENERAL, "hf", "nemo", "wenet", "outetts", "mellotts")
SCHEMES = ("single", "multi", "global", "global4", "global8", "all")


class Flat(Config):
    """Base of those that are also made by `from_kwargs`."""

    _aliases: ClassVar[dict[str, str]] = {}

    @classmethod
    def from_kwargs(cls, **fields: Any) -> "Flat":
        return cls(**fields)


SHORT = ("method", "output", "mode")
RANGES = {f"quantization_{name}": int for name in SHORT}
BITS = {f"{name}_weight_bits": int for name in ("query", "key", "value", "output", "ffn", "head")}
LENGTHS = {f"max_{name}_length": int for name in ("data", "sequence", "cache", "core_data")}
TRANSFORMATIONS = (
    *("qk", "ud", "vo", "spin_r1", "spin_r2", "norm_conv", "ff_multi_lut", "qk_rotation"),
    *("optimize_ffn", "head_out_ch_rotation"),
)
FIELDS = {
    "CalibrationConfig": {**RANGES, "percentile": float, "topk_ratio": float},
    "BitConfig": {**BITS, "activation_16bits": list[str]},
    "LlmConfig": {
        **{"llm_config_apply": bool, **LENGTHS, "use_full_seq_length": bool},
        **{"batch_size": int, "npu_core_ids": list[int]},
    },
    "EquivalentTransformation": {
        **{f"{name}_apply": bool for name in TRANSFORMATIONS},
        **{"ud_learn": bool, "head_out_ch_rotation_matrix_path": str},
    },
    "SearchWeightScale": dict.fromkeys(("apply", "query", "key", "value", "out", "ffn"), bool),
}
MADE = {name: config_class(name, fields, Flat) for name, fields in FIELDS.items()}
CalibrationConfig, BitConfig, LlmConfig, EquivalentTransformation, SearchWeightScale = MADE.values()
QuantizationConfig = config_class(
    "QuantizationConfig", {"calibration": CalibrationConfig | None, "bit": BitConfig | None}
)
AdvancedQuantizationConfig = config_class(
    "AdvancedQuantizationConfig",
    {
        "equivalent_transformation": EquivalentTransformation | None,
        "search_weight_scale": SearchWeightScale | None,
    },
)


def get_calibration_config(**fields: Any) -> CalibrationConfig:
    return CalibrationConfig(
        **{f"quantization_{key}" if key in SHORT else key: one for key, one in fields.items()}
    )


def get_quantization_config(
    calibration: CalibrationConfig | None = None, bit: BitConfig | None = None
) -> QuantizationConfig:
    return QuantizationConfig(calibration=calibration, bit=bit)


def get_advanced_quantization_config(
    equivalent_transformation: EquivalentTransformation | None = None,
    search_weight_scale: SearchWeightScale | None = None,
) -> AdvancedQuantizationConfig:
    changes = {"equivalent_transformation": equivalent_transformation}
    return AdvancedQuantizationConfig(**changes, search_weight_scale=search_weight_scale)


BUILDERS = {
    **{"BitConfig": BitConfig, "CalibrationConfig": CalibrationConfig, "LlmConfig": LlmConfig},
    "get_llm_config": LlmConfig.from_kwargs,
    "get_bit_config": BitConfig.from_kwargs,
    "get_calibration_config": get_calibration_config,
    "get_quantization_config": get_quantization_config,
    "get_equivalent_transformation_config": EquivalentTransformation.from_kwargs,
    "get_search_weight_scale_config": SearchWeightScale.from_kwargs,
    "get_advanced_quantization_config": get_advanced_quantization_config,
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
        **{"quantization_mode": 1, "quantization_output": 0},
        **{"percentile": float | None, "topk_ratio": float | None, "is_quant_ch": bool | None},
        **{"optimize_option": int | None, "act_mixed_precision": False},
        **{"use_gpu_only_for_calibration": bool | None, "weight_dtype": str | None},
        **{"hf_config": dict[str, Any] | None},
        **{"save_subgraph_type": 0, "output_subgraph_path": str | None},
        "llm_config": LlmConfig | None,
        "quantization_config": QuantizationConfig | None,
        "advanced_quantization_config": AdvancedQuantizationConfig | None,
    },
}
