"""Root causes: each consequence is linked to its cause."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from operator import itemgetter

from omc_runbook.checks import families
from omc_runbook.checks.check import Check, checks_of, run_check
from omc_runbook.checks.families import find
from omc_runbook.diagnosis import acceptance
from omc_runbook.messages.recognition import phrases_in
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import Finding, Remedy, check_ids
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot.state import Snapshot

CHECKS = checks_of(*families.ENVIRONMENT)
REPOSITORY_CHECKS = checks_of(*families.REPOSITORY)
AUDITED_CHECKS = checks_of(*families.AUDITED)
LOCAL_CHECKS = checks_of(*families.MACHINE)
EVERY_CHECK = families.EVERY_CHECK

NOT_SECRETS = frozenset(check.id for check in CHECKS if check.hinders == "tasks")
"""Faults unrelated to secrets that keep tasks from running."""


NAMED_BY_LOGS = frozenset({"value-refused", "store-only"})
"""Checks of values that the log of a failed task names."""
_WHOLE_POLICY = re.compile(r"\baws [^&`]*?(?= --(?:policy-document|resource-policy|policy) )")
"""A command that puts a policy in the place of another, up to the policy itself."""
_NO_POLICY = re.compile(r"\baws (?:iam|secretsmanager) delete-\w+-policy [^&`]*?(?= --region | &|`|\Z)")
"""A command that takes such a policy away."""
_UNDONE = "Another remedy replaces the same policy: run the runbook again before it, or it undoes this one."
_NEW_TASKS = re.compile(
    r"aws ecs update-(?:express-gateway-)?service [^&`]+(?: && aws ecs update-(?:express-gateway-)?service [^&`]+)*"
)
"""A remedy that starts new tasks, some with another setting of the service."""
_THEN_NEW_TASKS = re.compile(rf"[^`]+ && (?:{_NEW_TASKS.pattern})")
"""A remedy that changes something and then starts new tasks."""
_NAMED = 3
"""How many other faults an order names."""
_READ_FIRST = Remedy("Let this run read what it could not, and look again: until then, new tasks may fail again.")
_OF_ANY_SECRET = frozenset({"other-secret-denied"})
"""What ECS refuses in the same words, whichever secret it is."""
_AWS_COMMAND = re.compile(r"(?:^|[`(&] ?)aws [a-z]")
FAILURES = frozenset({"task-exits", "health-check", "rollout-stuck", "breaker-rollback"})
"""Checks of tasks that started and failed, and of their rollouts."""


def diagnose(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Run every check on a snapshot and link causes and consequences; root causes first.

    A finding that runbook.toml accepts is neither. Checks of the application's files and of a developer's machine run
    only where these were read.
    """
    checks = CHECKS if snapshot.caller.account else ()
    checks += REPOSITORY_CHECKS if snapshot.checkout and snapshot.caller.account else ()
    checks += LOCAL_CHECKS if snapshot.workstation else ()
    return _run(checks, snapshot)


def audit(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Run the checks of an audit, and of those on other faults only the secret's own, as `diagnose` does."""
    return _run(AUDITED_CHECKS, snapshot)


def _run(checks: Iterable[Check], snapshot: Snapshot) -> tuple[Finding, ...]:
    findings = [finding for check in checks for finding in run_check(check, snapshot)]
    if snapshot.caller.source:
        findings = [_as_role(finding, snapshot.environment.names.role_arn) for finding in findings]
    return _new_tasks_last(relate(_one_after_another(acceptance.accept(findings, snapshot))))


def _one_after_another(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, each with a warning where another's remedy replaces or deletes the policy that its own puts."""
    commands: dict[str, set[str]] = {}
    for finding in findings:
        command = "" if finding.accepted else finding.remedy.command
        removed = (policy.replace(" delete-", " put-", 1) for policy in _NO_POLICY.findall(command))
        for policy in (*_WHOLE_POLICY.findall(command), *removed):
            commands.setdefault(policy, set()).add(command)
    shared = {policy for policy, different in commands.items() if len(different) > 1}
    return [
        _needing(finding, _UNDONE)
        if not finding.accepted and shared.intersection(_WHOLE_POLICY.findall(finding.remedy.command))
        else finding
        for finding in findings
    ]


def _new_tasks_last(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, each whose remedy starts new tasks with what else keeps such tasks from running."""
    hindrances = [finding for finding in findings if finding.is_unexplained and stops_new_tasks(finding)]
    others = [finding for finding in hindrances if not _NEW_TASKS.fullmatch(finding.remedy.command)]

    by_service = grouped(
        (service, hindrance) for hindrance in enumerate(hindrances) for service in hindrance[1].services
    )
    hindering = {id(hindrance) for hindrance in hindrances}

    def last(finding: Finding) -> Finding:
        if id(finding) in hindering and _THEN_NEW_TASKS.fullmatch(finding.remedy.command):
            return _after_all(finding, by_service)
        if not (finding.is_unexplained and _NEW_TASKS.fullmatch(finding.remedy.command)):
            return finding
        # Two settings of a service, such as its platform version and its network, can be changed in any order.
        before = others if stops_new_tasks(finding) else hindrances
        first = [other for other in before if other.services & finding.services]
        if not first:
            return finding
        services = sorted({service for other in first for service in other.services & finding.services})
        checks, of = ", ".join(check_ids(first)), ", ".join(services)
        order = f"First fix {checks}: new tasks of {of} may fail until then."
        return replace(finding, remedy=replace(finding.remedy, order=order))

    return tuple(map(last, findings))


def _after_all(finding: Finding, by_service: Mapping[str, Sequence[tuple[int, Finding]]]) -> Finding:
    """The finding, whose remedy ends in new tasks, with what else its services' tasks would fail for.

    That is given by service, numbered; enough of it is looked at to name some.
    """
    services = [service for service in sorted(finding.services) if by_service[service][1:]]
    some = {at: each for service in services for at, each in by_service[service][: _NAMED + 2]}
    # What the same run mends, such as two values that were exchanged, is fixed with it.
    same = finding.remedy.invocation
    others = [
        some[at] for at in sorted(some) if some[at] is not finding and (not same or some[at].remedy.invocation != same)
    ]
    if not others:
        return finding
    named = ", ".join(f"{each.check} ({each.subject})" if each.subject else each.check for each in others[:_NAMED])
    more = " and others are" if others[_NAMED:] else " are" if others[1:] else " is"
    order = f"Start tasks last: those of {', '.join(services)} may fail until {named}{more} fixed, too."
    if settings := [each for each in others if _NEW_TASKS.fullmatch(each.remedy.command)]:
        # Such as another platform version: that deployment is also the last step of what must be fixed before it.
        started = sorted({service for each in settings for service in each.services.intersection(services)})
        order += f" The command of {settings[0].check} starts those of {', '.join(started)}: leave them to it."
    return replace(finding, remedy=replace(finding.remedy, order=order))


def stops_new_tasks(finding: Finding) -> bool:
    """Whether a fault keeps new tasks from running, or shows that something does, unlike one that is over."""
    check = find(finding.check, finding.family)
    if check is None or check.needs_new_tasks or finding.severity != "error":
        return False
    return bool(check.hinders or check.hindered_by)


def _as_role(finding: Finding, role: str) -> Finding:
    """The finding with what its remedy's commands of the AWS CLI need, where a role was assumed."""
    if not _AWS_COMMAND.search(finding.remedy.command):
        return finding
    return _needing(finding, f"The AWS CLI needs the sign-in of {role}.")


def _needing(finding: Finding, sentence: str) -> Finding:
    """The finding with a sentence more on what its remedy's command needs."""
    return replace(finding, remedy=finding.remedy.needing(sentence))


def relate(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Link each consequence with its causes, or else with unknown checks that may be; sort findings for reading."""
    problems = [finding for finding in findings if finding.is_problem]
    in_logs = [finding for finding in problems if finding.check in NAMED_BY_LOGS]
    found = _Causes(problems, in_logs)
    unknown = _Causes([finding for finding in findings if finding.status == "unknown"], in_logs)
    causes: dict[int, Sequence[Finding]] = {}
    named_first: set[int] = set()
    for effect in problems:
        causes[id(effect)], is_named = _named_first(effect, found.of(effect))
        named_first |= {id(causes[id(effect)][0])} if is_named else set()
    # A consequence that names none of its causes, such as old values, puts no other one beside one that is named.
    leading = named_first | {id(each[0]) for each in causes.values() if each and named_first.isdisjoint(map(id, each))}
    effects: dict[int, list[Finding]] = {id(cause): [] for cause in problems}
    for effect in problems:
        for cause in causes[id(effect)]:
            effects[id(cause)].append(effect)

    def link(finding: Finding) -> Finding:
        if not finding.is_problem:
            return finding
        because_of = check_ids(causes[id(finding)])
        unread = () if because_of else check_ids(unknown.of(finding))
        cause_of = check_ids(effects[id(finding)])
        remedy = finding.remedy
        if finding.check == "pull-failed" and (likely := _checks_said(finding).intersection(unread)):
            unread = tuple(check for check in unread if check in likely | _OF_ANY_SECRET)
            remedy = _READ_FIRST if _NEW_TASKS.fullmatch(remedy.command) else remedy
        return replace(finding, because_of=because_of, cause_of=cause_of, unread_causes=unread, remedy=remedy)

    leading_first = sorted(findings, key=lambda finding: id(finding) not in leading)
    return tuple(sorted(map(link, leading_first), key=_rank))


def _named_first(effect: Finding, causes: Sequence[Finding]) -> tuple[Sequence[Finding], bool]:
    """The causes of a consequence, those first that its own evidence names, by what ECS or the application said.

    Also whether it names any of several.
    """
    if not causes[1:]:
        return causes, False
    checks = _checks_said(effect)
    ordered = sorted(causes, key=lambda cause: cause.check not in checks)
    return ordered, ordered[0].check in checks


def _checks_said(effect: Finding) -> frozenset[str]:
    """The faults that a consequence's own evidence points at, by what ECS or the application said."""
    return frozenset(check for text in effect.evidence for phrase in phrases_in(text) for check in phrase.checks)


class _Causes:
    """Findings by their checks and subjects, so that each consequence is compared with those alone that may explain it.

    `in_logs` are those whose keys the logs of failed tasks name.
    """

    def __init__(self, findings: Iterable[Finding], in_logs: Sequence[Finding]) -> None:
        self._in_logs = in_logs
        self._findings: dict[tuple[str, str], dict[str, list[tuple[int, Finding]]]] = {}
        for at, finding in enumerate(findings):
            of_check = self._findings.setdefault((finding.check, finding.family), {})
            of_check.setdefault(finding.subject, []).append((at, finding))

        # Many failures have the same services.
        self._keys = cache(self._find_keys)

    def _find_keys(self, services: frozenset[str]) -> frozenset[str]:
        return frozenset(each.subject for each in self._in_logs if each.services & services)

    def of(self, effect: Finding) -> list[Finding]:
        """Those that explain a finding, in their order."""
        consequence = find(effect.check, effect.family)
        if consequence is None:
            return []
        # Where the log names a key, no other key's value made the tasks fail.
        keys = self._keys(effect.services) if effect.check in FAILURES else frozenset[str]()
        causes: list[tuple[int, Finding]] = []
        for (id_, family), by_subject in self._findings.items():
            check = find(id_, family)
            # A .env and a secret share ids, and neither causes the other's faults.
            if check is None or id_ == effect.check or (family == LOCAL) != (effect.family == LOCAL):
                continue
            if not _may_explain(check, consequence, effect):
                continue
            for subject in {effect.subject, "", *effect.stems_from} if consequence.per_subject else by_subject:
                candidates = by_subject.get(subject, ())
                causes += (each for each in candidates if _explains(check, each[1], consequence, effect, keys))
        return [cause for _, cause in sorted(causes, key=itemgetter(0))]


def _may_explain(check: Check, consequence: Check, effect: Finding) -> bool:
    """Whether some finding of a check explains a consequence."""
    is_hindrance = check.hinders in (*consequence.blocked_by, *_hindered_by(consequence, effect))
    return is_hindrance or bool(effect.stems_from) or check.id in consequence.because_of


def _hindered_by(consequence: Check, effect: Finding) -> tuple[str, ...]:
    return consequence.hindered_by if effect.hindered_by is None else effect.hindered_by


def _explains(check: Check, cause: Finding, consequence: Check, effect: Finding, keys: Collection[str]) -> bool:
    # A rollout does not fail by old tasks that ended in another way than its own.
    if check.id in effect.unrelated or effect.check in cause.unrelated:
        return False
    # What one service's tasks were refused for, another's will be too. A warning stops no task, and can be why another
    # location lacks a variable.
    is_obstacle = cause.severity == "error" and check.hinders in ("secret", "value")
    if cause.subject in effect.stems_from and (is_obstacle or "drift" == cause.family == effect.family):
        return True
    if effect.services and cause.services and not (effect.services & cause.services):
        return False
    is_of_all = cause.status == "unknown" and not cause.subject
    if consequence.per_subject and cause.subject not in {effect.subject, *effect.stems_from} and not is_of_all:
        return False
    # What could not be read blocks nothing: the fault stands by itself.
    if check.hinders in consequence.blocked_by and cause.status == "found" and cause.severity == "error":
        return True
    # For the same subject a warning is cause enough; it stops no task.
    is_enough = cause.severity == "error" or consequence.per_subject
    hinders = check.hinders in _hindered_by(consequence, effect) and is_enough
    if hinders and check.hinders == "value" and cause.family == "content" and keys:
        hinders = cause.subject in keys
    return hinders or check.id in consequence.because_of


def rank(finding: Finding) -> tuple[int, int]:
    """The sort key of a finding: by status, causes before consequences, then by severity."""
    status = {"found": 0, "unknown": 1, "clear": 2, "skipped": 3}[finding.status]
    severity = {"error": 0, "warning": 1, "info": 2}[finding.severity]
    # What is accepted comes after everything else that was found.
    return status * 2 + bool(finding.because_of or finding.accepted), severity


def _rank(finding: Finding) -> tuple[int, int, int, bool]:
    # Of causes, those that explain what else is wrong come first.
    return (*rank(finding), len(finding.because_of), not finding.cause_of)
