"""A run's outcome as lines for a terminal: each root cause with its evidence and remedy, its consequences in a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from omc_runbook.masking import registry
from omc_runbook.model import unread_target
from omc_runbook.model.findings import (
    COMMAND,
    FLEET,
    REFUSED,
    Finding,
    Outcome,
    TargetOutcome,
    as_one,
    check_ids,
    is_for_one,
    is_sentence,
    parameters_of,
    roots_of,
    unknown_by_reason,
)
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import counted, in_a_line, listed, on_one_line
from omc_runbook.model.parameters import names_in
from omc_runbook.report.display import like_findings
from omc_runbook.report.display.banner import PLAN

Style = Literal["plain", "ok", "findings", "unknown", "failed", "error", "warning", "command", "sentence", "note"]

NOT_FINISHED = "A change is not finished: the record's page says how to finish it or take it back."
NOTHING_PLANNED_FOR = "The plan does not fix what is wrong: what to do is below. Nothing was changed."
_LABEL, _INDENT = 8, 13
_AND = " && "
_RUN = f"→ {COMMAND}run "
_PLACE = {"environment", "runbook_toml", "repository"}
"""The parameters that say where a run is, and not what it does."""
_STARTS_TASKS = ("aws ecs update-service ", "aws ecs update-express-gateway-service ")
MOST_CHECKS = 6
"""How many checks are named that are unknown for one reason: a key that cannot decrypt makes thirty of them unknown."""


@dataclass(frozen=True)
class Line:
    """A line of the summary; a terminal may wrap it, with the same indentation."""

    text: str
    style: Style = "plain"
    label: str = ""
    indent: int = 0

    @property
    def head(self) -> str:
        """What stands before the text: blanks, and the label."""
        return f"  {self.label:<{_LABEL}} " if self.label else " " * self.indent

    def __str__(self) -> str:
        return self.head + self.text


def mask(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines with every known value masked, and without what a terminal would do instead of showing it."""
    return tuple(_for_terminal(replace(line, text=registry.mask_thoroughly(line.text))) for line in lines)


def _for_terminal(line: Line) -> Line:
    if line.style not in ("command", "sentence"):
        return replace(line, text=on_one_line(line.text), label=on_one_line(line.label))
    # Only a name can have a line end; the command stays whole, and says that the name cannot be pasted.
    return replace(line, text=in_a_line(line.text))


def title(outcome: Outcome) -> str:
    """The runbook and its environment, or its checkout; a fleet that broke off knows no environments."""
    where = outcome.where or ("" if outcome.runbook == FLEET else outcome.environment)
    return f"{outcome.runbook} on {where}" if where else outcome.runbook


def end(outcome: Outcome, with_causes: bool = False) -> str:
    """How the run ended, in a few words; PLAN for one that was not applied, with its causes, or that it is refused.

    For any other, `with_causes` also adds them, and whether the plan was applied or there was nothing to do; of a run
    that broke off, whether it is known to have changed something.
    """
    causes = outcome.causes_in_words
    if outcome.is_plan:
        # Nothing else may be wrong: no finding has the reason then.
        why = causes or ("refused" if outcome.blockers else outcome.status)
        return PLAN if outcome.status == "ok" else f"{PLAN} ({why})"
    change = ""
    if outcome.unfinished:
        change = "a change not finished, "
    elif has_nothing_to_do(outcome):
        change = "nothing to do, "
    elif outcome.applied and (outcome.changes or not outcome.failure):
        change = "applied, "
    return f"{change if with_causes else ''}{outcome.status}" + (f" ({causes})" if with_causes and causes else "")


def has_nothing_to_do(outcome: Outcome) -> bool:
    """Whether a run that came to its end planned no step, as without a key or a value: `ok` alone hides that."""
    return outcome.plan == () and not (outcome.changes or outcome.failure or outcome.unfinished)


def end_on(outcome: Outcome, target: TargetOutcome) -> str:
    """How a run on several environments ended on one of them: its status, with its causes or why it was not read."""
    name = target.environment
    own = [each for each in outcome.findings if each.subject == name or each.subject.startswith(f"{name}: ")]
    causes = [each.check for each in own if each.is_unexplained]
    unread = [each.check for each in own if each.status == "unknown" and each.subject == name]
    why = ", ".join(dict.fromkeys(causes or unread))
    return f"{target.status} ({why})" if why else target.status


def summarise(outcome: Outcome, record_path: str, command: str, options: str = "") -> tuple[Line, ...]:
    """Lines for how a run ended, each cause with its remedy, and the record's path.

    For a plan that was not applied, also its steps and the `command` that applies it. A remedy that runs a runbook gets
    this run's `options`, such as where its record goes, quoted for a shell.
    """
    lines = _lines(outcome, record_path, outcome.applied_by(command))
    return tuple(_for_terminal(_with_options(line, options)) for line in lines)


def _with_options(line: Line, options: str) -> Line:
    """A remedy's command with a run's options, unless it has them, as the one that applies this run's plan does."""
    is_run = line.style == "command" and line.text.startswith(_RUN)
    return replace(line, text=f"{line.text} {options}") if is_run and options and options not in line.text else line


def undelivered_notifications(outcome: Outcome) -> Iterator[Line]:
    """A line for each receiver without its notification, with the reason; one line where both topics have the same."""
    failures = [each for each in outcome.notifications if each.failure]
    for text in dict.fromkeys(each.sentence for each in failures):
        yield Line(text, "warning", "warning")


def _lines(outcome: Outcome, record_path: str, command: str) -> Iterator[Line]:
    style: Style = "plain" if outcome.is_plan and outcome.status == "ok" else outcome.status
    yield Line(f"{title(outcome)}: {end(outcome)}", style)
    for text in outcome.failure.splitlines():
        yield Line(text, "command" if text.startswith(COMMAND) else "failed", indent=2)
    if outcome.unfinished:
        yield Line(NOT_FINISHED, indent=2)
    if outcome.is_plan:
        yield from (Line(sentence, label="plan") for sentence in outcome.plan or ())
    if outcome.plan_file:
        made = f"Plan {outcome.plan_file.hash}, made by {outcome.plan_file.planned_by}"
        yield Line(f"{made}: whoever makes it and whoever applies it compare these digits.", label="note")
    if has_nothing_to_do(outcome):
        is_wrong = any(each.is_unexplained for each in outcome.findings)
        yield Line(NOTHING_PLANNED_FOR if is_wrong else "The plan is empty, and nothing was changed.", indent=2)
    # What it says beside the note's command, such as where the record goes, stands in both lines.
    notes = (command if note == outcome.noted_command else note for note in outcome.notes)
    for text in outcome.left_out if outcome.changes else notes:
        yield from _remedy((text,), "") if text.startswith(COMMAND) else (Line(text, label="note"),)
    yield from (Line(change.subject, label=change.action) for change in outcome.changes)
    yield from _found(outcome, command)
    yield from _unknown(outcome)
    clear = sum(1 for finding in outcome.findings if finding.status == "clear")
    # That none is clear says nothing where none could be made, or where each is open in one of many environments.
    if clear or (outcome.findings and not any(each.status == "unknown" for each in outcome.findings)):
        yield Line(f"{counted(clear, 'check is', 'checks are')} clear.", "note", indent=2)
    yield from undelivered_notifications(outcome)
    if not outcome.failure:
        yield from (Line(f"{REFUSED} {blocker}", "warning", indent=2) for blocker in outcome.blockers)
    if outcome.can_be_applied:
        yield Line(f"Apply it: {command}", "command", indent=2)
    yield Line(f"Record: {record_path}", "note")


def _found(outcome: Outcome, command: str) -> Iterator[Line]:
    """What was found: each cause with its consequences, and what mends it."""
    found = [finding for finding in outcome.findings if finding.status == "found"]
    first = {id(finding): next(iter(roots_of(finding, found)), "") for finding in found}
    remedies = _by_first_way(found, outcome, command)
    effects = {check: [each for each in found if first[id(each)] == check] for check in set(first.values()) - {""}}
    roots = [finding for finding in found if not first[id(finding)]]
    if outcome.plan is None and len(outcome.targets) > 1:
        yield from _by_environments(roots, outcome)
        roots = []
    titles, reasons = set[str](), set[object]()
    for finding, more in like_findings.shorten(roots, with_remedies=True):
        # Where a cause is found several times, its title and its consequences are only with the first, and so is the
        # evidence that says the same of another name.
        reason = like_findings.evidence_of_any_subject(finding)
        shown = replace(finding, evidence=()) if reason in reasons and finding.title in titles else finding
        yield from _finding(shown, effects.pop(finding.check, []), has_title=finding.title not in titles)
        titles.add(finding.title)
        reasons.add(reason)
        # What mends several findings of a check stands below the first.
        first_way, *_ = (*_ways(finding, outcome, command), "")
        yield from _remedy(*remedies.pop((finding.check, first_way), ((), "")))
        if more:
            yield Line(more, indent=_INDENT)


def _unknown(outcome: Outcome) -> Iterator[Line]:
    """A line for each reason why checks are unknown; of several environments, with those that it is of."""
    targets = {each.environment for each in outcome.targets} if len(outcome.targets) > 1 else set[str]()
    owners = ((each.subject.partition(": ")[0], each) for each in outcome.findings)
    own = grouped((name if name in targets else "", each) for name, each in owners)
    reasons = (
        (_without_name(reason, name), (name, each))
        for name, findings in own.items()
        for reason, alike in unknown_by_reason(findings, MOST_CHECKS).items()
        for each in alike
    )
    for (is_unread, reason), pairs in grouped(reasons).items():
        names, alike = dict.fromkeys(name for name, _ in pairs if name), [each for _, each in pairs]
        words = [", ".join(names), listed(check_ids(alike), MOST_CHECKS)]
        start = ": ".join(filter(None, reversed(words) if is_unread else words))
        yield Line(f"{start}: {' '.join(reason.splitlines())}", "unknown", "unknown")
        if is_unread:
            remedy = alike[0].remedy
            yield from _remedy(remedy.ways, unread_target.for_others([*names]) if remedy.ways else "")


def _without_name(reason: str, name: str) -> tuple[bool, str]:
    """Whether a reason says why one of several environments was not read, and the same without that one's name."""
    is_unread = bool(name) and reason.startswith(f"{name}: ")
    return is_unread, reason.removeprefix(f"{name}: ") if is_unread else reason


def _by_environments(found: Sequence[Finding], outcome: Outcome) -> Iterator[Line]:
    """Lines for findings on several environments, which their subjects begin with: equal ones are one entry."""
    groups = grouped(((each.check, each.severity, bool(each.accepted)), each) for each in found)
    for first, *others in groups.values():
        subjects = (each.subject.partition(": ") for each in (first, *others))
        names = [*dict.fromkeys(name for name, _, _ in subjects)]
        which = f"{first.subject} and {len(others)} more."
        merged = replace(first, subject=", ".join(names), evidence=(which, *first.evidence)) if others else first
        yield from _finding(merged, [])
        own = [each for each in (first, *others) if each.subject.partition(": ")[0] == names[0]]
        for ways, needs in _by_first_way(own, outcome, "").values():
            yield from _remedy(ways, needs)
        if names[1:] and first.remedy.ways:
            yield Line(is_for_one(names[0], first.remedy.ways[0], outcome.runbook), indent=_INDENT)


def _finding(finding: Finding, consequences: list[Finding], has_title: bool = True) -> Iterator[Line]:
    accepted = finding.accepted or finding.severity == "info"
    style: Style = "note" if accepted else "error" if finding.severity == "error" else "warning"
    because = f" (because of {', '.join(finding.because_of)})" if finding.because_of else ""
    label = "accepted" if finding.accepted else finding.severity
    lead = f"{finding.title} — " if has_title else ""
    yield Line(f"{finding.check}: {lead}{finding.subject}{because}", style, label)
    yield from (
        Line(text, indent=_INDENT) for text in filter(None, (finding.accepted, finding.doubt, *finding.evidence))
    )
    if consequences:
        subjects = grouped((each.check, each.subject) for each in consequences)
        effects = ", ".join(f"{check} ({', '.join(filter(None, names))})" for check, names in subjects.items())
        yield Line(f"causes {effects}", "note", indent=_INDENT)


def _ways(finding: Finding, outcome: Outcome, command: str) -> tuple[str, ...]:
    """A finding's remedies; where that is this run, the command that applies its plan."""
    remedy = finding.remedy
    # A run without a target is on this machine, whichever environment it compares with.
    is_here = remedy.parameters.get("environment") == outcome.environment or not outcome.targets
    is_this = remedy.runbook == outcome.runbook and is_here
    if outcome.can_be_applied and is_this and _is_planned(remedy.parameters, parameters_of(command)):
        return (command, *remedy.ways[1:])
    return remedy.ways


def _is_planned(parameters: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Whether a run with its own parameters does all that a remedy with these would."""
    rest = {name: value for name, value in parameters.items() if name not in _PLACE}
    keys = {*names_in(rest.pop("keys", ""))}
    if keys and keys <= {*names_in(own.get("keys", ""))} and own.get("values_from") != "keep":
        # From wherever its values come, the keys get new ones.
        rest.pop("values_from", "")
        keys.clear()
    return not keys and rest.items() <= own.items()


def _by_first_way(
    found: Sequence[Finding], outcome: Outcome, command: str
) -> dict[tuple[str, str], tuple[tuple[str, ...], str]]:
    """The remedies of each check by its id and the first of them, by hand for all its findings, and what they need.

    Of sentences that differ in their names, there is the first, and in what they need that the others take the same.
    """
    pairs = ((_ways(each, outcome, command), each) for each in found)
    own = grouped(((each.check, ways[0]), (ways[1:], each)) for ways, each in pairs if ways)
    by_way = dict[tuple[str, str], tuple[tuple[str, ...], str]]()
    for key, group in own.items():
        ways_of = {id(each): ways for ways, each in group}
        alike = like_findings.by_remedy(each for _, each in group)
        by_hand = [*dict.fromkeys(way for first, *_ in alike for way in ways_of[id(first)])]
        if not any(map(is_sentence, by_hand)):
            by_hand = _each_once(by_hand)
        others = map(like_findings.others_by_hand, alike) if by_hand else ()
        remedies = [each.remedy for _, each in group]
        # The command that applies the plan needs nothing more.
        runbook_needs = (each.runbook_needs for each in remedies if key[1] == each.invocation)
        needs = (*runbook_needs, *(each.command_needs for each in remedies))
        sentences = filter(None, (*needs, *others, *(each.order for each in remedies)))
        by_way[key] = (key[1], *filter(None, [as_one(by_hand)])), " ".join(dict.fromkeys(sentences))
    return by_way


def _each_once(commands: Sequence[str]) -> list[str]:
    """The calls of all commands without repetition, because AWS refuses the second of the same to move a version.

    Tasks start once, after all that they need. Commands with others than AWS's, such as cd, stay as they are.
    """
    calls = [call for each in commands for call in each.split(_AND)]
    if not all(call.startswith("aws ") for call in calls):
        return [*commands]
    once: dict[str, None] = {}
    for call in calls:
        if call.startswith(_STARTS_TASKS):
            once.pop(call, None)
        once[call] = None
    return [*once]


def _remedy(ways: Sequence[str], needs: str) -> Iterator[Line]:
    marks = ("→", "or by hand:" if ways and is_sentence(ways[-1]) else "or")
    for mark, way in zip(marks, ways, strict=False):
        yield Line(f"{mark} {way}", "sentence" if is_sentence(way) else "command", indent=_INDENT)
    if ways and needs:
        yield Line(needs, indent=_INDENT)
