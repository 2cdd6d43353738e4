"""What fleet.ipynb shows: environments by families of checks, what differs between them, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from omc_runbook.diagnosis.comparison import Facts, key_differences, revision_differences, shared_values
from omc_runbook.model import unread_target
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import (
    NO_REMEDY,
    VERIFY,
    Finding,
    Outcome,
    OutcomeStatus,
    Remedy,
    TargetOutcome,
    check_ids,
    is_for_one,
)
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import counted, listed, lower_first
from omc_runbook.report.display import like_findings
from omc_runbook.report.display.banner import Banner, Style
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Level, level_of
from omc_runbook.report.display.table import Table

NAMED, OLDEST = 8, 10
"""How many environments a cell names, and how many of the oldest versions are shown."""

_CLEAR, _SKIPPED, _UNKNOWN = "clear", "—", "unknown"
_STATUSES: dict[str, Level] = {"ok": "good", "findings": "error", "unknown": "unknown", "failed": "unknown"}
_FIRST = "Where the reason above names something to correct, correct that first."
_WARNINGS, _NOT_READ = "warnings", "not looked at"


@dataclass(frozen=True, kw_only=True)
class EnvironmentRun:
    """How verify ended on one environment, as its own record has it."""

    outcome: Outcome | None = None
    """None where it could not begin, or gave no answer."""
    failure: str = ""
    """Why it did not come to its end, in a sentence."""
    is_refused: bool = False
    """Whether something must be corrected first, as the failure says: running it again would not help."""
    page: str = ""
    """Where the page of its record is: a path, or an address in S3; "" where it left none there."""
    unrecorded: str = ""
    """Why its record is not where it was asked to be, in sentences."""
    facts: Facts | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The parameters with which verify looks at this environment alone."""

    @property
    def why_unread(self) -> str:
        """Why the environment could not be looked at; "" where it was."""
        return self.failure or (self.outcome.failure if self.outcome else "")

    @property
    def status(self) -> OutcomeStatus:
        """How the run ended."""
        return "unknown" if self.why_unread or not self.outcome else self.outcome.status

    @property
    def causes(self) -> tuple[Finding, ...]:
        """The root causes."""
        return tuple(each for each in self.outcome.findings if each.is_unexplained) if self.outcome else ()

    @property
    def result(self) -> str:
        """How the run ended, in a word or two."""
        if self.why_unread:
            return _NOT_READ
        has_errors = any(each.severity == "error" for each in self.causes)
        return _WARNINGS if self.status == "findings" and not has_errors else self.status


Runs = Mapping[str, EnvironmentRun]
"""The runs by their environments."""


def sort(runs: Runs) -> dict[str, EnvironmentRun]:
    """The worst first: errors, then what could not be looked at, warnings, and what is partly unknown."""
    order = ("findings", _NOT_READ, _WARNINGS, "unknown", "ok")
    return dict(sorted(runs.items(), key=lambda pair: (order.index(pair[1].result), -len(pair[1].causes))))


def where(
    environments: Sequence[Environment], endpoint: str, is_sandbox: bool, notes: Iterable[str], warnings: Iterable[str]
) -> Banner:
    """Which environments are looked at, in which accounts and regions, and notes.

    It is red with production among them, and with `warnings` that calls go elsewhere than to AWS.
    """
    warnings = tuple(dict.fromkeys(warnings))
    accounts = sorted({each.names.account or "the one that you are signed in to" for each in environments})
    regions = sorted({each.names.region for each in environments})
    style: Style = "sandbox" if is_sandbox else "plain"
    style = "production" if warnings or any(each.is_production for each in environments) else style
    lines = (
        *warnings,
        f"Accounts: {', '.join(accounts)}; regions: {', '.join(regions)}",
        *((f"Endpoint {endpoint}",) if endpoint else ()),
        f"With {environments[0].origin}",
        *notes,
    )
    names = _names([each.name for each in environments])
    return Banner(style, f"fleet: {names}{', in the sandbox' if is_sandbox else ''}", lines)


def matrix(runs: Runs, links: Mapping[str, str]) -> Table:
    """A row for each environment, the worst first; a column for each family with something to check, problems first.

    `links` has the address of each environment's record.
    """
    families = dict.fromkeys(each.family for run in runs.values() for each in _findings(run))
    cells = {name: {family: _cell(run, family) for family in families} for name, run in runs.items()}
    # Of an environment that was not read every family is unknown: its result says so.
    read = [cells[name] for name, run in runs.items() if not run.why_unread]
    shown = [each for each in families if any(row[each][0] != _SKIPPED for row in read)]
    # A wide table is cut at its right.
    shown.sort(key=lambda each: not any(row[each][1] in ("error", "warning") for row in read))
    levels: dict[str, Level] = {_NOT_READ: "unknown", _WARNINGS: "warning", **_STATUSES}
    levels |= {text: level for row in cells.values() for text, level in row.values() if text != _SKIPPED}
    rows = [[name, run.result, *(cells[name][each][0] for each in shown)] for name, run in runs.items()]
    return Table("Environments, the worst first", ["environment", "result", *shown], rows, levels, links=links)


def keys(runs: Runs) -> Table:
    """The keys that some environments have and others lack."""
    rows = [[each.key, _names(each.has), _names(each.lacks)] for each in key_differences(_facts(runs))]
    empty = _if_compared(_secrets_read(runs), "secrets", "Every secret that was read has the same keys.")
    return Table("Keys that not every environment has", ["key", "has it", "lacks it"], rows, empty=empty)


def values(runs: Runs) -> Table:
    """The keys whose value is the same in several environments."""
    rows = [[", ".join(each.keys), _names(each.environments)] for each in shared_values(_facts(runs))]
    empty = _if_compared(_secrets_read(runs), "secrets", "No two secrets that were read share a value.")
    return Table("Values that environments share", ["keys", "environments"], rows, empty=empty)


def revisions(runs: Runs) -> Table:
    """The services with different images, and the revision of each environment's task definition."""
    rows = [
        [each.service, each.images or "no such service", _names(_labelled(each.revisions))]
        for each in revision_differences(_facts(runs))
    ]
    read = sum(each.revisions is not None for each in _facts(runs).values())
    empty = _if_compared(
        read, "environments' services", "Every service that was read has the same images in all environments."
    )
    return Table("Services that differ", ["service", "images", "environments, with revisions"], rows, empty=empty)


def ages(runs: Runs) -> Table:
    """For how long each secret's current version has been current, the oldest first."""
    known = [(name, each, each.age) for name, each in _facts(runs).items() if each.age is not None]
    known.sort(key=lambda entry: entry[2], reverse=True)
    rows = [[name, str(age.days), str(each.rotation_days), each.rotation] for name, each, age in known[:OLDEST]]
    notes = [_rest([age.days for _, _, age in known])] if known[OLDEST:] else []
    columns = ["environment", "days", "rotation after days", "rotation"]
    levels: dict[str, Level] = {"due": "warning", "unknown": "unknown"}
    if any(each.rotation == "unknown" for _, each, _ in known[:OLDEST]):
        notes.append("Where it is unknown, a value may be older than the version that has it: run audit.")
    return Table("Age of the current versions", columns, rows, levels, "No secret was read.", notes=notes)


def _rest(days: Sequence[int]) -> str:
    """How the ages that the table leaves out compare with its last one, of all from the oldest on."""
    others = counted(len(days) - OLDEST, "other is", "others are")
    return f"{others} {'younger' if days[OLDEST] < days[OLDEST - 1] else 'no older'}."


def problems(runs: Runs) -> Listing:
    """The root causes, each once with the environments that have it, and what could not be looked at."""
    found = [(name, each) for name, run in runs.items() for each in run.causes]
    found.sort(key=lambda pair: (pair[1].severity != "error", pair[1].check))
    entries = [_problem([*group]) for _, group in groupby(found, key=lambda pair: (pair[1].severity, pair[1].check))]
    unknown = _name_groups({name: run for name, run in runs.items() if run.status == "unknown"})
    unknown.sort(key=lambda names: not runs[names[0]].why_unread)
    entries += [_not_known(names, runs[names[0]]) for names in unknown]
    return Listing("What is wrong, by environments", entries, "Nothing is wrong.")


def findings(runs: Runs, unread: Sequence[str] = ()) -> tuple[Finding, ...]:
    """The findings of all, each with its environment in its subject; what is clear in all is one finding.

    Where some had nothing to check, each of these is skipped; where none had, that is one finding. `unread` says where
    environments could not be searched for.
    """
    every = [(name, each) for name, run in runs.items() for each in _findings(run)]
    own = [
        replace(each, subject=f"{name}: {each.subject}" if each.subject else name)
        for name, each in every
        if each.status in ("found", "unknown")
    ]
    own += [
        unread_target.unread(f"{name}: {run.why_unread}", _again(run), name)
        for name, run in runs.items()
        if run.why_unread
    ]
    own += [unread_target.unread(sentence, NO_REMEDY) for sentence in unread]
    open_checks = {(each.check, each.family) for each in own}
    checked = {(each.check, each.family) for _, each in every if each.status != "skipped"}
    quiet: dict[tuple[str, str], Finding] = {}
    for name, each in every:
        id = (each.check, each.family)
        if each.status == "skipped" and id in checked:
            own.append(replace(each, subject=name, evidence=()))
        elif id not in open_checks:
            quiet[id] = replace(each, subject="", evidence=())
    return (*own, *quiet.values())


def targets(environments: Iterable[Environment], runs: Runs) -> tuple[TargetOutcome, ...]:
    """How the run ended on each environment."""
    return tuple(_target(each, runs.get(each.name)) for each in environments)


def failure(runs: Runs, unread: Sequence[str] = ()) -> str:
    """Which environments could not be looked at or searched for, in sentences; "" where all were."""
    names = unread_target.not_looked_at([name for name, run in runs.items() if run.why_unread])
    unrecorded = (f"{name}: {run.unrecorded}" for name, run in runs.items() if run.unrecorded)
    return " ".join(filter(None, (names, *unread, *unrecorded)))


def headline(runs: Runs, unread: Sequence[str] = ()) -> Banner:
    """How all environments are, in a sentence, first what is wrong."""
    good, count = sum(run.status == "ok" for run in runs.values()), len(runs)
    if good == count:
        which = f"{next(iter(runs))} is" if count == 1 else f"All {count} environments are"
        rest = ", but there may be others" if unread else ""
        return Banner("unsure" if unread else "good", f"{which} all right{rest}.")
    wrong = sum(bool(run.causes) for run in runs.values())
    silent = sum(bool(run.why_unread) and not run.causes for run in runs.values())
    counts = {
        "Something is wrong in {}": wrong,
        "{} could not be looked at": silent,
        "Not everything could be read in {}": count - good - wrong - silent,
        f"{{}} {'is' if good == 1 else 'are'} all right": good,
    }
    (first, number), *others = ((clause, each) for clause, each in counts.items() if each)
    where = next(iter(runs)) if count == 1 else f"{number} of {count} environments"
    clauses = (first.format(where), *(lower_first(clause.format(each)) for clause, each in others))
    return Banner("bad" if wrong else "unsure", f"{'; '.join(clauses)}.")


def summary(runs: Runs, unread: Sequence[str] = ()) -> Banner:
    """The same, and each environment that is not all right."""
    lines = (f"{_names(names)}: {_reason(runs[names[0]])}" for names in _name_groups(_not_good(runs)))
    return headline(runs, unread).with_lines(*lines, *unread)


def next_steps(runs: Runs) -> Listing | None:
    """For each environment that is not all right, what to do first."""
    entries = [_step(names, runs[names[0]]) for names in _name_groups(_not_good(runs))]
    return Listing("What to do", entries) if entries else None


def by_hand(environments: Sequence[Environment]) -> Listing:
    """The same one by one, in a shell."""
    runs = "; ".join(Remedy(runbook=VERIFY, parameters=each.parameters).invocation for each in environments)
    return Listing("The same, one after the other", [Entry("every environment", command=runs)])


def _not_good(runs: Runs) -> Runs:
    return {name: run for name, run in runs.items() if run.status != "ok"}


def _name_groups(runs: Runs) -> list[list[str]]:
    """The environments' names, together where nothing is known but the same reason why they were not looked at."""
    return [*grouped((("" if run.causes else run.why_unread) or name, name) for name, run in runs.items()).values()]


def _findings(run: EnvironmentRun) -> tuple[Finding, ...]:
    return run.outcome.findings if run.outcome else ()


def _facts(runs: Runs) -> dict[str, Facts]:
    return {name: run.facts for name, run in runs.items() if run.facts}


def _secrets_read(runs: Runs) -> int:
    return sum(each.keys is not None for each in _facts(runs).values())


def _if_compared(read: int, what: str, sentence: str) -> str:
    """A sentence on what is alike, or that there was nothing to compare with."""
    return sentence if read > 1 else f"Fewer than two {what} were read, so nothing was compared."


def _cell(run: EnvironmentRun, family: str) -> tuple[str, Level]:
    """A family's worst finding, and how many others there are; its level."""
    own = [each for each in _findings(run) if each.family == family]
    problems = sorted(
        (each for each in own if each.is_problem), key=lambda each: (not each.is_unexplained, each.severity)
    )
    ids = check_ids(problems)
    if ids:
        more = f" +{len(ids) - 1}" if ids[1:] else ""
        return f"{ids[0]}{more}", level_of(problems[0].severity)
    if run.why_unread or any(each.status == "unknown" for each in own):
        return _UNKNOWN, "unknown"
    return (_CLEAR, "good") if any(each.status in ("clear", "found") for each in own) else (_SKIPPED, "quiet")


def _problem(found: Sequence[tuple[str, Finding]]) -> Entry:
    environments = [*dict.fromkeys(name for name, _ in found)]
    first = found[0][1]
    by_environment = {name: [each for owner, each in found if owner == name] for name in environments}
    remedy = first.remedy
    if remedy.ways:
        remedy = remedy.needing(_for_others(environments[0], by_environment[environments[0]]))
    if environments[1:] and remedy.ways:
        remedy = remedy.needing(is_for_one(environments[0], remedy.ways[0]))
    lines = [f"{name}: {_subjects(own)}. {' '.join(own[0].evidence[:1])}" for name, own in by_environment.items()]
    return replace(Entry.of(first, *lines[:NAMED]), subject=_names(environments)).with_remedy(remedy)


def _for_others(environment: str, findings: Sequence[Finding]) -> str:
    """Where to get what mends an environment's other findings of the check, if the first one's remedy does not."""
    first = findings[0]
    is_same_run = bool(first.remedy.runbook) and len({each.remedy.invocation for each in findings}) == 1
    if not is_same_run and any(each.remedy.ways != first.remedy.ways for each in findings):
        is_alone = bool(first.subject) and all(each.subject != first.subject for each in findings[1:])
        whose = first.subject if is_alone else "the first of them"
        return f"This is for {whose}; the record of {environment} has what mends the others."
    return like_findings.others_by_hand(findings) if first.remedy.command else ""


def _subjects(findings: Sequence[Finding]) -> str:
    return f"{findings[0].subject}{f' and {len(findings) - 1} more' if findings[1:] else ''}"


def _not_known(names: Sequence[str], run: EnvironmentRun) -> Entry:
    label = _NOT_READ if run.why_unread else _UNKNOWN
    remedy = _again(run)
    remedy = remedy.needing(unread_target.for_others(names)) if remedy.ways else remedy
    return Entry(_names(names), level="unknown", label=label, lead=_reason(run)).with_remedy(remedy)


def _step(names: Sequence[str], run: EnvironmentRun) -> Entry:
    remedy = next((each.remedy for each in run.causes if each.remedy.ways), _again(run))
    if not remedy.ways:
        return Entry(_names(names), lead=run.why_unread)
    if run.why_unread and not run.causes:
        remedy = remedy.needing(_FIRST, unread_target.for_others(names))
    return Entry(_names(names)).with_remedy(remedy)


def _again(run: EnvironmentRun) -> Remedy:
    """The command that looks again; none where something must be corrected first."""
    return NO_REMEDY if run.is_refused else Remedy(runbook=VERIFY, parameters=dict(run.parameters))


def _target(environment: Environment, run: EnvironmentRun | None) -> TargetOutcome:
    outcome = run.outcome if run else None
    return TargetOutcome(
        environment=environment.name,
        account=(outcome.account if outcome else "") or environment.names.account,
        region=environment.names.region,
        endpoint=outcome.endpoint if outcome else "",
        status=run.status if run else "failed",
    )


def _reason(run: EnvironmentRun) -> str:
    if run.why_unread:
        return run.why_unread
    if run.causes:
        return ", ".join(check_ids(run.causes))
    unknown = sum(each.status == "unknown" for each in _findings(run))
    return f"{counted(unknown, 'check is', 'checks are')} unknown"


def _labelled(revisions: Mapping[str, str]) -> list[str]:
    return [f"{name} ({label})" if label else name for name, label in revisions.items()]


def _names(names: Sequence[str]) -> str:
    """Environments in a cell: their names, of many the first."""
    return listed(names, NAMED) or "none"
