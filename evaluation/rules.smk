"""Stage 4: does the compiled model still hear."""


include: "quality/rules.smk"
include: "conditions/rules.smk"
include: "layers/rules.smk"
include: "speed/rules.smk"
include: "report/rules.smk"
