"""What is made of all records in a folder: the index page; and the removal of those that are not kept any longer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from omc_runbook.headless import news, schedules
from omc_runbook.masking import registry
from omc_runbook.model.environment import LOCAL, load
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import FLEET, Outcome, TargetOutcome
from omc_runbook.model.grouping import grouped
from omc_runbook.model.handover import is_on_this_machine
from omc_runbook.model.schedule import ScheduleState
from omc_runbook.model.suggestions import is_folder
from omc_runbook.report.archive import index_page, kept_records, retention, summary
from omc_runbook.report.archive.index_page import EnvironmentRecords, KeptRun, Problem
from omc_runbook.report.archive.kept_records import KeptRecord
from omc_runbook.report.archive.summary import Line
from omc_runbook.textfile import private_file


def after_run(folder: Path, runbook_toml: str = "") -> tuple[Line, ...]:
    """Remove what runbook.toml does not keep, and make the index page anew; returns what there is to say of it."""
    now = datetime.now(UTC)
    try:
        removals = retention.plan(folder, load(LOCAL, runbook_toml).records, now)
        retention.apply(removals)
        write(folder, now, runbook_toml)
    except (OSError, ValueError, MemoryError, UsageError) as error:
        reason = "memory ran out" if isinstance(error, MemoryError) else getattr(error, "strerror", "") or str(error)
        return summary.mask(
            (Line(f"The records could not be cleaned up: {reason.rstrip('.')}.", "warning", "warning"),)
        )
    names = ", ".join(removal.stem.text for removal in removals)
    return (Line(f"Not kept any longer, as runbook.toml says: {names}.", "note"),) if removals else ()


def prune(folder: Path, applies: bool, runbook_toml: str) -> Iterator[str]:
    """List the records that a runbook.toml does not keep, and if it is to be applied remove them, in sentences.

    Raises UsageError where runbook.toml keeps all, or there is no such folder, and OSError.
    """
    settings = load(LOCAL, runbook_toml).records
    if settings.keeps_all:
        raise UsageError("runbook.toml keeps all records: set keep_days or keep_count in [records].")
    if not is_folder(folder):
        raise UsageError(f"{folder} is not a folder: name that of the records with --record.")
    removals = retention.plan(folder, settings, datetime.now(UTC))
    yield from filter(None, (*map(str, removals), kept_records.note_closed(folder)))
    if applies:
        retention.apply(removals)
        yield f"Removed: {len(removals)}."
        if removals:
            write(folder, runbook_toml=runbook_toml)
    else:
        yield f"To be removed: {len(removals)}." + (" --apply removes them." if removals else "")


def write(folder: Path, now: datetime | None = None, runbook_toml: str = "") -> Path:
    """Make a folder's index page anew, with the schedules of a runbook.toml, and return its path; raises OSError."""
    now = now or datetime.now(UTC)
    schedule_notes: tuple[str, ...] = ()
    try:
        # cron's expressions mean this machine's time.
        expected = schedules.read(folder, now.astimezone(), runbook_toml)
    except UsageError as error:
        expected, schedule_notes = [], (f"The schedules are not known: {error}",)
    # Where a clock was ahead, a run would be the last one for years, and end what is open now.
    found_records = kept_records.read(folder, index_page.SHOWN, now=now)
    notes = (*schedule_notes, *kept_records.notes(folder, found_records, index_page.SHOWN, now))
    records = [
        replace(
            each, page=each.page.relative_to(folder), tables=tuple(path.relative_to(folder) for path in each.tables)
        )
        for each in found_records
        if each.stem
    ]
    page, path = index_page.render(environments(records, expected), notes, now), folder / index_page.NAME
    # The outcomes were masked by the runs that wrote them; this run may know more values.
    private_file.write(path, registry.mask_thoroughly(page, common=False).encode("utf-8", "replace"))
    return path


def environments(records: Sequence[KeptRecord], expected: Iterable[ScheduleState]) -> list[EnvironmentRecords]:
    """What the records say of each environment; `records` are the newest first.

    The sandbox's environments are not those of the same name in AWS.
    """
    late = grouped((state.environment, state) for state in expected)
    runs: dict[tuple[str, bool], list[tuple[KeptRun, Outcome | None]]] = {}
    locations: dict[tuple[str, bool], str] = {}
    for record in records:
        for run, target in _runs(record):
            key = (target.environment, is_on_this_machine(target.endpoint))
            # Of an environment that could not be reached, the account may not be known: another run knows it.
            location = "sandbox" if key[1] else f"{target.account}, {target.region}" if target.account else ""
            locations[key] = locations.get(key) or location
            runs.setdefault(key, []).append((run, record.outcome and _own_outcome(record.outcome, target)))
    for name in late:
        runs.setdefault((name, False), [])
    return [
        EnvironmentRecords(
            name=name,
            location=locations.get((name, is_sandbox), ""),
            runs=[run for run, _ in pairs],
            problems=_problems([(run.runbook, outcome) for run, outcome in pairs if outcome is not None]),
            schedules=() if is_sandbox else late.get(name, ()),
        )
        for (name, is_sandbox), pairs in runs.items()
    ]


def _runs(record: KeptRecord) -> Iterator[tuple[KeptRun, TargetOutcome]]:
    """A record's run on each of its environments."""
    outcome, stem = record.outcome, record.stem
    if outcome and len(outcome.targets) > 1:
        for target in outcome.targets:
            ending = index_page.ending_of(record, target.status)
            yield KeptRun(outcome.runbook, ending, record, summary.end_on(outcome, target)), target
    elif outcome:
        target_outcome = TargetOutcome(
            environment=outcome.where or outcome.environment,
            account=outcome.account,
            region=outcome.region,
            endpoint=outcome.endpoint,
            status=outcome.status,
        )
        yield KeptRun(outcome.runbook, index_page.ending_of(record), record), target_outcome
    elif stem:
        target_outcome = TargetOutcome(environment=stem.environment, account="", region="", endpoint="", status="ok")
        yield KeptRun(stem.runbook, index_page.ending_of(record), record), target_outcome


def _own_outcome(outcome: Outcome, target: TargetOutcome) -> Outcome | None:
    """What a run says of one of its environments, as a run on that alone would; None where its findings do not tell.

    What fleet finds is in the record of each environment, too.
    """
    if outcome.runbook == FLEET:
        return None
    if len(outcome.targets) < 2:
        return outcome
    if not outcome.is_of_several:
        return None
    name, head = target.environment, f"{target.environment}: "
    own = tuple(
        replace(each, subject="" if each.subject == name else each.subject.removeprefix(head))
        for each in outcome.findings
        if f"{each.subject}: ".startswith(head)
    )
    is_read = name not in outcome.unread and target.status != "failed"
    return replace(outcome, findings=own, failure="" if is_read else outcome.failure, targets=(target,), where="")


def _problems(outcomes: Sequence[tuple[str, Outcome]]) -> list[Problem]:
    """What is open after an environment's runs, the newest first, by any runbook that looked."""
    problems: dict[str, Problem] = {}
    for runbook in dict.fromkeys(name for name, _ in outcomes):
        own = [outcome for name, outcome in outcomes if name == runbook]
        others = [outcome for name, outcome in outcomes if name != runbook]
        titles = {
            finding.identity: finding.title
            for outcome in reversed(own)
            for finding in outcome.findings
            if finding.is_problem
        }
        for name, since in news.open_after(reversed(own)).items():
            last = next((each.finished for each in own if name in _problem_identities(each)), since)
            known = problems.get(name)
            if any(each.known_since >= last and _is_over(name, each) for each in others):
                continue
            since, last = min(since, known.since if known else since), max(last, known.last_seen if known else last)
            problems[name] = Problem(name, titles.get(name, ""), since, last)
    return sorted(problems.values(), key=lambda problem: problem.since)


def _problem_identities(outcome: Outcome) -> frozenset[str]:
    return frozenset(finding.identity for finding in outcome.findings if finding.is_problem)


def _is_over(name: str, outcome: Outcome) -> bool:
    """Whether a run made the check of a problem, and did not find it."""
    statuses = {finding.status for finding in outcome.findings if finding.check == name.partition(":")[0]}
    return name not in _problem_identities(outcome) and (
        "clear" in statuses or (statuses == {"found"} and not outcome.failure)
    )
