"""The troubleshoot report: what is wrong and how that is known, what was ruled out, what to do, what is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook.aws.ecs import Service, Task
from omc_runbook.checks.families import look_alikes, ruled_out_by
from omc_runbook.diagnosis.complaint import UNRECOGNISED, Complaint, current_state
from omc_runbook.diagnosis.root_causes import NOT_SECRETS
from omc_runbook.messages.recognition import recognise
from omc_runbook.model.findings import ENVIRONMENT_UNREAD, Finding, check_ids
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import as_sentence, counted
from omc_runbook.model.runbook_file import FILE_NAME
from omc_runbook.report import drift, verify
from omc_runbook.report.display import like_findings
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.rich_display import Collapsible
from omc_runbook.report.display.severity import Level, level_of
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot import freshness, permissions
from omc_runbook.snapshot.freshness import Freshness
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.workstation import Workstation

FRESHNESS: dict[Freshness, str] = {
    "fresh": "has the current values",
    "stale": "has older values",
    "undecidable": "may have the current values or older ones",
}


def state(snapshot: Snapshot, complaint: Complaint) -> Listing:
    """The .env if it was read, the secret, each service that uses it, and the task of the complaint.

    Raises UsageError where ECS does not know that task.
    """
    task = snapshot.find_task(complaint.task_id, complaint.task_cluster)
    entries = [
        *([_machine(snapshot.workstation)] if snapshot.workstation else []),
        _secret(snapshot),
        *(_service(snapshot, service) for service in snapshot.consumers),
        *([Entry(f"task {task.id[:8]}", task.owner, lines=tuple(_of_task(snapshot, task)))] if task else []),
    ]
    return Listing(f"{snapshot.environment.name} at {snapshot.taken:%Y-%m-%d %H:%M:%S} UTC", entries)


def verdict(snapshot: Snapshot, findings: Sequence[Finding]) -> Banner:
    """What is wrong, with the first evidence; or that nothing is, with what was checked."""
    roots = [finding for finding in findings if finding.is_unexplained]
    name, unknown = snapshot.environment.name, sum(1 for finding in findings if finding.status == "unknown")
    clear = [finding for finding in findings if finding.status == "clear"]
    families = ", ".join(dict.fromkeys(finding.family for finding in clear))
    checked = f"{counted(len(clear), 'check is', 'checks are')} clear ({families})." if clear else "No check is clear."
    are = counted(unknown, "check is", "checks are")
    accepted = check_ids(finding for finding in findings if finding.status == "found" and finding.accepted)
    source = snapshot.environment.variables.get("accepted", FILE_NAME)
    checked += f" Accepted in {source}: {', '.join(accepted)}." if accepted else ""
    if not roots and unknown:
        also = " and on this machine" if snapshot.workstation else ""
        headline = f"Nothing wrong was found{also} in {name}, but" if clear else f"Nothing could be checked in {name}:"
        return Banner("unsure", f"{headline} {are} unknown.", (checked,))
    if not roots:
        also = f", nor with {snapshot.workstation.path}" if snapshot.workstation else ""
        return Banner("good", f"Nothing is wrong with the secrets of {name}{also}.", (checked,))
    first, *others = grouped((finding.title, finding) for finding in roots).values()
    lines = [f"Also wrong, independently of it: {_title(other)}." for other in others]
    if all(finding.check in NOT_SECRETS for finding in roots):
        lines.append("This is not a secrets problem. See below where to look instead.")
    elif unknown:
        lines.append(f"{are} unknown, so there may be more.")
    why = roots[0].evidence[0] if roots[0].evidence else ""
    return Banner("bad", f"{_title(first)}.", tuple(filter(None, (roots[0].doubt, why, *lines))))


def review(result: object | None, snapshot: Snapshot, findings: Sequence[Finding]) -> Banner:
    """The verdict after a fix; without one, that nothing was changed."""
    if result is None:
        return Banner("plain", "Nothing was changed, so the answer above still holds.")
    return verdict(snapshot, findings)


def evidence(findings: Sequence[Finding]) -> Listing:
    """The evidence of each root cause, which names the API and its field; and what it causes."""
    entries = [
        Entry.of(finding, finding.doubt, *finding.evidence, finding.effects, more)
        for finding, more in like_findings.shorten(each for each in findings if each.is_unexplained)
    ]
    return Listing("Evidence", entries, _none(findings, "There is no root cause.", "No root cause was found."))


def ruled_out(findings: Sequence[Finding]) -> Listing:
    """For each root cause, the faults with the same symptoms and why they are ruled out."""
    statuses = {(finding.check, finding.family): finding.status for finding in reversed(findings)}
    roots = dict.fromkeys((finding.check, finding.family) for finding in findings if finding.is_unexplained)
    entries = []
    for root, family in roots:
        others = [(check, statuses.get((check.id, check.family))) for check in look_alikes(root, family)]
        clear = [f"Not {check.id}: {check.ruled_out_by}." for check, status in others if status == "clear"]
        unchecked = [check.id for check, status in others if status in ("unknown", "skipped")]
        lines = (*clear, *((f"Not checked: {', '.join(unchecked)}.",) if unchecked else ()))
        if lines:
            entries.append(Entry(root, "has the symptoms of other faults, which are ruled out", lines=lines))
    return Listing("What it is not", entries, "No other fault has the same symptoms.")


def remedies(findings: Sequence[Finding]) -> Listing:
    """What to do about each root cause, and environment not looked at: a runbook with its parameters, or by hand."""
    causes = [finding for finding in findings if finding.is_unexplained or finding.check == ENVIRONMENT_UNREAD]
    groups = {id(group[0]): group for group in like_findings.by_remedy(causes)}
    shown = like_findings.shorten((first for first, *_ in groups.values()), with_remedies=True)
    entries = [_remedy(groups[id(first)], more) for first, more in shown]
    return Listing(
        "What to do", entries, _none(findings, "Nothing to do.", "First read what could not be read, below.")
    )


def _remedy(group: Sequence[Finding], more: str) -> Entry:
    """What to do about findings that one command mends, and by hand about the first of them."""
    first = group[0]
    return Entry(
        first.check,
        like_findings.in_a_list(each.subject for each in group),
        level="unknown" if first.status == "unknown" else level_of(first.severity),
        lead="" if first.remedy.ways else "No command fixes it: the evidence says where to look.",
        lines=(*filter(None, [more]),),
    ).with_remedy(first.remedy.needing(like_findings.others_by_hand(group)))


def texts(complaint: Complaint, findings: Sequence[Finding]) -> Listing:
    """What the pasted text means, and whether the environment shows the same now; never the text itself."""
    entries = []
    for text in complaint.texts:
        names = tuple(f"{what}: {name}" for what, name in text.names)
        current = (current_state(text, findings),) if text.checks else ()
        about = " or ".join(text.checks)
        entries.append(Entry("it says", about, lead=text.meaning, lines=(*names, *current, text.next)))
    if complaint.has_text and not entries:
        entries.append(Entry("not recognised", level="unknown", lead=UNRECOGNISED))
    return Listing("The pasted text", entries, "No text was pasted.")


def unseen(snapshot: Snapshot, findings: Sequence[Finding]) -> Listing:
    """What could not be read, and one IAM policy with all missing permissions."""
    entries = (*permissions_to_ask_for(snapshot), *verify.unknown_entries(findings))
    return Listing("What could not be read", entries, "Everything could be read.")


def permissions_to_ask_for(snapshot: Snapshot) -> tuple[Entry, ...]:
    """The missing permissions with one IAM policy that grants them; () where none is missing."""
    document = permissions.policy(snapshot)
    if not document:
        return ()
    missing = permissions.missing(snapshot)
    count = counted(len(missing), "permission")
    lead = f"Ask for {count} for {snapshot.caller.arn}; this policy grants them for this environment only:"
    return (Entry("permissions", ", ".join(missing), level="unknown", lead=lead, command=document),)


def rest(snapshot: Snapshot, findings: Sequence[Finding]) -> Collapsible:
    """Everything else that was read and found, in a collapsible section."""
    clear = [
        [
            finding.family,
            finding.check,
            finding.status,
            (finding.evidence or (ruled_out_by(finding.check, finding.family),))[0],
        ]
        for finding in findings
        if finding.status in ("clear", "skipped")
    ]
    levels: dict[str, Level] = {"clear": "good", "skipped": "quiet"}
    return Collapsible(
        "Details: all findings, the secret and who uses it, roles, deployments, who changed what",
        (
            verify.findings(findings),
            verify.inventory(snapshot),
            verify.injection_matrix(snapshot),
            verify.permissions(snapshot),
            verify.deployments(snapshot),
            authors(snapshot),
            *([drift.table(snapshot)] if snapshot.checkout else []),
            Table("Clear and skipped checks", ["family", "check", "status", "evidence"], clear, levels),
        ),
    )


def authors(snapshot: Snapshot) -> Table:
    """Who changed the secret lately, according to CloudTrail, newest first."""
    rows = [
        [
            f"{event.time:%Y-%m-%d %H:%M:%S}",
            event.name,
            event.principal,
            snapshot.short(event.version_id) or "—",
            event.error or "—",
        ]
        for event in sorted(snapshot.writes or (), key=lambda event: event.time, reverse=True)
    ]
    known = "CloudTrail was not read." if snapshot.writes is None else "CloudTrail has no recent change."
    empty = " ".join(snapshot.unread("secret", "writes")) or known
    return Table("Who changed the secret", ["time (UTC)", "call", "principal", "version", "error"], rows, None, empty)


def _title(findings: Sequence[Finding]) -> str:
    """One title with the subjects of all its findings."""
    subjects = ", ".join(dict.fromkeys(finding.subject for finding in findings if finding.subject))
    return f"{findings[0].title}: {subjects}" if subjects else findings[0].title


def _none(findings: Sequence[Finding], certain: str, unknown: str) -> str:
    """The sentence for an empty list, which differs where some checks are unknown."""
    return unknown if any(finding.status == "unknown" for finding in findings) else certain


def _machine(workstation: Workstation) -> Entry:
    """The .env on this machine."""
    file, loaded = workstation.dotenv, workstation.settings_result
    state = f"It has {counted(len(file.bindings), 'variable')}, mode {file.mode:o}" if file else "It does not exist"
    result = "" if loaded is None else "; Settings accepts it" if loaded.ok else "; Settings rejects it"
    if workstation.is_code_withheld:
        result = "; Settings were not loaded, since allow_code is not set"
    elif loaded and loaded.obstacle:
        result = "; Settings could not be loaded"
    return Entry("this machine", str(workstation.path), lines=(f"{state}{result}.",))


def _secret(snapshot: Snapshot) -> Entry:
    secret, since = snapshot.secret, freshness.current_since(snapshot)
    if secret is None:
        state = "could not be read" if "secret" in snapshot.gaps else "does not exist"
        return Entry("secret", snapshot.secret_name, lines=(f"It {state}.",))
    version = snapshot.current_id
    current = f"The current version is {version}" if version else "It has no current version"
    when = f", since {since[0]:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    last = next((event for event in snapshot.writes or () if event.version_id == version and not event.error), None)
    who = f", by {last.principal}" if last and version else ""
    return Entry("secret", secret.name, lines=(f"{current}{when}{who}.",))


def _service(snapshot: Snapshot, service: Service) -> Entry:
    running = snapshot.running(service)
    states = [freshness.of(snapshot, task) for task in running]
    counts = ", ".join(f"{states.count(state)} {state}" for state in FRESHNESS if state in states)
    run = verify.running_tasks(snapshot, service)
    lines = [as_sentence(f"{run}: {counts}" if counts else run)]
    failed = snapshot.stopped(service)
    if failed:
        lines.append(f"{counted(len(failed), 'task has', 'tasks have')} failed within about the last hour.")
    return Entry("service", service.name, lines=tuple(lines))


def _of_task(snapshot: Snapshot, task: Task) -> Iterator[str]:
    since = freshness.current_since(snapshot)
    began = f", created {task.created:%Y-%m-%d %H:%M:%S} UTC" if task.created else ""
    yield f"It is {task.status}{began}, of {task.task_definition_arn.rpartition('/')[2]}."
    if task.is_running:
        yield f"It {FRESHNESS[freshness.of(snapshot, task)]}."
    if task.stopped:
        reason = " ".join(task.stopped_reason.split()) or "no reason given"
        yield f"It stopped at {task.stopped:%H:%M:%S} UTC: {reason}."
        yield from (f"That means: {message.meaning}" for message in recognise(task.stopped_reason))
        if since and task.stopped < since[0]:
            yield "That was before the current version was created: the cause may be fixed already."
    read = freshness.read_at(snapshot, task)
    if read:
        versions = " or ".join(snapshot.short(version) for version in freshness.versions_read(snapshot, task))
        yield f"CloudTrail: it read the secret at {read:%H:%M:%S} UTC, version {versions}."
    yield from (snapshot.log_lines or {}).get(task.id, ())
