"""Configuration objects of 1.0, which have flat fields, and the functions that make them."""

from typing import Any

from qbcompiler._double.objects import Config


class FlatConfig(Config):
    """Base of those that are also made by `from_kwargs`."""

    @classmethod
    def from_kwargs(cls, **fields: Any) -> "FlatConfig":
        """The object with these fields."""
        return cls(**fields)


class CalibrationConfig(FlatConfig):
    """How ranges are found."""

    quantization_method: int
    quantization_output: int
    quantization_mode: int
    percentile: float
    topk_ratio: float


class BitConfig(FlatConfig):
    """How many bits."""

    query_weight_bits: int
    key_weight_bits: int
    value_weight_bits: int
    output_weight_bits: int
    ffn_weight_bits: int
    head_weight_bits: int
    activation_16bits: list[str]


class LlmConfig(FlatConfig):
    """Lengths and cache of a decoder."""

    llm_config_apply: bool
    max_data_length: int
    max_sequence_length: int
    max_cache_length: int
    max_core_data_length: int
    use_full_seq_length: bool
    batch_size: int
    npu_core_ids: list[int]


class QuantizationConfig(Config):
    """Ranges and bits together."""

    calibration: CalibrationConfig
    bit: BitConfig


class EquivalentTransformation(Config):
    """Changes of weights that leave the float model's results as they are."""

    qk_apply: bool
    ud_apply: bool
    ud_learn: bool
    vo_apply: bool
    spin_r1_apply: bool
    spin_r2_apply: bool
    norm_conv_apply: bool
    ff_multi_lut_apply: bool
    qk_rotation_apply: bool
    optimize_ffn_apply: bool
    head_out_ch_rotation_apply: bool
    head_out_ch_rotation_matrix_path: str


class SearchWeightScale(Config):
    """A search for the weights' scales."""

    apply: bool
    query: bool
    key: bool
    value: bool
    out: bool
    ffn: bool


class AdvancedQuantizationConfig(Config):
    """Both of the above together."""

    equivalent_transformation: EquivalentTransformation
    search_weight_scale: SearchWeightScale


def get_llm_config(**fields: Any) -> LlmConfig:
    """Lengths and cache of a decoder."""
    return LlmConfig(**fields)


def get_bit_config(**fields: Any) -> BitConfig:
    """How many bits."""
    return BitConfig(**fields)


def get_calibration_config(**fields: Any) -> CalibrationConfig:
    """How ranges are found: here `output` is what is `quantization_output` in the object."""
    short = ("method", "output", "mode")
    long = {f"quantization_{key}" if key in short else key: fields[key] for key in fields}
    return CalibrationConfig(**long)


def get_quantization_config(
    calibration: CalibrationConfig | None = None, bit: BitConfig | None = None
) -> QuantizationConfig:
    """Ranges and bits together."""
    return QuantizationConfig(**_given(calibration=calibration, bit=bit))


def get_equivalent_transformation_config(**fields: Any) -> EquivalentTransformation:
    """Changes of weights that leave the float model's results as they are."""
    return EquivalentTransformation(**fields)


def get_search_weight_scale_config(**fields: Any) -> SearchWeightScale:
    """A search for the weights' scales."""
    return SearchWeightScale(**fields)


def get_advanced_quantization_config(
    equivalent_transformation: EquivalentTransformation | None = None,
    search_weight_scale: SearchWeightScale | None = None,
) -> AdvancedQuantizationConfig:
    """Both of the above together."""
    given = _given(
        equivalent_transformation=equivalent_transformation, search_weight_scale=search_weight_scale
    )
    return AdvancedQuantizationConfig(**given)


def _given(**objects: Config | None) -> dict[str, Config]:
    return {name: one for name, one in objects.items() if one is not None}
