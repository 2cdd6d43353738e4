"""A name in runbook.toml that is not empty."""

from typing import Annotated

from pydantic import StringConstraints

NonEmpty = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Without the spaces around it, with which it would match nothing."""
