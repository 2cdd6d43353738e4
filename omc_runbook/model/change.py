"""One change made by a run, as outcome.json records it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was done (`action`) and to what; fields that do not apply are None."""

    key: str | None = None
    service: str | None = None
    action: str
    secret: str | None = None
    role: str | None = None
    policy: str | None = None
    task_definition: str | None = None
    file: str | None = None
    origin: str | None = None
    """Where the value comes from, or what the edit adds."""
    by: str | None = None
    """The program that made it."""
    version: str | None = None
    deployment: str | None = None
    environment: str | None = None

    @property
    def subject(self) -> str:
        """What was changed and where to find it, as the end of a sentence."""
        names = (self.key, self.service, self.role, self.task_definition, self.file, self.origin)
        locations = {"in version": self.version, "by deployment": self.deployment, "by policy": self.policy}
        name = next(filter(None, names), "the secret") + (f" in {self.environment}" if self.environment else "")
        return ", ".join((name, *(f"{words} {id}" for words, id in locations.items() if id)))

    def map_texts(self, change: Callable[[str], str], change_name: Callable[[str], str]) -> Change:
        """A copy with `change` applied to its free texts, and `change_name` to its key; the other fields are ids."""
        file, origin = (text if text is None else change(text) for text in (self.file, self.origin))
        return replace(self, key=self.key if self.key is None else change_name(self.key), file=file, origin=origin)

    def to_json(self) -> dict[str, str]:
        """The change as an object of outcome.json."""
        body = {name: value for name, value in asdict(self).items() if value is not None}
        if self.key is not None and self.file is not None:
            body["file"] = body.pop("file")
        return body

    def __str__(self) -> str:
        """The change in words, for a sentence."""
        return f"{self.action} {self.subject}"


class Tell(Protocol):
    """What takes changes that are in force, since the same moment."""

    def __call__(self, *changes: Change) -> None: ...


def tell_nobody(*changes: Change) -> None:
    """Take changes of which nobody is to know."""
