"""Findings that runbook.toml accepts: `[[accepted]]`, each with its reason and the date until which it holds."""

from __future__ import annotations

import re
from datetime import date
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from omc_runbook.model.non_empty import NonEmpty


class Accepted(BaseModel):
    """One `[[accepted]]` entry: the findings of a check about a subject, in which * stands for any characters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: NonEmpty
    subject: NonEmpty = "*"
    reason: str = Field(pattern=r"\S")
    until: date | None = None
    """The last day on which it holds, in UTC; None for no end."""
    environment: str = Field(default="", pattern=r"^(\S(.*\S)?)?$")
    """The one environment that it is about; "" for all. White space alone would be none of them."""

    @field_validator("until", mode="before")
    @classmethod
    def _refuse_moments(cls, value: object) -> object:
        """Refuse date-times, which may be another day in UTC, and numbers, which would be dates in 1970."""
        is_text = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip())
        if value is None or type(value) is date or is_text:
            return value
        raise PydanticCustomError("date_type", "a date")

    @property
    def title(self) -> str:
        """Its check and subject."""
        return self.check if self.subject == "*" else f"{self.check} {self.subject}"

    @property
    def sentence(self) -> str:
        """Until when and why."""
        until = f" until {self.until:%Y-%m-%d}" if self.until else ""
        return f"Accepted{until}: {self.reason.strip().rstrip('.')}."

    def covers(self, check: str, subject: str) -> bool:
        """Whether it is about a finding."""
        # Square brackets mean themselves: only * is special.
        pattern = self.subject.replace("[", "[[]").replace("?", "[?]")
        return check == self.check and fnmatchcase(subject, pattern)

    def holds_on(self, day: date) -> bool:
        """Whether its date has not passed."""
        return self.until is None or day <= self.until
