"""Configuration objects that are others since 1.3; what 1.4 keeps of them is used there too."""

from typing import Any, ClassVar, Literal

from qbcompiler._double import configs as old
from qbcompiler._double.objects import Config


class CalibrationConfig(old.CalibrationConfig):
    """Also settings of look-up tables, and how many samples a stage looks at."""

    class GroupLut(Config):
        irls_iter: int = 3
        dro_eps: float = 0.0
        cover_floor: float = 0.85

    class OptimizeLut(Config):
        optimization_level: Literal[0, 1] = 1

    class LayerOverrides(Config):
        method: dict[str, Any]

    group_lut: GroupLut
    optimize_lut: OptimizeLut
    max_sample_size_for_quant_scheme: int = 16
    layer_overrides: LayerOverrides


class LayerOverrides(old.LayerOverrides):
    """Also weights in 8 bits."""

    _aliases: ClassVar[dict[str, str]] = {
        **old.LayerOverrides._aliases,
        "weight_8bits": "weight8Bits",
    }
    weight_8bits: list[str]


class BitConfig(Config):
    """How many bits: the feed-forward's may differ, and there is a router."""

    class Transformer(Config):
        class Weight(Config):
            class Ffn(Config):
                up: int = 8
                gate: int = 8
                down: int = 8

            query: int = 8
            key: int = 8
            value: int = 8
            output: int = 8
            ffn: Ffn | int = 8
            head: int = 8
            router: int = 8

        class Activation(Weight):
            pass

        MixedPrecision = old.MixedPrecision
        weight: Weight
        activation: Activation
        mixed_precision: MixedPrecision

    LayerOverrides = LayerOverrides
    transformer: Transformer
    layer_overrides: LayerOverrides


class LlmConfig(Config):
    """Lengths and cache of a decoder; cores are the runtime's."""

    class Attributes(Config):
        class Calibration(Config):
            use_full_seq_length: bool = False

        class Runtime(Config):
            batch_size: int = 1
            dynamic_rope: bool = False
            dynamic_mask: bool = False

        max_data_length: int
        max_sequence_length: int
        max_cache_length: int
        max_core_data_length: int
        calibration: Calibration
        runtime: Runtime

    apply: bool = False
    npu_parallel_degree: int
    attributes: Attributes


class HessianQuantConfig(old.Apply):
    """Weights by their Hessian."""

    class Attributes(Config):
        act_order: bool
        block_size: int = 256
        perc_damp: float
        apply_layers: list[str]
        exclude_layers: list[str]

    hessian_dtype: Literal["fp32", "bf16"]
    accumulation_device: Literal["auto", "cpu", "gpu"] = "auto"
    attributes: Attributes
