"""The worlds that a sandbox starts from."""
