"""What do float and compiled parts make of clips: texts, by transformers' own `generate`."""
