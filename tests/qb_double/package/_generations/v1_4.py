"""1.4: biases are corrected by default, in another way; several sizes in one file; Hessian solvers."""

from typing import Any, Literal

from qbcompiler._double.objects import GONE, KEPT, OBJECT
from qbcompiler._generations.v1_1 import LAYERS

SIZES = {"multi_shape": dict[str, dict[str, Any]] | None}
SOLVERS = Literal["symmetric", "asymmetric_causal", "asymmetric_refit"]
CHANGES = {
    "mblt_compile": {"model_part_options": KEPT, **SIZES},
    "mxq_compile": {
        "layer_bias_correction": GONE,
        "bias_correction": True,
        "model_part_options": KEPT,
        **SIZES,
        "layer_bias_correction_config": GONE,
        "bias_correction_config": OBJECT,
    },
    "HessianQuantConfig": {
        "solver": (SOLVERS, "symmetric"),
        "rescomp": False,
        "attributes": {"alpha": float},
    },
    "LayerBiasCorrectionConfig": GONE,
    "BiasCorrectionConfig": {"apply": True, "attributes": LAYERS},
    "ResourceManagementConfig": {"gpu_memory_budget_mb": -1, "use_gpu_only_for_calibration": GONE},
}
