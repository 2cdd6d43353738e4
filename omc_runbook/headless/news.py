"""What a run shows that the one before it did not: new problems, resolved ones, and those that stay open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from omc_runbook.model import json_text
from omc_runbook.model.findings import Finding, Outcome, Topic, unknown_reasons
from omc_runbook.model.letters import on_one_line, printable
from omc_runbook.report.archive import summary
from omc_runbook.report.fleet import FLEET, UNREAD

Urgency = Literal["resolved", "warning", "failure"]

_UNSEEN, _PARTLY = "unseen", "unseen in part"
"""How what could not be looked at is called, and what was looked at without making all checks."""
_URGENT_DAYS = 7


@dataclass(frozen=True)
class Open:
    """What is open on one topic, by its name: since when, and for which number of days a reminder was made."""

    since: Mapping[str, datetime] = field(default_factory=dict)
    reminded: Mapping[str, int] = field(default_factory=dict)
    missed_by: Mapping[str, Open] = field(default_factory=dict)
    """What was open by the last message that they got, for receivers that later ones did not reach."""

    def heard_by(self, receiver: str) -> Open:
        """What was open by the last message that reached a receiver."""
        return self.missed_by.get(receiver, replace(self, missed_by={}))

    def to_json(self) -> dict[str, Any]:
        """For a record's metadata."""
        return {
            "since": {name: moment.isoformat(timespec="seconds") for name, moment in self.since.items()},
            "reminded": dict(self.reminded),
            "missed_by": {receiver: each.to_json() for receiver, each in self.missed_by.items()},
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Open:
        """What `to_json` wrote; raises ValueError, KeyError, TypeError or AttributeError for anything else."""
        since = {name: json_text.moment(text) for name, text in body["since"].items()}
        reminded = body["reminded"]
        # An earlier file has one number for all.
        by_name = dict.fromkeys(since, reminded) if isinstance(reminded, int) else reminded
        missed_by = {receiver: cls.from_json(each) for receiver, each in body.get("missed_by", {}).items()}
        return cls(since, {name: int(days) for name, days in by_name.items()}, missed_by)


Standing = Mapping[Topic, Open]
"""What is open after a run, by topic."""


@dataclass(frozen=True)
class Notice:
    """A message without values; its title may be shown on a locked phone."""

    topic: Topic
    title: str
    lines: tuple[str, ...]
    urgency: Urgency
    only_to: str = ""
    """Which receiver of its topic alone gets it; "" for all."""


def compare(outcome: Outcome, former: Standing, remind_days: Sequence[int]) -> tuple[tuple[Notice, ...], Standing]:
    """The messages that a run's outcome is worth, and what is open after it.

    `former` is what was open before. A change is worth a message, and so is what is open for one of `remind_days`.
    """
    title, now = summary.title(outcome), outcome.finished
    problems = {name_of(finding): _sentence(finding) for finding in outcome.findings if finding.is_unexplained}
    before = former.get("findings", Open())
    # What is a consequence by now is not resolved; what was not looked at is neither resolved nor new.
    consequences = {name_of(finding): _sentence(finding) for finding in outcome.findings if finding.is_problem}
    stay = {
        name: consequences.get(name, name)
        for name in before.since
        if name not in problems and (name in consequences or _is_unseen(name, outcome))
    }
    unseen = _unseen(outcome)
    blind = _aligned(former.get("unknown", Open()), unseen)
    if outcome.runbook == FLEET:
        # What it did not look at by now, it still may not be able to.
        read = {"", *_environments_read(outcome)}
        former_names = {name: _environment(name) for name in blind.since if name not in unseen}
        unseen |= {name: f"{each}: not looked at." for name, each in former_names.items() if each not in read}
    accepted = {name_of(finding): finding.accepted for finding in outcome.findings if finding.accepted}
    results = (
        _compare("findings", title, before, {**problems, **stay}, accepted, now, remind_days),
        _compare("unknown", title, blind, unseen, {}, now, remind_days),
    )
    standing: dict[Topic, Open] = {"findings": results[0][1], "unknown": results[1][1]}
    return tuple(message for message, _ in results if message), standing


def open_after(outcomes: Iterable[Outcome]) -> Mapping[str, datetime]:
    """The problems that are open after runs of a runbook on an environment, the oldest first, and since when."""
    standing: Standing = {}
    for outcome in outcomes:
        _, standing = compare(outcome, standing, ())
    return standing["findings"].since if standing else {}


def _compare(
    topic: Topic,
    title: str,
    former: Open,
    current: Mapping[str, str],
    accepted: Mapping[str, str],
    now: datetime,
    remind_days: Sequence[int],
) -> tuple[Notice | None, Open]:
    """The message on a topic, and what is open then.

    `current` has a sentence on what is open, and `accepted` one on what is there and counts for nothing, by its name.
    """
    new = [name for name in current if name not in former.since]
    ended = [name for name in former.since if name not in current]
    # A clock that was ahead must not put reminders off.
    since = {name: min(former.since.get(name, now), now) for name in current}
    reached = {
        name: max((step for step in remind_days if step <= (now - moment).days), default=0)
        for name, moment in since.items()
    }
    due = [name for name, step in reached.items() if step > former.reminded.get(name, 0)]
    urgent = max(reached.values(), default=0) >= _URGENT_DAYS
    urgency: Urgency = "failure" if new or urgent else "warning" if current else "resolved"
    if not (new or ended or due):
        return None, Open(since, {name: former.reminded.get(name, 0) for name in current})
    days = max(((now - since[name]).days for name in due or current), default=0)
    headline = _headline(topic, new, ended, current if new or ended else due, accepted, days)
    lines = tuple(map(printable, _lines(new, ended, current, accepted, since, now)))
    return Notice(topic, on_one_line(f"{title}: {headline}"), lines, urgency), Open(since, reached)


def _headline(
    topic: Topic,
    new: Sequence[str],
    ended: Sequence[str],
    current: Collection[str],
    accepted: Mapping[str, str],
    days: int,
) -> str:
    if topic == "unknown":
        if ended and current and not new:
            return f"can look again at {len(ended)}, still not at {len(current)}"
        return "can look again" if not current else "could not look" if new else f"could not look for {_days(days)}"
    checks = ", ".join(dict.fromkeys(name.partition(":")[0] for name in (new or current)))
    resolved = [name for name in ended if name not in accepted]
    end, number = ("resolved", len(resolved)) if resolved else ("accepted", len(ended))
    if not current:
        return end
    if new:
        return f"new: {checks}" if len(current) > len(new) else checks
    return f"{number} {end}, still {checks}" if ended else f"open for {_days(days)}: {checks}"


def _lines(
    new: Iterable[str],
    ended: Iterable[str],
    current: Mapping[str, str],
    accepted: Mapping[str, str],
    since: Mapping[str, datetime],
    now: datetime,
) -> Iterator[str]:
    first = set(new)
    yield from (f"New: {current[name]}" for name in new)
    for name, sentence in current.items():
        if name not in first:
            yield f"Open for {_days((now - since[name]).days)}: {sentence}"
    for name in ended:
        if environment := _environment(name):
            yield f"Can look again: {environment}"
        elif name not in (_UNSEEN, _PARTLY):
            yield f"{name}. {accepted[name]}" if name in accepted else f"Resolved: {name}"


def _days(number: int) -> str:
    return "less than a day" if number < 1 else "1 day" if number == 1 else f"{number} days"


def name_of(finding: Finding) -> str:
    """What a problem is known by from run to run: its check and subject."""
    return f"{finding.check}: {finding.subject}"


def _sentence(finding: Finding) -> str:
    return (
        f"{finding.check}: {finding.title} — {finding.subject}"
        if finding.subject
        else f"{finding.check}: {finding.title}"
    )


def _unseen(outcome: Outcome) -> dict[str, str]:
    """What could not be looked at, by its name, with the reasons; each environment of a fleet is one."""
    findings = [each for each in outcome.findings if each.status == "unknown"]
    if outcome.runbook != FLEET:
        kind = _UNSEEN if outcome.failure else _PARTLY
        return _with_reasons(kind, (outcome.failure, *unknown_reasons(findings)))
    by_environment = {name: list[Finding]() for name in ("", *(each.environment for each in outcome.targets))}
    for finding in findings:
        by_environment.setdefault(finding.subject.partition(": ")[0], []).append(finding)
    # Which environments were not read, their own findings say.
    failure = "" if any(each.check == UNREAD for each in findings) else outcome.failure
    unseen = _with_reasons(_UNSEEN, (failure, *unknown_reasons(by_environment.pop(""))))
    for name, own in by_environment.items():
        head, kind = f"{name}: ", _UNSEEN if any(each.check == UNREAD for each in own) else _PARTLY
        unseen |= _with_reasons(f"{kind}: {name}", (each.removeprefix(head) for each in unknown_reasons(own)), head)
    return unseen


def _aligned(former: Open, current: Mapping[str, str]) -> Open:
    """What could not be looked at before, by the names that it has now.

    What can be looked at in part by now is not new, and what cannot be looked at at all any more is.
    """
    since, reminded = dict(former.since), dict(former.reminded)
    for name in former.since:
        kind, *environment = name.split(": ", 1)
        other = ": ".join((_PARTLY if kind == _UNSEEN else _UNSEEN, *environment))
        if other in current and name not in current:
            moment, days = since.pop(name), reminded.pop(name, 0)
            if kind == _UNSEEN:
                since[other], reminded[other] = moment, days
    return replace(former, since=since, reminded=reminded)


def _with_reasons(name: str, reasons: Iterable[str], head: str = "") -> dict[str, str]:
    sentences = [each.rstrip(".") for each in reasons if each]
    return {name: f"{head}{'; '.join(sentences)}."} if sentences else {}


def _environment(name: str) -> str:
    """The environment that could not be looked at by this name; "" for another name."""
    head, _, environment = name.partition(": ")
    return environment if head in (_UNSEEN, _PARTLY) else ""


def _is_unseen(name: str, outcome: Outcome) -> bool:
    """Whether a run did not make the check of a former problem, so that it may still be there."""
    check, _, subject = name.partition(": ")
    findings = [finding for finding in outcome.findings if finding.check == check]
    if outcome.runbook == FLEET:
        # What is clear in the other environments says nothing of one that was not looked at.
        environment = subject.partition(": ")[0]
        own = [each for each in findings if f"{each.subject}: ".startswith(f"{environment}: ")]
        return environment not in _environments_read(outcome) or any(each.status == "unknown" for each in own)
    statuses = {finding.status for finding in findings}
    return bool(statuses & {"unknown", "skipped"}) or (bool(outcome.failure) and "clear" not in statuses)


def _environments_read(outcome: Outcome) -> frozenset[str]:
    """The environments of which a run of fleet knows something."""
    unread = {finding.subject for finding in outcome.findings if finding.check == UNREAD}
    return frozenset(each.environment for each in outcome.targets if each.status != "failed") - unread
