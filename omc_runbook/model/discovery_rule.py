"""Which secrets belong to environments that no table names: `[discovery]` in runbook.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_ENVIRONMENT = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_TEXT = r"([^*{}]|\{project\})*"


class DiscoveryRule(BaseModel):
    """The `[discovery]` table: a pattern of secrets' names, or tags that they all have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secrets: str = Field(default="", pattern=rf"^({_TEXT}\*{_TEXT})?$")
    """A name with one *, which is the environment; {project} is replaced."""
    tags: dict[str, str] = {}
    """Tags by their keys, with {project} replaced in the values."""
    environment_tag: str = Field(default="Environment", min_length=1)
    """The key of the tag that has the environment's name, where `tags` find the secrets."""

    @model_validator(mode="after")
    def _is_one(self) -> DiscoveryRule:
        if bool(self.secrets) == bool(self.tags):
            raise PydanticCustomError("one_of", "must have either secrets, a name with one *, or the table tags")
        return self

    def name_prefix(self, project: str) -> str:
        """What the names of all these secrets begin with; "" for secrets that are found by tags."""
        return self.secrets.replace("{project}", project).partition("*")[0]

    def required_tags(self, project: str) -> Mapping[str, str]:
        """The tags that a secret needs; none for secrets that are found by name."""
        return {key: value.replace("{project}", project) for key, value in self.tags.items()}

    def environment_of(self, project: str, name: str, tags: Mapping[str, str]) -> str:
        """What a secret's environment is called, by its name or its tags; "" where it is no environment's."""
        if self.tags:
            tagged = self._tagged(project, tags)
            return tagged if _is_name(tagged) else ""
        prefix, _, suffix = map(re.escape, self.secrets.replace("{project}", project).partition("*"))
        match = re.fullmatch(f"{prefix}({_ENVIRONMENT}){suffix}", name)
        return match[1] if match else ""

    def unusable_name(self, project: str, tags: Mapping[str, str]) -> str:
        """What a tag calls a secret's environment where no environment can be called so; "" elsewhere."""
        tagged = self._tagged(project, tags)
        return "" if _is_name(tagged) else tagged

    def _tagged(self, project: str, tags: Mapping[str, str]) -> str:
        """What the tag of a secret with all the tags calls its environment; "" for other secrets."""
        required = self.required_tags(project)
        has_all = bool(required) and all(tags.get(key) == value for key, value in required.items())
        return tags.get(self.environment_tag, "") if has_all else ""


def _is_name(text: str) -> bool:
    return re.fullmatch(_ENVIRONMENT, text) is not None
