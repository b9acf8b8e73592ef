"""A micro Whisper trained on synthetic speech, and that speech in the layout of FLEURS."""
