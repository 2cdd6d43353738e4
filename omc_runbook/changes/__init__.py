"""Changes: planned as pure data, shown without values, executed step by step and verified."""
