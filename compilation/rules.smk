"""Stage 3: each part of a checkpoint, compiled for a target, and the hand-off folder."""


include: "openvino/rules.smk"
include: "qb/rules.smk"
include: "hand_off/rules.smk"
