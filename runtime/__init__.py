"""How a Whisper is run: its two parts, their float graphs, and the sessions that run them."""

from common.foreign_packages import end_with_foreign_openvino

end_with_foreign_openvino()
