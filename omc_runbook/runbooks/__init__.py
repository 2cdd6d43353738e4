"""One module a runbook: all that its notebook imports."""
