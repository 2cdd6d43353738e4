"""What a headless run and its notebook tell each other by: variables that name files, and the mark of a failure."""

OUTCOME_VARIABLE = "OMC_RUNBOOK_OUTCOME"
"""Names the file into which a run under `omc-runbook run` writes its outcome instead of raising it."""
LINES_VARIABLE = "OMC_RUNBOOK_LINES"
"""Names the file through which `omc-runbook run` hears of events while the notebook runs."""
FAILED = "✗"
"""Marks the line that tells why a change failed."""
