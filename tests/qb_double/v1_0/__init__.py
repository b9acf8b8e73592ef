"""Stand-in for qbcompiler 1.0, for ARIES alone."""

from typing import Any

from qbcompiler._builders import (
    AdvancedQuantizationConfig,
    BitConfig,
    CalibrationConfig,
    LlmConfig,
    QuantizationConfig,
    get_advanced_quantization_config,
    get_bit_config,
    get_calibration_config,
    get_equivalent_transformation_config,
    get_llm_config,
    get_quantization_config,
    get_search_weight_scale_config,
)
from qbcompiler._double.calls import entry
from qbcompiler._double.parsing import parse
from qbcompiler._double.quantising import quantise
from qbcompiler._version import __version__
from torch.nn import Module

__all__ = [
    "BitConfig",
    "CalibrationConfig",
    "LlmConfig",
    "__version__",
    "get_advanced_quantization_config",
    "get_bit_config",
    "get_calibration_config",
    "get_equivalent_transformation_config",
    "get_llm_config",
    "get_quantization_config",
    "get_search_weight_scale_config",
    "mblt_compile",
    "mxq_compile",
]


@entry(parse)
def mblt_compile(
    model: str | Module,
    mblt_save_path: str,
    backend: str = "onnx",
    target: str | None = None,
    feed_dict: dict[str, Any] | None = None,
    device: str = "gpu",
    cpu_offload: bool = False,
    **kwargs: Any,
) -> None:
    """Checkpoint -> .mblt."""


@entry(quantise)
def mxq_compile(
    model: str | Module,
    calib_data_path: str | None = None,
    save_path: str = "./tmp.mxq",
    backend: str = "onnx",
    feed_dict: dict[str, Any] | None = None,
    device: str = "gpu",
    inference_scheme: str = "single",
    cpu_offload: bool = False,
    quantization_mode: int = 1,
    quantization_output: int = 0,
    percentile: float | None = None,
    topk_ratio: float | None = None,
    is_quant_ch: bool | None = None,
    optimize_option: int | None = None,
    act_mixed_precision: bool = False,
    use_gpu_only_for_calibration: bool | None = None,
    weight_dtype: str | None = None,
    hf_config: dict[str, Any] | None = None,
    save_subgraph_type: int = 0,
    output_subgraph_path: str | None = None,
    llm_config: LlmConfig | None = None,
    quantization_config: QuantizationConfig | None = None,
    advanced_quantization_config: AdvancedQuantizationConfig | None = None,
    **kwargs: Any,
) -> None:
    """.mblt and calibration set -> .mxq."""
