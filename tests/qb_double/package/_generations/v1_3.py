"""1.3: a part is loaded by `model_dict` and named; there is no backend `hf`; optq is now Hessian.

What is not in the names (`since(1, 3)` in `_double`): backend `torch` takes modules only, and
wants a feed_dict or dynamic_axes, without which a length is fixed; hf_config is refused, not
swallowed; arrays are matched with inputs by shape; schemes that REGULUS, or a batch, has not.
"""

from typing import Any, Literal

from qbcompiler._double.objects import FILE_OR_OBJECT, GONE, KEPT, OBJECT
from qbcompiler._generations import v1_0, v1_1, v1_2

BACKENDS = v1_0.GENERAL
TARGETS = (*v1_2.TARGETS, "regulus-rb-usb")
PART = {"model_part": str | None, "model_part_options": dict[str, Any] | None}
HEADS = {"router": 8, "ffn": (dict.fromkeys(("up", "gate", "down"), 8), 8)}  # ffn: three, or one
CHANGES = {
    "mblt_compile": {
        "target": GONE,
        **{"feed_dict": KEPT, **v1_1.GRAPH},
        **{"cpu_offload": KEPT, "config_preset": str | None, "compile_config": FILE_OR_OBJECT},
        **PART,
    },
    "mxq_compile": {
        **{"cpu_offload": KEPT, "layer_bias_correction": False},
        **{"compile_config": KEPT, "config_save_path": str | None, **PART},
        **{"optq_config": GONE, "hessian_quant_config": OBJECT},
        "layer_bias_correction_config": OBJECT,
    },
    "CalibrationConfig": {
        "group_lut": {"irls_iter": 3, "dro_eps": 0.0, "cover_floor": 0.85},
        "optimize_lut": {"optimization_level": (Literal[0, 1], 1)},
        "max_sample_size_for_quant_scheme": 16,
        "layer_overrides": {"method": dict[str, Any]},
    },
    "BitConfig": {
        "transformer": {"weight": HEADS, "activation": HEADS},
        "layer_overrides": {"weight_8bits": list[str]},
    },
    "LlmConfig": {"attributes": {"runtime": {"npu_core_ids": GONE}}},
    "OptqConfig": GONE,
    "HessianQuantConfig": {
        **v1_1.APPLY,
        "hessian_dtype": Literal["fp32", "bf16"],
        "accumulation_device": (Literal["auto", "cpu", "gpu"], "auto"),
        "attributes": {**v1_1.HESSIAN, "block_size": 256},
    },
    "LayerBiasCorrectionConfig": {
        **v1_1.APPLY,
        "attributes": {"num_samples": 256, "iterations": 5, "correction_rate": 0.05},
    },
}
