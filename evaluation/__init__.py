"""Stage 4: does the compiled model still hear."""

from common.foreign_packages import end_with_foreign_openvino

end_with_foreign_openvino()
