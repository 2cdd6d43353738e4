"""Findings of checks, with evidence and remedy, and the outcome of a run."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from omc_runbook.model import json_text
from omc_runbook.model.change import Change
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import listed
from omc_runbook.model.parameters import names_in
from omc_runbook.model.shell import command

Severity = Literal["error", "warning", "info"]
Status = Literal["found", "clear", "unknown", "skipped"]
OutcomeStatus = Literal["ok", "findings", "unknown", "failed"]
Topic = Literal["findings", "unknown"]
"""What a notification is about: problems that were found, or checks that could not be made."""

COMMAND = "omc-runbook "
"""How a line begins that is to be pasted."""
VERIFY = "verify"
"""The runbook that fleet runs on each environment."""
FLEET = "fleet"
"""The runbook that looks at several environments: its outcome's `targets` say at which."""
ENVIRONMENT_UNREAD = "environment-unread"
"""The id of a fleet's finding of an environment of which nothing is known."""
AUDIT = "audit"
"""The runbook whose one record has the findings on all its environments."""
EXIT_CODES: dict[OutcomeStatus, int] = {"ok": 0, "findings": 1, "unknown": 2, "failed": 2}


@dataclass(frozen=True)
class Remedy:
    """What to do about a finding: a runbook with its parameters, a shell command, or both."""

    command: str = ""
    runbook: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    runbook_needs: str = ""
    """What the runbook alone needs, such as a file with a value, in sentences; "" for nothing."""
    command_needs: str = ""
    """What the command needs first, such as another file, in sentences; "" for nothing."""
    order: str = ""
    """What must be fixed before, in a sentence; "" for nothing."""

    @property
    def needs(self) -> str:
        """All that a person has to know first."""
        return " ".join(filter(None, (self.runbook_needs, self.command_needs, self.order)))

    @property
    def by_hand(self) -> Remedy:
        """The same without its runbook."""
        return replace(self, runbook="", parameters={}, runbook_needs="")

    def needing(self, *sentences: str) -> Remedy:
        """A copy whose command needs what these sentences say too; empty ones are left out."""
        return replace(self, command_needs=" ".join(filter(None, (self.command_needs, *sentences))))

    @property
    def invocation(self) -> str:
        """The command that runs the runbook, which only plans without `-p apply true`; "" where there is no runbook."""
        options = (word for name, value in self.parameters.items() for word in ("-p", name, value))
        return command("omc-runbook", "run", self.runbook, *options) if self.runbook else ""

    @property
    def ways(self) -> tuple[str, ...]:
        """The commands, the runbook's first."""
        return tuple(filter(None, (self.invocation, self.command)))

    def map_texts(self, change: Callable[[str], str], change_name: Callable[[str], str]) -> Remedy:
        """A copy with `change` applied to its texts, and `change_name` to its parameters."""
        return Remedy(
            command=change(self.command),
            runbook=self.runbook,
            parameters={name: change_name(value) for name, value in self.parameters.items()},
            runbook_needs=change(self.runbook_needs),
            command_needs=change(self.command_needs),
            order=change(self.order),
        )


NO_REMEDY = Remedy()

NO_OUTCOME = "The run ended without an outcome: run verify to check the environment."
"""The failure of a run that broke off before it could say how it ended."""

_REVISION = re.compile(r"((?:^|: )[\w-]+):\d+(?= )")
"""A task definition and its revision: a subject's beginning, or after the environment where there are several."""
_FAILED_READ = re.compile(r"Could not read (.+?): (.+)", re.DOTALL)
_NO_ANSWER = re.compile(r"AWS cannot be reached: ([\w-]+:\w+) has no answer(?: from ([\w-]+))?\. (.+)", re.DOTALL)
_ENDPOINT = re.compile(r'(?: on| from| to the)? endpoint URL: "[^"]*"')
_SENTENCE = re.compile(r"(?:[A-Z][A-Za-z]*|\S+ is) .*\.", re.DOTALL)


def is_sentence(way: str) -> bool:
    """Whether a remedy is a sentence, and not a command."""
    return _SENTENCE.fullmatch(way) is not None


def as_one(ways: Sequence[str]) -> str:
    """Several ways, one after another, as one: a command, or sentences where one of them is a sentence."""
    if not any(map(is_sentence, ways)):
        return " && ".join(ways)
    return " ".join(each if is_sentence(each) else f"Run `{each}`." for each in ways)


def is_for_one(environment: str, way: str, runbook: str = FLEET) -> str:
    """That a remedy of a finding on several environments is for this one, and where those for the others are."""
    this, own = ("This", "says what to do there") if is_sentence(way) else ("This command", "has its own")
    others = "the record has those for the others" if runbook == AUDIT else f"each other environment's record {own}"
    return f"{this} is for {environment}; {others}."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check's result for one subject; `check` is the fault's stable id."""

    check: str
    family: str
    title: str
    status: Status
    subject: str = ""
    severity: Severity = "error"
    evidence: tuple[str, ...] = ()
    remedy: Remedy = NO_REMEDY
    services: frozenset[str] = frozenset()
    """Names of the ECS services whose tasks the finding affects."""
    hindered_by: tuple[str, ...] | None = None
    """What its own evidence leaves as causes, of what faults do to tasks; None for all that its check has."""
    stems_from: frozenset[str] = frozenset()
    """The subjects of errors that are its causes too, by its own evidence."""
    unrelated: frozenset[str] = frozenset()
    """Ids of the checks whose findings are neither its causes nor its consequences, by its own evidence."""
    cause_of: tuple[str, ...] = ()
    because_of: tuple[str, ...] = ()
    unread_causes: tuple[str, ...] = ()
    """Ids of the checks that could cause it and are unknown, where nothing that was found does."""
    accepted: str = ""
    """Until when and why runbook.toml accepts it, in a sentence; "" where it does not."""

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong: found, with a severity above info, and not accepted."""
        return self.status == "found" and self.severity != "info" and not self.accepted

    @property
    def is_unexplained(self) -> bool:
        """Whether it is a problem and no consequence of another finding: a root cause, or its cause was not read."""
        return self.is_problem and not self.because_of

    @property
    def is_root_cause(self) -> bool:
        """Whether it is a problem and no consequence, as far as all that could cause it was read."""
        return self.is_unexplained and not self.unread_causes

    @property
    def identity(self) -> str:
        """What identifies it from run to run: its check and its subject without the task definition's revision."""
        subject = _REVISION.sub(r"\1", self.subject)
        return f"{self.check}: {subject}"

    @property
    def sentence(self) -> str:
        """What is wrong with what, as a sentence."""
        return f"{self.title}: {self.subject}." if self.subject else f"{self.title}."

    @property
    def is_from_before(self) -> bool:
        """Whether it is a remark only because it existed before the run: see as_before."""
        return self.status == "found" and not self.accepted and _BEFORE in self.evidence

    @property
    def effects(self) -> str:
        """What it causes, in a sentence; "" for nothing."""
        return f"It causes {', '.join(self.cause_of)}." if self.cause_of else ""

    @property
    def doubt(self) -> str:
        """Which checks that are unknown may be its cause, in a sentence; "" where it is none's consequence."""
        if not self.unread_causes:
            return ""
        return f"Its cause may be what could not be read: {', '.join(self.unread_causes)}."


@dataclass(frozen=True)
class Notification:
    """A notification of a run: to whom, about what, and why it was not delivered ("" where it was).

    `is_memory` says that it is no message: the receiver is the place of the records, and the failure concerns what the
    next run compares itself with there.
    """

    receiver: str
    topic: Topic
    failure: str = ""
    is_memory: bool = False

    @property
    def sentence(self) -> str:
        """That it was not delivered, and why."""
        return f"{'' if self.is_memory else 'Not delivered to '}{self.receiver}: {self.failure}"


@dataclass(frozen=True, kw_only=True)
class TargetOutcome:
    """How a run ended on one of its environments."""

    environment: str
    account: str
    region: str
    endpoint: str
    status: OutcomeStatus


@dataclass(frozen=True)
class PlanReference:
    """A plan's file: its hash, and the ARNs of who made the plan and who ran it."""

    hash: str
    planned_by: str
    run_by: str


_BEFORE = "It existed before this run."

REFUSED = "Refused until this is fixed:"
"""What stands before each reason why a plan may not be applied."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a runbook's run ended; written as outcome.json. Of several environments, its fields mean the first."""

    runbook: str
    environment: str
    account: str
    region: str
    endpoint: str
    started: datetime
    finished: datetime
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    failure: str = ""
    where: str = ""
    """What the run was about, in words, if not the environment."""
    plan: tuple[str, ...] | None = None
    """The planned changes, one sentence each, without values; None for a runbook that changes nothing."""
    blockers: tuple[str, ...] = ()
    """Why applying the plan would be refused, one sentence each; empty where it may be applied."""
    notes: tuple[str, ...] = ()
    """What to know of the plan, or why there is none, one sentence each."""
    left_out: tuple[str, ...] = ()
    """Those notes that say what was asked for and not done, of a plan that was applied."""
    plan_file: PlanReference | None = None
    """The file that the plan was written to, or came from; None without one."""
    applied: bool = False
    """Whether the plan was applied; in a run that broke off, whether that was begun: `failure` says how far it came."""
    confirm: str = ""
    """The word that applying the plan needs in the parameter `confirm`; "" for none."""
    unfinished: bool = False
    """Whether another change of the environment was not finished, as the run began."""
    days: int = 0
    """Of how many days an audit looked at calls; 0 for another runbook."""
    targets: tuple[TargetOutcome, ...] = ()
    """Each environment with its own status; none for a run on a developer's machine."""
    notifications: tuple[Notification, ...] = ()
    """The messages that the run sent, or could not send."""

    @property
    def status(self) -> OutcomeStatus:
        """Status of the whole run: "failed", else what its findings say; a plan that is refused is never "ok"."""
        return "failed" if self.failure else status_of(self.findings, is_refused=bool(self.blockers))

    @property
    def is_of_several(self) -> bool:
        """Whether the subject of each finding begins with its environment, as of a fleet, or an audit of several."""
        return self.runbook == FLEET or (self.runbook == AUDIT and bool(self.where))

    @property
    def unread(self) -> frozenset[str]:
        """The environments of which nothing is known, while others were looked at."""
        return frozenset(each.subject for each in self.findings if each.check == ENVIRONMENT_UNREAD)

    @property
    def of_read(self) -> Outcome:
        """The same without the environments of which nothing is known; itself where that is none or all of them."""
        unread = self.unread
        targets = tuple(each for each in self.targets if each.environment not in unread)
        if not (unread and targets):
            return self
        findings = tuple(each for each in self.findings if each.check != ENVIRONMENT_UNREAD)
        where = listed([each.environment for each in targets])
        return replace(self, failure="", findings=findings, targets=targets, where=where)

    @property
    def known_since(self) -> datetime:
        """From when on what it found is known to be so: since its beginning, or its end where it changed something."""
        return self.finished if self.applied else self.started

    @property
    def is_plan(self) -> bool:
        """Whether the run planned changes and did not make them."""
        return bool(self.plan) and not self.applied and not self.failure

    @property
    def can_be_applied(self) -> bool:
        """Whether it is a plan that would not be refused."""
        return self.is_plan and not self.blockers

    def applied_by(self, command: str) -> str:
        """What applies the plan: `command`, or one that a note of a rotation has instead, which changes a database too.

        Others may plan more than that one changes; and a plan's file is applied exactly, or not at all. What `command`
        says beyond the note's, such as what to do on failure or where the record goes, stays.
        """
        noted = self.noted_command
        return _with_parameters(noted, command) if noted else command

    @property
    def noted_command(self) -> str:
        """The command that a note of a rotation has instead of the run's own; "" for none."""
        noted = self.notes if self.runbook == "rotate" and not self.plan_file else ()
        return next((each for each in noted if each.startswith(COMMAND)), "")

    @property
    def exit_code(self) -> int:
        """The exit code of `omc-runbook run`: 0, 1 or 2."""
        return EXIT_CODES[self.status]

    @property
    def root_causes(self) -> tuple[str, ...]:
        """Ids of the checks that found a root cause, without duplicates, in order."""
        return check_ids(finding for finding in self.findings if finding.is_root_cause)

    @property
    def causes_in_words(self) -> str:
        """The root causes' ids, and those of problems whose cause is unknown, said to be so; "" for none."""
        unsure = check_ids(finding for finding in self.findings if finding.is_unexplained and finding.unread_causes)
        open_ids = [check for check in unsure if check not in self.root_causes]
        return ", ".join((*self.root_causes, *(f"{check} for an unknown cause" for check in open_ids)))

    def to_json(self) -> str:
        """Write the outcome as the JSON text of outcome.json (schema 1)."""
        body: dict[str, object] = {
            "schema": 1,
            "runbook": self.runbook,
            "environment": self.environment,
            "account": self.account,
            "region": self.region,
            "endpoint": self.endpoint,
            "started": _stamp(self.started),
            "finished": _stamp(self.finished),
            "status": self.status,
            "root_causes": self.root_causes,
            "findings": [_finding_as_json(finding) for finding in self.findings],
            "changes": [change.to_json() for change in self.changes],
        }
        if self.plan is not None:
            body |= {"applied": self.applied, "plan": self.plan}
        body |= _without_empty(
            blockers=self.blockers,
            notes=self.notes,
            left_out=self.left_out,
            confirm=self.confirm,
            plan_file=self.plan_file and asdict(self.plan_file),
            unfinished=self.unfinished,
            days=self.days,
            targets=[asdict(target) for target in self.targets],
            notifications=[asdict(each) for each in self.notifications],
            where=self.where,
            failure=self.failure,
        )
        return json.dumps(body, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def of_failure(cls, runbook: str, environment: str, started: datetime, failure: str) -> Outcome:
        """The outcome of a run that broke off before it had one; of several environments it has the first."""
        names = names_in(environment) or (environment,)
        return cls(
            runbook=runbook,
            environment=names[0],
            where=", ".join(names) if names[1:] else "",
            account="",
            region="",
            endpoint="",
            started=started,
            finished=datetime.now(UTC),
            failure=failure,
        )

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """The outcome that another process wrote with `to_json`; raises ValueError for any other text."""
        body = json_text.parse(text)
        if not isinstance(body, dict) or not {"findings", "changes"} <= body.keys():
            raise ValueError("it is not an outcome")
        for finding in body["findings"] if isinstance(body["findings"], list) else ():
            match finding:
                case {"remedy": {"needs": needs, **others}}:
                    finding["remedy"] = {**others, "command_needs": needs}
        outcome = json_text.as_dataclass(cls, body)
        for time in (outcome.started, outcome.finished):
            json_text.with_zone(time)
        return outcome

    def map_texts(self, change: Callable[[str], str], change_name: Callable[[str], str]) -> Outcome:
        """A copy with `change` applied to its free texts, and `change_name` to keys, subjects and parameters.

        Ids, words of the schema, dates and numbers stay.
        """
        return replace(
            self,
            findings=tuple(
                replace(
                    finding,
                    subject=change_name(finding.subject),
                    evidence=tuple(map(change, finding.evidence)),
                    remedy=finding.remedy.map_texts(change, change_name),
                    accepted=change(finding.accepted),
                )
                for finding in self.findings
            ),
            changes=tuple(each.map_texts(change, change_name) for each in self.changes),
            failure=change(self.failure),
            plan=None if self.plan is None else tuple(map(change, self.plan)),
            blockers=tuple(map(change, self.blockers)),
            notes=tuple(map(change, self.notes)),
            left_out=tuple(map(change, self.left_out)),
        )


def check_ids(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The ids of their checks, each once, in their order."""
    return tuple(dict.fromkeys(finding.check for finding in findings))


def status_of(findings: Iterable[Finding], is_refused: bool = False) -> OutcomeStatus:
    """What findings amount to: "findings" when something is wrong, else "unknown" when something was not seen.

    A plan that is refused is wrong, whatever was found.
    """
    found = tuple(findings)
    if is_refused or any(finding.is_problem for finding in found):
        return "findings"
    return "unknown" if any(finding.status == "unknown" for finding in found) else "ok"


def unknown_reasons(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """Why checks are unknown: the ids of the checks by reason."""
    return {reason: [*check_ids(own)] for reason, own in unknown_by_reason(findings).items()}


def _with_parameters(line: str, other: str) -> str:
    """A command line that applies a plan, with the parameters and options that another of its runbook has beyond it."""
    try:
        (start, own, options), (_, others, more) = _parts(line), _parts(other)
    except ValueError:
        # What masked a value has taken one of its quotes along.
        return line
    last = {name: own.pop(name) for name in ("apply", "confirm") if name in own}
    pairs = own | {name: value for name, value in others.items() if name not in {*own, *last}} | last
    words = (word for pair in pairs.items() for word in ("-p", *pair))
    return command(*start, *words, *options, *more)


def parameters_of(line: str) -> dict[str, str]:
    """A command line's parameters by their names; none of one that masking has left with a single quote."""
    try:
        return _parts(line)[1]
    except ValueError:
        return {}


def _parts(line: str) -> tuple[list[str], dict[str, str], list[str]]:
    """The words of a command line before its parameters, these by their names, and its options after them."""
    words = iter(shlex.split(line))
    start, parameters, rest = [*islice(words, 3)], dict[str, str](), list[str]()
    for word in words:
        if word == "-p":
            name = next(words, "")
            parameters[name] = next(words, "")
        else:
            rest.append(word)
    return start, parameters, rest


def unknown_by_reason(findings: Iterable[Finding], most: int = sys.maxsize) -> dict[str, list[Finding]]:
    """The unknown findings by their reason, a sentence a line, as `merge_reads` makes them of all that fail alike."""
    unknown = [each for each in findings if each.status == "unknown"]
    failures = (tuple(dict.fromkeys(_failure_and_read(line)[0] for line in each.evidence)) for each in unknown)
    alike = grouped(zip(failures, unknown, strict=True)).values()
    return {"\n".join(merge_reads((line for each in own for line in each.evidence), most)): own for own in alike}


def merge_reads(sentences: Iterable[str], most: int = sys.maxsize) -> list[str]:
    """Sentences, of which those on reads that failed in the same way are one; it names at `most` so many reads."""
    reads = grouped(dict.fromkeys(map(_failure_and_read, sentences)))
    subjects_by_reason = {why: [each for each in own if each] for why, own in reads.items()}
    return [f"Could not read {listed(own, most)}: {why}" if own else why for why, own in subjects_by_reason.items()]


def _failure_and_read(sentence: str) -> tuple[str, str]:
    """Why something could not be read, and what; of another sentence itself and ""."""
    found = _FAILED_READ.fullmatch(sentence)
    if found and (lost := _NO_ANSWER.fullmatch(found[2])):
        # One network is gone, whichever service was called.
        where = f" in {lost[2]}" if lost[2] else ""
        return f"AWS cannot be reached{where}. {_ENDPOINT.sub('', lost[3])}", f"{found[1]} ({lost[1]})"
    return (found[2], found[1]) if found else (sentence, "")


def roots_of(finding: Finding, findings: Iterable[Finding]) -> tuple[str, ...]:
    """The ids of the root causes that a consequence goes back to, through other consequences too; nearest first.

    One whose own causes are not among the findings, as in a run that does not look for them, is the root here.
    """
    roots, checks = list[str](), list(finding.because_of)
    by_check = grouped((each.check, each) for each in findings if each.status == "found")
    for check in checks:
        causes = _closest(finding, by_check.get(check, ()))
        if any(by_check.keys().isdisjoint(each.because_of) for each in causes):
            roots.append(check)
        else:
            further = dict.fromkeys(check for each in causes for check in each.because_of)
            checks += [each for each in further if each not in checks]
    return tuple(roots)


def _closest(finding: Finding, causes: Sequence[Finding]) -> Sequence[Finding]:
    """Of one check's findings those of a consequence's own subjects, else of its services, else all."""
    subjects = {finding.subject, *finding.stems_from} - {""}
    of_subjects = [each for each in causes if each.subject in subjects]
    return of_subjects or [each for each in causes if each.services & finding.services] or causes


def with_remedies_of_causes(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of an environment, in which a consequence has no remedy of its own, but its first root cause's."""
    by_check = grouped((finding.check, finding) for finding in findings if finding.is_unexplained)

    def of_cause(finding: Finding) -> Remedy:
        roots = (_closest(finding, by_check.get(check, ())) for check in roots_of(finding, findings))
        return next((causes[0].remedy for causes in roots if causes), finding.remedy)

    return tuple(replace(finding, remedy=of_cause(finding)) if finding.because_of else finding for finding in findings)


def as_before(finding: Finding) -> Finding:
    """A finding that existed before the run, and that the run was not meant to fix, as a remark."""
    return replace(finding, severity="info", evidence=(*finding.evidence, _BEFORE))


def as_perhaps_before(finding: Finding) -> Finding:
    """A finding whose check could not look before the run, so that nobody knows whether it is new."""
    doubt = "Whether it existed before this run is unknown: its check could not look then."
    return replace(finding, status="unknown", evidence=(*finding.evidence, doubt))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _without_empty(**members: object) -> dict[str, object]:
    """The members of a JSON object that say something."""
    return {name: value for name, value in members.items() if value}


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "family": finding.family,
        "severity": finding.severity,
        "status": finding.status,
        "subject": finding.subject,
        "title": finding.title,
        "evidence": finding.evidence,
        "remedy": {
            "runbook": finding.remedy.runbook,
            "parameters": finding.remedy.parameters,
            "command": finding.remedy.command,
            **_without_empty(needs=finding.remedy.needs),
        },
        **_without_empty(
            cause_of=finding.cause_of,
            because_of=finding.because_of,
            unread_causes=finding.unread_causes,
            accepted=finding.accepted,
        ),
    }
