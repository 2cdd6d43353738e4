"""What a run shows that the one before it did not: new problems, resolved ones, and those that stay open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from omc_runbook.model import json_text
from omc_runbook.model.findings import Finding, Outcome, Topic, merge_reads
from omc_runbook.model.letters import counted, on_one_line, printable
from omc_runbook.report.archive import summary

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
    """By receiver that later messages did not reach: what was open by the last message that it got."""
    checks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The ids of the checks that could not be made, by the name of what could not be looked at in part."""
    until: Mapping[str, datetime] = field(default_factory=dict)
    """Until when an audit could find the calls that a problem consists of; one of fewer days may not find them."""
    last_found: Mapping[str, datetime] = field(default_factory=dict)
    """When the last run ended that found it."""

    def heard_by(self, receiver: str) -> Open:
        """What was open by the last message that reached a receiver."""
        return self.missed_by.get(receiver, replace(self, missed_by={}))

    def to_json(self) -> dict[str, Any]:
        """For a record's metadata."""
        return {
            "since": _texts(self.since),
            "reminded": dict(self.reminded),
            "missed_by": {receiver: each.to_json() for receiver, each in self.missed_by.items()},
            "checks": {name: sorted(each) for name, each in self.checks.items()},
            "until": _texts(self.until),
            "seen": _texts(self.last_found),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Open:
        """What `to_json` wrote; raises ValueError, KeyError, TypeError or AttributeError for anything else."""
        since = _moments(body["since"])
        reminded = body["reminded"]
        # An earlier file has one number for all.
        by_name = dict.fromkeys(since, reminded) if isinstance(reminded, int) else reminded
        missed_by = {receiver: cls.from_json(each) for receiver, each in body.get("missed_by", {}).items()}
        # An earlier file has none.
        checks = {name: frozenset(map(str, each)) for name, each in body.get("checks", {}).items()}
        until, last_found = _moments(body.get("until", {})), _moments(body.get("seen", {}))
        return cls(since, {name: int(days) for name, days in by_name.items()}, missed_by, checks, until, last_found)


def _texts(moments: Mapping[str, datetime]) -> dict[str, str]:
    return {name: moment.isoformat(timespec="seconds") for name, moment in moments.items()}


def _moments(texts: Mapping[str, str]) -> dict[str, datetime]:
    return {name: json_text.moment(text) for name, text in texts.items()}


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
    incident: str = ""
    """What all messages on this topic, of this runbook's runs on an environment, have in common; "" where unknown."""
    tail: int = 0
    """How many of the last lines say what to do and where the record is: those that a shortened message keeps."""

    def with_record(self, address: str) -> Notice:
        """The same, and where the run's record is, if there is one."""
        line = printable(f"Record: {address}")
        return replace(self, lines=(*self.lines, line), tail=self.tail + 1) if address else self


@dataclass(frozen=True)
class _Unseen:
    """What could not be looked at: the ids of the checks that could not be made, by reason."""

    checks_by_reason: Mapping[str, frozenset[str]]
    head: str = ""

    @property
    def checks(self) -> frozenset[str]:
        """The ids of all checks that could not be made."""
        return frozenset[str]().union(*self.checks_by_reason.values())

    def beyond(self, checks: frozenset[str]) -> tuple[str, ...]:
        """The reasons that stand in the way of other checks than these."""
        return tuple(reason for reason, own in self.checks_by_reason.items() if not own <= checks)

    def sentence(self, without: Collection[str] = ()) -> str:
        """The reasons as one sentence, without some; "" where none is left."""
        reasons = (reason for reason in self.checks_by_reason if reason not in without)
        text = "; ".join(reason.rstrip(".") for reason in merge_reads(reasons, summary.MOST_CHECKS))
        return f"{self.head}{text}{'' if text.endswith('?') else '.'}" if text else ""


@dataclass(frozen=True)
class _Current:
    """What is open on a topic after a run, by its name."""

    sentences: Mapping[str, str]
    """A sentence on each; "" where `added` has all of it."""
    found: Collection[str]
    """Those that the run itself found."""
    accepted: Mapping[str, str] = field(default_factory=dict)
    """A sentence on each that is there and counts for nothing."""
    added: Mapping[str, str] = field(default_factory=dict)
    """A sentence on what is new of one that was open before."""
    checks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """See `Open.checks`."""
    ways: Sequence[str] = ()
    """What to do about it."""


def compare(
    outcome: Outcome, former: Standing, remind_days: Sequence[int], present: datetime | None = None
) -> tuple[tuple[Notice, ...], Standing]:
    """The messages that a run's outcome is worth, and what is open after it.

    `former` is what was open before. A change is worth a message, and so is what is open for one of `remind_days`.
    With the `present`, what another run found after this one looked is not resolved: it may be newer.
    """
    title, now = summary.title(outcome), outcome.finished
    roots = [finding for finding in outcome.findings if finding.is_unexplained]
    problems = {finding.identity: _sentence(finding) for finding in roots}
    ways = tuple(dict.fromkeys(way for finding in roots for way in finding.remedy.ways[:1]))
    before = former.get("findings", Open())
    # What is a consequence by now is not resolved; what was not looked at is neither resolved nor new, as are calls
    # that are too old for an audit of fewer days than the one that found them.
    consequences = {finding.identity: _sentence(finding) for finding in outcome.findings if finding.is_problem}
    stay = {
        name: consequences.get(name, name)
        for name in before.since
        if name not in problems
        and (
            _is_newer(name, before, outcome, present)
            or name in consequences
            or _is_unseen(name, outcome)
            or _found_until(name, outcome) < before.until.get(name, now)
        )
    }
    accepted = {finding.identity: finding.accepted for finding in outcome.findings if finding.accepted}
    blind, unseen = _what_is_unseen(outcome, former.get("unknown", Open()), present)
    current = _Current({**problems, **stay}, problems.keys() | consequences.keys(), accepted, ways=ways)
    results = (
        _compare("findings", title, before, current, now, remind_days),
        _compare("unknown", title, blind, unseen, now, remind_days),
    )
    until = {name: moment for name in problems if (moment := _found_until(name, outcome)) > now}
    until |= {name: before.until[name] for name in stay if name in before.until}
    standing: dict[Topic, Open] = {"findings": replace(results[0][1], until=until), "unknown": results[1][1]}
    return tuple(message for message, _ in results if message), standing


def open_after(outcomes: Iterable[Outcome]) -> Mapping[str, datetime]:
    """The problems that are open after runs of a runbook on an environment, the oldest first, and since when."""
    standing: Standing = {}
    for outcome in outcomes:
        _, standing = compare(outcome, standing, (), outcome.finished)
    return standing["findings"].since if standing else {}


def _compare(
    topic: Topic, title: str, former: Open, state: _Current, now: datetime, remind_days: Sequence[int]
) -> tuple[Notice | None, Open]:
    """The message on a topic, and what is open then."""
    current = state.sentences
    new = [name for name in current if name not in former.since or name in state.added]
    ended = [name for name in former.since if name not in current]
    # A clock that was ahead must not put reminders off.
    since = {name: min(former.since.get(name, now), now) for name in current}
    reached = {
        name: max((step for step in remind_days if step <= (now - moment).days), default=0)
        for name, moment in since.items()
    }
    due = [name for name, step in reached.items() if step > former.reminded.get(name, 0)]
    latest = {**former.last_found, **dict.fromkeys(state.found, now)}
    open_now = Open(
        since, reached, checks=state.checks, last_found={name: latest[name] for name in current if name in latest}
    )
    urgent = max(reached.values(), default=0) >= _URGENT_DAYS
    urgency: Urgency = "failure" if new or urgent else "warning" if current else "resolved"
    if not (new or ended or due):
        return None, replace(open_now, reminded={name: former.reminded.get(name, 0) for name in current})
    days = max(((now - since[name]).days for name in due), default=0)
    headline = _headline(topic, new, ended, current if new or ended else due, state.accepted, days)
    lines = tuple(map(printable, _lines(new, ended, state, since, now)))
    return Notice(topic, on_one_line(f"{title}: {headline}"), lines, urgency, tail=len(state.ways)), open_now


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
    new: Sequence[str], ended: Iterable[str], current: _Current, since: Mapping[str, datetime], now: datetime
) -> Iterator[str]:
    rest = {name: text for name, text in current.sentences.items() if name not in new or name in current.added}
    yield from (f"New: {current.added.get(name) or current.sentences[name]}" for name in new)
    for name, sentence in rest.items():
        if sentence:
            yield f"Open for {_days((now - since[name]).days)}: {sentence}"
    for name in ended:
        if environment := _environment(name):
            yield f"Can look again: {environment}"
        elif name not in (_UNSEEN, _PARTLY):
            yield f"{name}. {current.accepted[name]}" if name in current.accepted else f"Resolved: {name}"
    yield from (f"→ {way}" for way in current.ways)


def _days(number: int) -> str:
    return "less than a day" if number < 1 else counted(number, "day")


def _sentence(finding: Finding) -> str:
    title = f"{finding.check}: {finding.title}"
    return f"{title} — {finding.subject}" if finding.subject else title


def _what_is_unseen(outcome: Outcome, former: Open, present: datetime | None) -> tuple[Open, _Current]:
    """What could not be looked at before, by the names that it has now, and what cannot be by now."""
    unseen = _unseen(outcome)
    former = _aligned(former, unseen)
    checks = {name: each.checks for name, each in unseen.items() if name.partition(": ")[0] == _PARTLY}
    sentences = {name: each.sentence() for name, each in unseen.items()}
    added = {}
    for name, own in checks.items():
        if new := unseen[name].beyond(former.checks.get(name, own)):
            known = [reason for reason in unseen[name].checks_by_reason if reason not in new]
            added[name], sentences[name] = unseen[name].sentence(known), unseen[name].sentence(new)
    if outcome.is_of_several:
        # What it did not look at by now, it still may not be able to.
        read = {"", *_environments_read(outcome)}
        former_names = {name: _environment(name) for name in former.since if name not in unseen}
        absent = {name: each for name, each in former_names.items() if each not in read}
        sentences |= {name: f"{each}: not looked at." for name, each in absent.items()}
        checks |= {name: own for name, own in former.checks.items() if name in absent}
    newer = [name for name in former.since if _is_newer(name, former, outcome, present)]
    sentences = {**dict.fromkeys(newer, ""), **sentences}
    checks |= {name: own | checks.get(name, frozenset()) for name, own in former.checks.items() if name in newer}
    return former, _Current(sentences, unseen.keys(), added=added, checks=checks)


def _unseen(outcome: Outcome) -> dict[str, _Unseen]:
    """What could not be looked at, by its name; each of several environments is one."""
    findings = [each for each in outcome.findings if each.status == "unknown"]
    if not outcome.is_of_several:
        return _unseen_under(_UNSEEN if outcome.failure else _PARTLY, outcome.failure, findings)
    by_environment = {name: list[Finding]() for name in ("", *(each.environment for each in outcome.targets))}
    for finding in findings:
        by_environment.setdefault(finding.subject.partition(": ")[0], []).append(finding)
    # Which environments were not read, their own findings say.
    failure = "" if outcome.unread else outcome.failure
    unseen = _unseen_under(_UNSEEN, failure, by_environment.pop(""))
    for name, own in by_environment.items():
        kind = _UNSEEN if name in outcome.unread else _PARTLY
        unseen |= _unseen_under(f"{kind}: {name}", "", own, f"{name}: ")
    return unseen


def _unseen_under(name: str, failure: str, findings: Iterable[Finding], head: str = "") -> dict[str, _Unseen]:
    """What could not be looked at under its name; nothing where nothing stood in the way."""
    by_reason: dict[str, frozenset[str]] = {failure: frozenset()} if failure else {}
    for finding in findings:
        for line in finding.evidence:
            reason = line.removeprefix(head)
            by_reason[reason] = by_reason.get(reason, frozenset()) | {finding.check}
    return {name: _Unseen(by_reason, head)} if by_reason else {}


def _aligned(former: Open, current: Collection[str]) -> Open:
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


def _environment(name: str) -> str:
    """The environment that could not be looked at by this name; "" for another name."""
    head, _, environment = name.partition(": ")
    return environment if head in (_UNSEEN, _PARTLY) else ""


def _is_unseen(name: str, outcome: Outcome) -> bool:
    """Whether a run did not make the check of a former problem, so that it may still be there."""
    check, _, subject = name.partition(": ")
    findings = [finding for finding in outcome.findings if finding.check == check]
    if not findings and any(each.status == "clear" for each in outcome.findings):
        # Each check that was made is among them: this one needs what the run did not have, such as a checkout.
        return True
    if outcome.is_of_several:
        # What is clear in the other environments says nothing of one that was not looked at.
        environment = subject.partition(": ")[0]
        # The finding of a check that all skipped names no environment.
        own = [each for each in findings if f"{each.subject or environment}: ".startswith(f"{environment}: ")]
        is_open = any(each.status in ("unknown", "skipped") for each in own)
        return is_open or environment not in _environments_read(outcome)
    statuses = {finding.status for finding in findings}
    return bool(statuses & {"unknown", "skipped"}) or (bool(outcome.failure) and "clear" not in statuses)


def _is_newer(name: str, former: Open, outcome: Outcome, present: datetime | None) -> bool:
    """Whether another run found it after this one looked; a clock that was ahead says nothing."""
    last_found = former.last_found.get(name)
    return (
        last_found is not None
        and present is not None
        and outcome.known_since < last_found <= max(present, outcome.finished)
    )


def _found_until(name: str, outcome: Outcome) -> datetime:
    """Until when an audit of as many days could find the calls that this one found; its own end for other problems."""
    if not outcome.days:
        return outcome.finished
    from omc_runbook.report.audit_accesses import looks_back

    return outcome.finished + looks_back(name.partition(":")[0], outcome.days)


def _environments_read(outcome: Outcome) -> frozenset[str]:
    """The environments of which a run on several knows something."""
    return frozenset(each.environment for each in outcome.targets if each.status != "failed") - outcome.unread
