"""Target cpu: each part's float graph made int8 by NNCF."""

from common.foreign_packages import end_with_foreign_openvino

end_with_foreign_openvino()
