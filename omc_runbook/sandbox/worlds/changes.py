"""What has changed in a sandbox since its world was whole: what to restore."""

from __future__ import annotations

from dataclasses import dataclass

from omc_runbook.sandbox import control, folders


@dataclass(frozen=True)
class Changes:
    """The IAM actions of the calls that changed something; None where the world was never whole."""

    actions: frozenset[str] | None = None

    def include(self, *prefixes: str) -> bool:
        """Whether an action begins with one of some texts, such as "iam:" or "ecs:RunTask"."""
        return self.actions is None or any(action.startswith(prefixes) for action in self.actions)


ANYTHING = Changes()


def read(endpoint: str) -> Changes:
    """What has changed in the sandbox at an endpoint."""
    actions = control.ask(folders.at(endpoint), "GET", "note")["changes"]
    return ANYTHING if actions is None else Changes(frozenset(actions))


def forget(endpoint: str) -> None:
    """Take the sandbox's present world as unchanged."""
    control.ask(folders.at(endpoint), "POST", "note", {"restored": True})
