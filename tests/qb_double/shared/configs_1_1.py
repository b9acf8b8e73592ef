"""Configuration objects of 1.1 and 1.2."""

from qbcompiler._double.configs import (
    BitConfig,
    CalibrationConfig,
    CompileSettings,
    LlmConfig,
    ResourceManagementConfig,
)
from qbcompiler._double.transformations import (
    EquivalentTransformationConfig,
    OptqConfig,
    SearchWeightScaleConfig,
)


class CompileConfig(CompileSettings):
    """All settings in one object."""

    calibration: CalibrationConfig
    bit: BitConfig
    llm: LlmConfig
    optq: OptqConfig
    equivalent_transformation: EquivalentTransformationConfig
    search_weight_scale: SearchWeightScaleConfig
    resource_management: ResourceManagementConfig


__all__ = [
    "BitConfig",
    "CalibrationConfig",
    "CompileConfig",
    "EquivalentTransformationConfig",
    "LlmConfig",
    "OptqConfig",
    "ResourceManagementConfig",
    "SearchWeightScaleConfig",
]
