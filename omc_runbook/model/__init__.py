"""Words that every part of the package shares: errors, findings, the names of an environment, its keys."""
