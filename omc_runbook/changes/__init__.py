"""Changes to a secret: planned as pure data, shown without values, applied by the only writer, and proved."""
