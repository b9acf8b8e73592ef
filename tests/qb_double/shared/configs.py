"""Configuration objects of 1.1 and 1.2, of which the newer ones are made."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

from qbcompiler._double.objects import Config
from qbcompiler._double.rules import check_preset


class Apply(Config):
    """A step that is applied or not."""

    apply: bool = False


class Learn(Apply):
    """A step whose parameters may be learnt."""

    learn: bool = False


class CalibrationConfig(Config):
    """How ranges are found."""

    class MaxPercentile(Config):
        percentile: float
        topk_ratio: float

    class Statistics(Apply):
        save_path: str
        load_path: str
        percentiles: list[float]
        percentile_index: int

    method: Literal[0, 1, 2, 3]
    output: Literal[0, 1, 2]
    mode: Literal[0, 1, 2]
    max_percentile: MaxPercentile
    statistics: Statistics
    act_scale_min: float = 0.0005
    weight_scale_min: float = 1e-6


class LayerOverrides(Config):
    """Layers with bits of their own; names that are in no graph are ignored."""

    _aliases: ClassVar[dict[str, str]] = {
        "activation_16bits": "activation16Bits",
        "weight_16bits": "weight16Bits",
    }
    activation_16bits: list[str]
    weight_16bits: list[str]


class MixedPrecision(Config):
    """Bits by share, and activations whose bits are chosen."""

    class Activation(Apply):
        pass

    apply: bool = False
    bit_2: float
    bit_4: float
    bit_8: float
    activation: Activation


class BitConfig(Config):
    """How many bits."""

    class Transformer(Config):
        class Weight(Config):
            query: int = 8
            key: int = 8
            value: int = 8
            output: int = 8
            ffn: int = 8
            head: int = 8

        class Activation(Weight):
            pass

        MixedPrecision = MixedPrecision
        weight: Weight
        activation: Activation
        mixed_precision: MixedPrecision

    LayerOverrides = LayerOverrides
    transformer: Transformer
    layer_overrides: LayerOverrides


class LlmConfig(Config):
    """Lengths and cache of a decoder."""

    class Attributes(Config):
        class Calibration(Config):
            use_full_seq_length: bool = False

        class Runtime(Config):
            batch_size: int = 1
            npu_core_ids: list[int]
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


class ResourceManagementConfig(Config):
    """Where weights are kept."""

    class WeightMemory(Config):
        method: Literal[0, 1, 2, 3, 4] = 0

    _aliases: ClassVar[dict[str, str]] = {
        "use_gpu_only_for_calibration": "useGPUOnlyForCalibration"
    }
    weight_dtype: str
    use_gpu_only_for_calibration: bool = True
    weight_memory: WeightMemory


class CompileSettings(Config):
    """What is in every generation's CompileConfig; those add their objects."""

    _aliases: ClassVar[dict[str, str]] = {"calib_data_path": "calibDataPaths"}
    model_paths: list[str]
    calib_data_path: list[str]
    save_paths: list[str]
    use_random_calib: bool = False
    inference_scheme: str = "single"
    cpu_offload: bool = False
    force_npu_input_reposition: bool = False
    force_npu_output_reposition: bool = False
    buffer_mode: int = 1
    input_shape_dict: dict[str, Any]
    device: Literal["gpu", "cpu"] = "gpu"
    dtype: str = "float"
    debug: bool = False
    trace: bool = False
    image_channels: int = 0
    config_version: str = "1.0.0"
    split_blocks: list[int]
    split_parts: int = 0

    @classmethod
    def from_file(cls, path: str) -> "CompileSettings":
        """Of a file, of which this stand-in reads JSON alone."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))

    @classmethod
    def from_preset(cls, name: str) -> "CompileSettings":
        """Of a preset, whose values this stand-in does not know."""
        check_preset(name)
        return cls()
