"""Who is notified of runs without a person: `[notify]` in runbook.toml."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from omc_runbook.model.findings import Topic
from omc_runbook.model.whole_number import WholeNumber

Receiver = Annotated[
    str, Field(pattern=r"^(env:\w+|file:\S.*|sns:arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+)$")
]
"""`env:NAME` or `file:PATH`, which hold an address of apprise's, or `sns:ARN`. Addresses contain tokens."""

_SNS = "sns:"


class Notify(BaseModel):
    """The receivers of messages, and when an open problem is mentioned again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    findings: tuple[Receiver, ...] = ()
    """Who hears of problems."""
    unknown: tuple[Receiver, ...] = ()
    """Who hears of runs that could not look, or not at everything."""
    remind_days: tuple[Annotated[WholeNumber, Field(gt=0)], ...] = (1, 7, 30)
    """After how many days a problem that stays open is mentioned again."""
    ping: str = Field(default="", pattern=r"^(env:\w+|file:\S.*)?$")
    """What holds an address that is called as a run begins (with /start), and as it ends (with /fail if it could not
    look), for a service that notices when runs stay away."""
    timeout: Annotated[WholeNumber, Field(gt=0, le=300)] = 10
    """How many seconds all messages of a run may take together."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody is to know of anything."""
        return not (self.findings or self.unknown or self.ping)

    @property
    def everybody(self) -> tuple[str, ...]:
        """All receivers, each once."""
        return tuple(dict.fromkeys((*self.findings, *self.unknown)))

    def receivers(self, topic: Topic) -> tuple[str, ...]:
        """Who hears of a topic, each once."""
        return tuple(dict.fromkeys(self.findings if topic == "findings" else self.unknown))


def sns_topics(receivers: Iterable[str]) -> tuple[str, ...]:
    """The ARNs of the SNS topics among receivers, each once."""
    return tuple(each.removeprefix(_SNS) for each in dict.fromkeys(receivers) if each.startswith(_SNS))
