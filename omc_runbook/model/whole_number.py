"""A whole number in runbook.toml."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _refuse_truth(value: object) -> object:
    """Refuse true and false, which pydantic reads as 1 and 0: `keep_days = true` would remove what is a day old."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "a whole number")
    return value


WholeNumber = Annotated[int, BeforeValidator(_refuse_truth)]
MOST_DAYS = 365_000
"""A thousand years: a moment so long before now is still a date, and some 2,000 years before now none is."""
MOST_MINUTES = MOST_DAYS * 24 * 60
