"""A new key, everywhere it has to be."""
