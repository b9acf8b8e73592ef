"""Configuration objects of 1.4."""

from typing import Literal

from qbcompiler._double.configs import CompileSettings
from qbcompiler._double.configs_1_3 import BitConfig, CalibrationConfig, LlmConfig
from qbcompiler._double.configs_1_3 import HessianQuantConfig as OldHessianQuantConfig
from qbcompiler._double.objects import Config
from qbcompiler._double.transformations import (
    EquivalentTransformationConfig,
    SearchWeightScaleConfig,
)


class HessianQuantConfig(OldHessianQuantConfig):
    """Weights by their Hessian, by one of several solvers."""

    class Attributes(OldHessianQuantConfig.Attributes):
        alpha: float

    solver: Literal["symmetric", "asymmetric_causal", "asymmetric_refit"] = "symmetric"
    rescomp: bool = False
    attributes: Attributes


class BiasCorrectionConfig(Config):
    """Errors of a layer, taken back in its biases: the default."""

    class Attributes(Config):
        apply_layers: list[str]
        exclude_layers: list[str]

    apply: bool = True
    attributes: Attributes


class ResourceManagementConfig(Config):
    """Where weights are kept, and how much of the GPU's memory is used."""

    class WeightMemory(Config):
        method: Literal[0, 1, 2, 3, 4] = 0

    weight_dtype: str
    weight_memory: WeightMemory
    gpu_memory_budget_mb: int = -1


class CompileConfig(CompileSettings):
    """All settings in one object."""

    calibration: CalibrationConfig
    bit: BitConfig
    llm: LlmConfig
    hessian_quant: HessianQuantConfig
    bias_correction: BiasCorrectionConfig
    equivalent_transformation: EquivalentTransformationConfig
    search_weight_scale: SearchWeightScaleConfig
    resource_management: ResourceManagementConfig


__all__ = [
    "BiasCorrectionConfig",
    "BitConfig",
    "CalibrationConfig",
    "CompileConfig",
    "EquivalentTransformationConfig",
    "HessianQuantConfig",
    "LlmConfig",
    "ResourceManagementConfig",
    "SearchWeightScaleConfig",
]
