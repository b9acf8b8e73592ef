"""Stage 2: what each part of the model will see at run time, as files for a quantiser."""
