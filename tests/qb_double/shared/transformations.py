"""Configuration objects of what is done to weights, as of 1.1."""

from typing import ClassVar

from qbcompiler._double.configs import Apply, Learn
from qbcompiler._double.objects import Config


class EquivalentTransformationConfig(Config):
    """Changes of weights that leave the float model's results as they are."""

    class NormConv(Learn):
        pass

    class Qk(Apply):
        pass

    class Ud(Learn):
        smoothing_factor: float

    class Vo(Apply):
        pass

    class SpinR1(Apply):
        pass

    class SpinR2(Learn):
        pass

    class QkRotation(Apply):
        pass

    class FeedForwardMultiLut(Apply):
        pass

    class OptimizeFfn(Apply):
        ch_per_ffn: int

    class FlattenQuant(Learn):
        pass

    class HeadOutChRotation(Apply):
        matrix_path: str

    _aliases: ClassVar[dict[str, str]] = {
        **{"qk": "QK", "ud": "UD", "vo": "VO", "optimize_ffn": "OptimizeFFN"},
        **{"spin_r1": "SpinR1", "spin_r2": "SpinR2"},
    }
    norm_conv: NormConv
    qk: Qk
    ud: Ud
    vo: Vo
    spin_r1: SpinR1
    spin_r2: SpinR2
    qk_rotation: QkRotation
    feed_forward_multi_lut: FeedForwardMultiLut
    optimize_ffn: OptimizeFfn
    flatten_quant: FlattenQuant
    head_out_ch_rotation: HeadOutChRotation


class SearchWeightScaleConfig(Apply):
    """A search for the weights' scales."""

    class Transformer(Config):
        query: bool = False
        key: bool = False
        value: bool = False
        out: bool = False
        ffn: bool = False

    transformer: Transformer


class OptqConfig(Apply):
    """Weights by their Hessian, under its old name."""

    class Attributes(Config):
        act_order: bool
        block_size: int = 128
        perc_damp: float
        apply_layers: list[str]
        exclude_layers: list[str]

    attributes: Attributes
