"""1.1: settings are objects of classes in `configs`; what 1.0 had for that is gone."""

from typing import Any, Literal

from qbcompiler._double.objects import FILE_OR_OBJECT, GONE, KEPT, OBJECT
from qbcompiler._generations.v1_0 import FLAT, LENGTHS

DEVICES = ("gpu", "cpu")
PRESETS = (
    *("classification", "detection", "classification_torchvision", "yolo_640", "yolo_1280"),
    *("llm", "llm_fast", "vision_transformer", "multimodal"),
)
BUILDERS: dict[str, Any] = {}
GRAPH = {
    **{"dynamic_axes": dict[str, list[int]] | None, "in_dformats": dict[str, str] | None},
    **{"yolo_decode_include": False, "exclude_first_subgraph": False},
}
LAYOUT = {
    **{"buffer_mode": 1, "input_shape_dict": dict[str, Any] | None},
    **{"force_npu_input_reposition": False, "force_npu_output_reposition": False},
    **{"image_channels": 0, "split_blocks": list[int] | None, "split_parts": 0},
}
APPLY = {"apply": False}
LEARN = {**APPLY, "learn": False}
LAYERS = {"apply_layers": list[str], "exclude_layers": list[str]}
HESSIAN = {"act_order": bool, "block_size": 128, "perc_damp": float, **LAYERS}
MIXED = {"bit_2": float, "bit_4": float, "bit_8": float}
SCALES = dict.fromkeys(("query", "key", "value", "out", "ffn"), False)
HEADS = dict.fromkeys(("query", "key", "value", "output", "ffn", "head"), 8)
CHANGES = {
    "mxq_compile": {
        **dict.fromkeys(FLAT, GONE),
        **{"feed_dict": KEPT, **GRAPH},
        **{"inference_scheme": KEPT, "use_random_calib": False, "cpu_offload": KEPT, **LAYOUT},
        **{"config_preset": str | None, "compile_config": FILE_OR_OBJECT},
        **{"output_subgraph_path": KEPT, "calibration_config": OBJECT, "bit_config": OBJECT},
        **{"llm_config": OBJECT, "optq_config": OBJECT, "mod_config": None},
        **{"equivalent_transformation_config": OBJECT, "search_weight_scale_config": OBJECT},
        **dict.fromkeys(("uint8_input_config", "preprocessing_config", "save_sample_config")),
        "resource_management_config": OBJECT,
    },
    "CalibrationConfig": {
        "method": Literal[0, 1, 2, 3],
        **dict.fromkeys(("output", "mode"), Literal[0, 1, 2]),
        "max_percentile": {"percentile": float, "topk_ratio": float},
        "statistics": {
            **{**APPLY, "save_path": str, "load_path": str},
            **{"percentiles": list[float], "percentile_index": int},
        },
        **{"act_scale_min": 0.0005, "weight_scale_min": 1e-6},
    },
    "BitConfig": {
        "transformer": {
            **{"weight": HEADS, "activation": HEADS},
            "mixed_precision": {**APPLY, **MIXED, "activation": APPLY},
        },
        # Names that are in no graph are ignored.
        "layer_overrides": {"activation_16bits": list[str], "weight_16bits": list[str]},
    },
    "LlmConfig": {
        **APPLY,
        "npu_parallel_degree": int,
        "attributes": {
            **LENGTHS,
            "calibration": {"use_full_seq_length": False},
            "runtime": {
                **{"batch_size": 1, "npu_core_ids": list[int]},
                **{"dynamic_rope": False, "dynamic_mask": False},
            },
        },
    },
    "OptqConfig": {**APPLY, "attributes": HESSIAN},
    "EquivalentTransformationConfig": {
        **{"norm_conv": LEARN, "qk": APPLY, "ud": {**LEARN, "smoothing_factor": float}},
        **{"vo": APPLY, "spin_r1": APPLY, "spin_r2": LEARN, "qk_rotation": APPLY},
        "feed_forward_multi_lut": APPLY,
        "optimize_ffn": {**APPLY, "ch_per_ffn": int},
        "flatten_quant": LEARN,
        "head_out_ch_rotation": {**APPLY, "matrix_path": str},
    },
    "SearchWeightScaleConfig": {**APPLY, "transformer": SCALES},
    "ResourceManagementConfig": {
        **{"weight_dtype": str, "use_gpu_only_for_calibration": True},
        "weight_memory": {"method": (Literal[0, 1, 2, 3, 4], 0)},
    },
    "CompileConfig": {
        **dict.fromkeys(("model_paths", "calib_data_path", "save_paths"), list[str]),
        **{"use_random_calib": False, "inference_scheme": "single", "cpu_offload": False},
        **{"device": (Literal["gpu", "cpu"], "gpu"), "dtype": "float", **LAYOUT},
        **{"debug": False, "trace": False, "config_version": "1.0.0"},
    },
}
