"""The answer to a complaint: what is wrong and why that is sure, what it is not, what to do, what was not seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook.aws.ecs import Task
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.checks.look_alikes import alike, place, told_by
from omc_runbook.diagnosis.complaint import Complaint, shown
from omc_runbook.diagnosis.root_causes import NOT_SECRETS
from omc_runbook.model.findings import Finding
from omc_runbook.report import drift, verify
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.collapsible import Folded
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Mood
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot import permissions
from omc_runbook.snapshot.state import Freshness, Snapshot

HOLDS: dict[Freshness, tuple[Mood, str]] = {
    "fresh": ("good", "holds the current values"),
    "stale": ("warning", "holds older values"),
    "undecidable": ("unknown", "may hold the current values or older ones"),
}


def state(snapshot: Snapshot, complaint: Complaint) -> Listing:
    """What was read, in a line for each service that uses the secret, and the task that somebody asked about.

    Raises UsageError where ECS does not tell of that task.
    """
    entries = [_secret(snapshot), *(_service(snapshot, service.name) for service in snapshot.consumers)]
    entries = [*filter(None, [_machine(snapshot)]), *entries]
    task = complaint.task(snapshot)
    if task:
        entries.append(_task(snapshot, task))
    return Listing(f"{snapshot.environment.name} at {snapshot.taken:%Y-%m-%d %H:%M:%S} UTC", entries)


def verdict(snapshot: Snapshot, findings: Sequence[Finding]) -> Banner:
    """In one sentence what is wrong and why that is sure; or that nothing is, with what was checked."""
    roots = [finding for finding in findings if finding.is_root_cause]
    name, unknown = snapshot.environment.name, sum(1 for finding in findings if finding.status == "unknown")
    clear = [finding for finding in findings if finding.status == "clear"]
    families = ", ".join(dict.fromkeys(finding.family for finding in clear))
    checked = f"{len(clear)} checks are clear, of {families}." if clear else "No check is clear."
    count = "1 check" if unknown == 1 else f"{unknown} checks"
    if not roots and unknown:
        also = " and on this machine" if snapshot.workstation else ""
        said = f"What could be seen is well{also}" if clear else "Nothing could be judged"
        return Banner("unsure", f"{said} in {name}: {count} could not be made.", (checked,))
    if not roots:
        also = f", nor with {snapshot.workstation.path}" if snapshot.workstation else ""
        return Banner("good", f"Nothing is wrong with the secrets of {name}{also}.", (checked,))
    first, *others = _alike(roots)
    lines = [f"Also wrong, and not because of it: {_named(other)}." for other in others]
    if all(finding.check in NOT_SECRETS for finding in roots):
        lines.append("This is not a secrets problem. What is to be looked at instead is said below.")
    elif unknown:
        lines.append(f"{count} could not be made, so that there may be more.")
    why = roots[0].evidence[0] if roots[0].evidence else ""
    return Banner("bad", f"{_named(first)}.", tuple(filter(None, (why, *lines))))


def again(done: object | None, snapshot: Snapshot, findings: Sequence[Finding]) -> Banner:
    """The verdict on what was read after a cure; where there was none, that there is nothing to judge anew."""
    if done is None:
        return Banner("plain", "Nothing was changed, so the answer above still holds.")
    return verdict(snapshot, findings)


def evidence(findings: Sequence[Finding]) -> Listing:
    """How each root cause is known: which API said what in which field; and what follows from it."""
    entries = [
        Entry(
            finding.check,
            finding.subject,
            _mood(finding),
            finding.severity,
            f"{finding.title}.",
            (*finding.evidence, *((f"It is the cause of {', '.join(finding.cause_of)}.",) if finding.cause_of else ())),
        )
        for finding in findings
        if finding.is_root_cause
    ]
    return Listing("How that is known", entries, _none(findings, "There is no root cause.", "No root cause was seen."))


def ruled_out(findings: Sequence[Finding]) -> Listing:
    """Of each root cause the faults that look like it, and what tells that it is none of them."""
    answers = {place(finding.check, finding.family): finding for finding in reversed(findings)}
    roots = {place(finding.check, finding.family): finding.check for finding in findings if finding.is_root_cause}
    entries = []
    for at, root in roots.items():
        others = {other: answers[other] for other in alike(at) if other in answers}
        clear = [f"Not {each.check}: {told_by(other)}." for other, each in others.items() if each.status == "clear"]
        unseen = [other.check for other in others.values() if other.status in ("unknown", "skipped")]
        lines = (*clear, *((f"Not looked at: {', '.join(unseen)}.",) if unseen else ()))
        if lines:
            entries.append(Entry(root, "looks like others, and is none of them", lines=lines))
    return Listing("What it is not", entries, "Nothing that could be mistaken for something else.")


def remedies(findings: Sequence[Finding]) -> Listing:
    """What to do about each root cause: a runbook with its parameters filled in, and the same by hand."""
    entries = []
    for finding in findings:
        if finding.is_root_cause:
            command, *others = finding.remedy.ways or ("",)
            lead = "" if command else "The evidence says where to look: no command mends it."
            by_hand = "".join(others)
            entries.append(Entry(finding.check, finding.subject, _mood(finding), "", lead, (), command, by_hand))
    return Listing(
        "What to do", entries, _none(findings, "Nothing has to be done.", "First what could not be looked at, below.")
    )


def texts(complaint: Complaint, findings: Sequence[Finding]) -> Listing:
    """What the pasted text means, and whether the environment shows it now; nothing of the text itself."""
    entries = []
    for text in complaint.texts:
        named = tuple(f"{what}: {name}" for what, name in text.named)
        current = (shown(text, findings),) if text.checks else ()
        about = " or ".join(text.checks)
        entries.append(Entry("it says", about, "quiet", "", text.meaning, (*named, *current, text.next)))
    if complaint.has_text and not entries:
        lead = "Nothing in it is known to be of secrets, of ECS or of the application's start."
        entries.append(Entry("not recognised", mood="unknown", lead=lead))
    return Listing("The text that was pasted", entries, "None was.")


def unseen(snapshot: Snapshot, findings: Sequence[Finding]) -> Listing:
    """What could not be looked at, and one policy with all the permissions that would help."""
    entries = []
    document = permissions.policy(snapshot)
    if document:
        wanted = permissions.wanted(snapshot)
        count = "1 permission is" if len(wanted) == 1 else f"{len(wanted)} permissions are"
        lead = f"{count} to be asked for, for {snapshot.caller.arn}; this policy has them, for this environment alone:"
        entries.append(Entry("permissions", ", ".join(wanted), "unknown", "", lead, (), document))
    entries += verify.unknown_entries(findings)
    return Listing("What could not be looked at", entries, "Everything could be looked at.")


def rest(snapshot: Snapshot, findings: Sequence[Finding]) -> Folded:
    """All else that was read and found, folded away."""
    clear = [
        [
            finding.family,
            finding.check,
            finding.status,
            (finding.evidence or (told_by(place(finding.check, finding.family)),))[0],
        ]
        for finding in findings
        if finding.status in ("clear", "skipped")
    ]
    moods: dict[str, Mood] = {"clear": "good", "skipped": "quiet"}
    return Folded(
        "All the rest: every finding, the secret and who uses it, roles, deployments, who changed what",
        (
            verify.findings([finding for finding in findings if finding.status != "unknown"]),
            verify.inventory(snapshot),
            verify.injection_matrix(snapshot),
            verify.permissions(snapshot),
            verify.deployments(snapshot),
            authors(snapshot),
            *([drift.table(snapshot)] if snapshot.checkout else []),
            Table("Clear and skipped checks", ["family", "check", "status", "what tells"], clear, moods),
        ),
    )


def authors(snapshot: Snapshot) -> Table:
    """Who changed the secret lately, newest first, by CloudTrail."""
    rows = [
        [
            f"{event.time:%Y-%m-%d %H:%M:%S}",
            event.name,
            event.principal,
            event.version_id[:8] or "—",
            event.error or "—",
        ]
        for event in sorted(snapshot.writes or (), key=lambda event: event.time, reverse=True)
    ]
    unasked = snapshot.writes is None
    empty = "CloudTrail was not asked, or may not be." if unasked else "CloudTrail tells of no change lately."
    return Table("Who changed the secret", ["when (UTC)", "call", "who", "version", "refused"], rows, None, empty)


def _alike(findings: Sequence[Finding]) -> list[list[Finding]]:
    """The findings with those of one title together, each where the first of them stands."""
    by_title: dict[str, list[Finding]] = {}
    for finding in findings:
        by_title.setdefault(finding.title, []).append(finding)
    return list(by_title.values())


def _named(findings: Sequence[Finding]) -> str:
    """One title with all its subjects."""
    subjects = ", ".join(dict.fromkeys(finding.subject for finding in findings if finding.subject))
    return f"{findings[0].title}: {subjects}" if subjects else findings[0].title


def _none(findings: Sequence[Finding], known: str, unknown: str) -> str:
    """What is said where there is nothing to tell: something else where not all could be seen."""
    return unknown if any(finding.status == "unknown" for finding in findings) else known


def _mood(finding: Finding) -> Mood:
    return verify.WEIGHTS.get(finding.severity, "quiet")


def _machine(snapshot: Snapshot) -> Entry | None:
    """The .env on this machine, where that was looked at."""
    place = snapshot.workstation
    if place is None:
        return None
    there = (
        f"It has {len(place.dotenv.bindings)} variables, mode {place.dotenv.mode:o}"
        if place.dotenv
        else "There is none"
    )
    result = place.settings_result
    tried = "" if result is None else "; Settings takes it" if result.ok else "; Settings does not take it"
    if result and result.obstacle:
        tried = "; Settings could not be tried"
    return Entry("this machine", str(place.path), lines=(f"{there}{tried}.",))


def _secret(snapshot: Snapshot) -> Entry:
    secret, since = snapshot.secret, snapshot.current_since
    if secret is None:
        there = "could not be read" if "secret" in snapshot.gaps else "does not exist"
        return Entry("secret", snapshot.secret_name, lines=(f"It {there}.",))
    version = secret.version_at(CURRENT)
    current = f"The current version is {version}" if version else "It has no current version"
    when = f", since {since[0]:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    last = next((event for event in snapshot.writes or () if event.version_id == version and not event.error), None)
    who = f", by {last.principal}" if last and version else ""
    return Entry("secret", secret.name, lines=(f"{current}{when}{who}.",))


def _service(snapshot: Snapshot, name: str) -> Entry:
    service = next(found for found in snapshot.services if found.name == name)
    running = snapshot.running(service)
    held = [snapshot.standing(service, task) for task in running]
    counts = ", ".join(f"{held.count(word)} {word}" for word in HOLDS if word in held)
    lines = [f"{len(running)} of {service.desired} tasks run{f': {counts}' if counts else ''}."]
    failed = snapshot.stopped(service)
    if failed:
        count = "1 task has" if len(failed) == 1 else f"{len(failed)} tasks have"
        lines.append(f"{count} failed within about the last hour.")
    return Entry("service", name, lines=tuple(lines))


def _task(snapshot: Snapshot, task: Task) -> Entry:
    return Entry(f"task {task.id[:8]}", task.service, lines=tuple(_of_task(snapshot, task)))


def _of_task(snapshot: Snapshot, task: Task) -> Iterator[str]:
    since = snapshot.current_since
    began = f", created {task.created:%Y-%m-%d %H:%M:%S} UTC" if task.created else ""
    yield f"It is {task.status}{began}, of {task.task_definition_arn.rpartition('/')[2]}."
    if task.is_running:
        yield f"It {HOLDS[snapshot.freshness(task)][1]}."
    if task.stopped:
        reason = " ".join(task.stopped_reason.split()) or "no reason given"
        yield f"It stopped at {task.stopped:%H:%M:%S} UTC: {reason}."
        if since and task.stopped < since[0]:
            yield "That was before the current version came: the evidence is stale, the cause may be mended already."
    read = snapshot.read_at(task)
    if read:
        yield f"CloudTrail: it read the secret at {read:%H:%M:%S} UTC, version {snapshot.held_version(task)[:8]}."
    yield from (snapshot.words or {}).get(task.id, ())
