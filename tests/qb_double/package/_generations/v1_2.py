"""1.2: one compiler for ARIES and REGULUS, so the device to compile for is named."""

from qbcompiler._double.objects import KEPT

TARGETS = ("regulus-ra", "aries-rb", "regulus-rb")
CHANGES = {
    "mblt_compile": {"mblt_save_path": KEPT, "target_device": str},
    "mxq_compile": {"model": KEPT, "target_device": str},
}
