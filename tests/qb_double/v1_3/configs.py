"""Configuration objects of 1.3."""

from qbcompiler._double.configs import Apply, CompileSettings, ResourceManagementConfig
from qbcompiler._double.configs_1_3 import (
    BitConfig,
    CalibrationConfig,
    HessianQuantConfig,
    LlmConfig,
)
from qbcompiler._double.objects import Config
from qbcompiler._double.transformations import (
    EquivalentTransformationConfig,
    SearchWeightScaleConfig,
)


class LayerBiasCorrectionConfig(Apply):
    """Errors of a layer, taken back in its biases."""

    class Attributes(Config):
        num_samples: int = 256
        iterations: int = 5
        correction_rate: float = 0.05

    attributes: Attributes


class CompileConfig(CompileSettings):
    """All settings in one object."""

    calibration: CalibrationConfig
    bit: BitConfig
    llm: LlmConfig
    hessian_quant: HessianQuantConfig
    layer_bias_correction: LayerBiasCorrectionConfig
    equivalent_transformation: EquivalentTransformationConfig
    search_weight_scale: SearchWeightScaleConfig
    resource_management: ResourceManagementConfig


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
]
