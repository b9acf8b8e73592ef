"""Stand-in for qbcompiler 1.3: the part is named, and there is no backend `hf`."""

from typing import Any

from qbcompiler._double.calls import entry
from qbcompiler._double.parsing import parse
from qbcompiler._double.quantising import quantise
from qbcompiler._version import __version__
from qbcompiler.configs import (
    BitConfig,
    CalibrationConfig,
    CompileConfig,
    EquivalentTransformationConfig,
    HessianQuantConfig,
    LayerBiasCorrectionConfig,
    LlmConfig,
    ResourceManagementConfig,
    SearchWeightScaleConfig,
)
from torch.nn import Module

__all__ = [
    "BitConfig",
    "CalibrationConfig",
    "CompileConfig",
    "EquivalentTransformationConfig",
    "HessianQuantConfig",
    "LayerBiasCorrectionConfig",
    "LlmConfig",
    "ResourceManagementConfig",
    "SearchWeightScaleConfig",
    "__version__",
    "mblt_compile",
    "mxq_compile",
]


@entry(parse)
def mblt_compile(
    model: str | Module,
    mblt_save_path: str,
    target_device: str,
    backend: str = "onnx",
    feed_dict: dict[str, Any] | None = None,
    dynamic_axes: dict[str, list[int]] | None = None,
    in_dformats: dict[str, str] | None = None,
    yolo_decode_include: bool = False,
    exclude_first_subgraph: bool = False,
    device: str = "gpu",
    cpu_offload: bool = False,
    config_preset: str | None = None,
    compile_config: str | CompileConfig | None = None,
    model_part: str | None = None,
    model_part_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Checkpoint -> .mblt."""


@entry(quantise)
def mxq_compile(
    model: str | Module,
    target_device: str,
    calib_data_path: str | None = None,
    save_path: str = "./tmp.mxq",
    backend: str = "onnx",
    feed_dict: dict[str, Any] | None = None,
    dynamic_axes: dict[str, list[int]] | None = None,
    in_dformats: dict[str, str] | None = None,
    yolo_decode_include: bool = False,
    exclude_first_subgraph: bool = False,
    device: str = "gpu",
    inference_scheme: str = "single",
    use_random_calib: bool = False,
    cpu_offload: bool = False,
    layer_bias_correction: bool = False,
    buffer_mode: int = 1,
    input_shape_dict: dict[str, Any] | None = None,
    force_npu_input_reposition: bool = False,
    force_npu_output_reposition: bool = False,
    image_channels: int = 0,
    split_blocks: list[int] | None = None,
    split_parts: int = 0,
    config_preset: str | None = None,
    compile_config: str | CompileConfig | None = None,
    config_save_path: str | None = None,
    model_part: str | None = None,
    model_part_options: dict[str, Any] | None = None,
    weight_dtype: str | None = None,
    save_subgraph_type: int = 0,
    output_subgraph_path: str | None = None,
    calibration_config: CalibrationConfig | None = None,
    bit_config: BitConfig | None = None,
    llm_config: LlmConfig | None = None,
    hessian_quant_config: HessianQuantConfig | None = None,
    layer_bias_correction_config: LayerBiasCorrectionConfig | None = None,
    mod_config: None = None,
    equivalent_transformation_config: EquivalentTransformationConfig | None = None,
    search_weight_scale_config: SearchWeightScaleConfig | None = None,
    uint8_input_config: None = None,
    preprocessing_config: None = None,
    save_sample_config: None = None,
    resource_management_config: ResourceManagementConfig | None = None,
    **kwargs: Any,
) -> None:
    """.mblt and calibration set -> .mxq."""
