"""What is worth a message after a run, compared with what was open before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from support.outcomes import NOW, an_outcome

from omc_runbook.headless.news import Notice, Open, Standing, compare
from omc_runbook.model import unread_target
from omc_runbook.model.environment import load
from omc_runbook.model.findings import AUDIT, FLEET, Finding, Outcome, Remedy, merge_reads
from omc_runbook.report import fleet
from omc_runbook.report.audit import merge
from omc_runbook.report.fleet import EnvironmentRun, Runs

REMIND_DAYS = (1, 7, 30)


def _finding(check: str, status: str = "found", **members: object) -> Finding:
    common = {"family": "access", "title": f"Title of {check}", "subject": "backend"}
    return Finding(check=check, status=status, **{**common, **members})  # type: ignore[arg-type]


def _run(day: float, *findings: Finding, failure: str = "") -> Outcome:
    return an_outcome(findings=findings, failure=failure, finished=NOW + timedelta(days=day))


def _tell(runs: Sequence[Outcome]) -> list[tuple[Notice, ...]]:
    """The messages of each of several runs, one after the other."""
    standing: Standing = {}
    by_run = []
    for run in runs:
        messages, standing = compare(run, standing, REMIND_DAYS)
        by_run.append(messages)
    return by_run


def _titles(*runs: Outcome) -> list[list[str]]:
    return [[message.title.partition(": ")[2] for message in messages] for messages in _tell(runs)]


def test_each_change_is_one_message_and_what_stays_is_none() -> None:
    """ok, findings, the same, worse, better, ok."""
    one, two = _finding("no-permission"), _finding("stale-tasks")
    assert _titles(_run(0), _run(0.1, one), _run(0.2, one), _run(0.3, two, one), _run(0.4, one), _run(0.5)) == [
        [],
        ["no-permission"],
        [],
        ["new: stale-tasks"],
        ["1 resolved, still no-permission"],
        ["resolved"],
    ]


@pytest.mark.parametrize("environment", ["", "Blue_2.x: "])
def test_a_new_revision_has_the_problems_of_the_former(environment: str) -> None:
    """It is no new problem, and none is resolved; that of another variable is new."""
    problem = "plain-secret", "one-2:{} app STRIPE_KEY"
    first, second = (_finding(problem[0], subject=environment + problem[1].format(number)) for number in (7, 8))
    other = _finding(problem[0], subject=f"{environment}one-2:8 app OTHER_KEY")
    assert _titles(_run(0, first), _run(0.1, second), _run(0.2, second, other))[1:] == [[], ["new: plain-secret"]]


def test_what_is_due_together_is_as_old_as_the_oldest() -> None:
    """One message for both."""
    one, two = _finding("no-permission"), _finding("stale-tasks")
    assert _titles(_run(0, one), _run(6, one, two), _run(7, one, two))[-1] == [
        "open for 7 days: no-permission, stale-tasks"
    ]


def test_what_is_new_is_listed_first() -> None:
    """Then what was open, with for how long."""
    one, two = _finding("no-permission"), _finding("stale-tasks", severity="warning")
    (message,) = _tell([_run(0, one), _run(3, one), _run(4, one, two)])[-1]
    assert message.lines == (
        "New: stale-tasks: Title of stale-tasks — backend",
        "Open for 4 days: no-permission: Title of no-permission — backend",
    )


def test_what_to_do_comes_last() -> None:
    """Each way once, as long as a problem is open that it is for."""
    way = Remedy(runbook="troubleshoot", parameters={"environment": "staging"}, command="aws iam put-role-policy")
    one, two = _finding("no-permission", remedy=way), _finding("key-missing", remedy=way)
    caused = _finding("stale-tasks", remedy=Remedy(runbook="rotate"), because_of=("no-permission",))
    command = "→ omc-runbook run troubleshoot -p environment staging"
    lines_by_run = [messages[0].lines for messages in _tell([_run(0, one, two, caused), _run(1, one), _run(2)])]
    assert [[line for line in lines if line.startswith("→")] for lines in lines_by_run] == [[command], [command], []]
    assert lines_by_run[0][-1] == lines_by_run[1][-1] == command


def test_an_open_problem_is_mentioned_again_and_more_urgently() -> None:
    """Once after each of the days, also where runs in between are missing."""
    one = _finding("no-permission")
    by_run = _tell([_run(day, one) for day in (0, 0.9, 1.1, 2, 8, 9, 31, 99)])
    assert [[message.urgency for message in messages] for messages in by_run] == [
        ["failure"],
        [],
        ["warning"],
        [],
        ["failure"],
        [],
        ["failure"],
        [],
    ]
    assert by_run[4][0].title == "verify on staging: open for 8 days: no-permission"


def test_each_problem_has_its_own_reminders() -> None:
    """Whatever has been open for longer, and was mentioned for the last time; their message names what is due."""
    old, young = _finding("no-permission"), _finding("stale-tasks")
    days = (0, 1, 7, 30, 31, 32, 33, 38, 61)
    assert _titles(*(_run(day, old, *([young] if day > 30 else [])) for day in days)) == [
        ["no-permission"],
        ["open for 1 day: no-permission"],
        ["open for 7 days: no-permission"],
        ["open for 30 days: no-permission"],
        ["new: stale-tasks"],
        ["open for 1 day: stale-tasks"],
        [],
        ["open for 7 days: stale-tasks"],
        ["open for 30 days: stale-tasks"],
    ]


def test_a_clock_that_was_ahead_puts_no_reminder_off() -> None:
    """What was found in the future is open since the next run at the latest."""
    one = _finding("no-permission")
    by_run = _tell([_run(day, one) for day in (400, 0, 1.1, 8)])
    assert [[message.urgency for message in messages] for messages in by_run] == [
        ["failure"],
        [],
        ["warning"],
        ["failure"],
    ]


def test_a_new_problem_reminds_of_the_old_one_as_well() -> None:
    """Its message has the others with their days, so that no reminder follows on its heels."""
    one, two = _finding("no-permission"), _finding("stale-tasks")
    assert _titles(_run(0, one), _run(1.5, one, two), _run(1.6, one, two)) == [
        ["no-permission"],
        ["new: stale-tasks"],
        [],
    ]


def test_a_run_that_could_not_look_is_another_topic() -> None:
    """It is reported once, whatever the reason, and so is the first one that can look again."""
    denied = _finding("no-permission", "unknown", evidence=("The permission iam:GetRole is missing.",))
    throttled = _finding("no-permission", "unknown", evidence=("Throttled.",))
    by_run = _tell([_run(0), _run(1, denied), _run(1.1, throttled), _run(1.2), _run(1.3)])
    assert [[(message.topic, message.title) for message in messages] for messages in by_run] == [
        [],
        [("unknown", "verify on staging: could not look")],
        [],
        [("unknown", "verify on staging: can look again")],
        [],
    ]
    assert by_run[1][0].lines == ("New: The permission iam:GetRole is missing.",)
    (message,) = _tell([_run(0, denied, throttled, failure="Not looked at: qa.")])[0]
    assert message.lines == ("New: Not looked at: qa; The permission iam:GetRole is missing; Throttled.",)


@pytest.mark.parametrize(
    "blind",
    [
        pytest.param(_run(1, _finding("no-permission", "unknown", evidence=("Denied.",))), id="the check is unknown"),
        pytest.param(
            _run(1, _finding("no-permission", "skipped"), _finding("kms-denied", "unknown", evidence=("Denied.",))),
            id="the check is skipped",
        ),
        pytest.param(
            _run(1, _finding("scp", "clear"), _finding("kms-denied", "unknown", evidence=("Denied.",))),
            id="the check was not made",
        ),
        pytest.param(_run(1, failure="The AWS sign-in has expired."), id="the run failed"),
    ],
)
def test_what_was_not_looked_at_is_not_resolved(blind: Outcome) -> None:
    """A problem stays open through a run that did not look, and is not new in the next one."""
    one = _finding("no-permission")
    assert _titles(_run(0, one), blind, _run(1.1, one)) == [
        ["no-permission"],
        ["open for 1 day: no-permission", "could not look"],
        ["can look again"],
    ]


def _fleet(day: float, runs: Runs, *names: str, failure: str = "") -> Outcome:
    """A run of fleet on environments of these names, or on those that it has results of."""
    environments = [load(name, may_be_new=True) for name in names or runs]
    return an_outcome(
        runbook=FLEET,
        finished=NOW + timedelta(days=day),
        findings=fleet.findings(runs),
        failure=failure or fleet.failure(runs),
        targets=fleet.targets(environments, runs),
    )


BROKEN = EnvironmentRun(outcome=_run(0, _finding("no-permission")))
WELL = EnvironmentRun(outcome=_run(0, _finding("no-permission", "clear")))
SKIPPED = EnvironmentRun(outcome=_run(0, _finding("no-permission", "skipped", subject="")))
OTHER = EnvironmentRun(outcome=_run(0, _finding("scp", "clear")))
BLIND = EnvironmentRun(outcome=_run(0, _finding("no-permission", "unknown", evidence=("Denied.",))))


@pytest.mark.parametrize(
    "blind",
    [
        pytest.param(
            _fleet(0.1, {"staging": WELL, "production": EnvironmentRun(failure="No answer within 120 s.")}),
            id="it gave no answer",
        ),
        pytest.param(_fleet(0.1, {"staging": WELL, "production": BLIND}), id="its check is unknown"),
        pytest.param(_fleet(0.1, {"staging": WELL}, failure="Not searched."), id="discovery did not find it"),
        pytest.param(_fleet(0.1, {"staging": WELL}), id="it was not asked for"),
        pytest.param(_fleet(0.1, {"staging": WELL, "production": SKIPPED}), id="it had nothing to check"),
        pytest.param(_fleet(0.1, {"staging": SKIPPED, "production": SKIPPED}), id="none had anything to check"),
        pytest.param(_fleet(0.1, {"staging": OTHER, "production": OTHER}), id="its check was not made"),
        pytest.param(_fleet(0.1, {}, "staging", "production", failure="Killed."), id="the run broke off"),
    ],
)
def test_what_is_clear_in_one_environment_is_not_resolved_in_another(blind: Outcome) -> None:
    """Its problem is open until that environment was looked at again."""
    before, after = {"staging": WELL, "production": BROKEN}, {"staging": WELL, "production": WELL}
    messages = _tell([_fleet(0, before), blind, _fleet(0.2, after)])
    lines = [[line for each in of_run if each.topic == "findings" for line in each.lines] for of_run in messages]
    name = "no-permission: production: backend"
    assert lines[1:] == [[], [f"Resolved: {name}"]]


UNREAD = EnvironmentRun(failure="Refused.")


def _unknown(*runs: Outcome) -> list[list[tuple[str, tuple[str, ...]]]]:
    """Title and lines of each run's messages on what could not be looked at."""
    return [
        [(each.title.partition(": ")[2], each.lines) for each in of_run if each.topic == "unknown"]
        for of_run in _tell(runs)
    ]


def test_each_environment_that_cannot_be_looked_at_is_told() -> None:
    """Also where another one could not be looked at before; and each that can be looked at again."""
    assert _unknown(
        _fleet(0, {"qa": UNREAD, "dev": WELL}),
        _fleet(0.1, {"qa": UNREAD, "dev": BLIND}),
        _fleet(0.2, {"qa": UNREAD, "dev": BLIND}),
        _fleet(0.3, {"qa": UNREAD, "dev": WELL}),
        _fleet(0.4, {"qa": WELL, "dev": WELL}),
    ) == [
        [("could not look", ("New: qa: Refused.",))],
        [("could not look", ("New: dev: Denied.", "Open for less than a day: qa: Refused."))],
        [],
        [
            (
                "can look again at 1, still not at 1",
                ("Open for less than a day: qa: Refused.", "Can look again: dev"),
            )
        ],
        [("can look again", ("Can look again: qa",))],
    ]


def _blind(check: str, *reasons: str) -> Finding:
    return _finding(check, "unknown", evidence=reasons)


@pytest.mark.parametrize("is_fleet", [False, True])
def test_a_check_that_cannot_be_made_any_more_either_is_told(is_fleet: bool) -> None:
    """A permission may be missing for months: that must not hide that another one is."""
    head = "qa: " if is_fleet else ""

    def run(day: float, *findings: Finding) -> Outcome:
        return _fleet(day, {"qa": EnvironmentRun(outcome=_run(0, *findings))}) if is_fleet else _run(day, *findings)

    old, new = _blind("scp", "No IAM."), _blind("key-missing", "No IAM.", "No value.")
    assert _unknown(run(0, old), run(9, old), run(9.1, old, new), run(9.2, new, old), run(9.3, old)) == [
        [("could not look", (f"New: {head}No IAM.",))],
        [("could not look for 9 days", (f"Open for 9 days: {head}No IAM.",))],
        [("could not look", (f"New: {head}No IAM; No value.",))],
        [],
        [],
    ]
    other = _blind("key-missing", "No value.")
    assert _unknown(run(0, old), run(2, old, other))[1] == [
        ("could not look", (f"New: {head}No value.", f"Open for 2 days: {head}No IAM."))
    ]


def test_a_fleet_that_looked_at_others_remembers_which_checks_could_not_be_made() -> None:
    """The next run on all of them tells nothing again."""
    dev, qa = EnvironmentRun(outcome=_run(0, _blind("scp", "No IAM."))), {"qa": WELL}
    *_, last = _unknown(_fleet(0, {"dev": dev}), _fleet(0.1, qa), _fleet(0.2, {"dev": dev, **qa}))
    assert last == []


def test_a_reason_of_several_checks_is_told_once() -> None:
    """Checks need different reads, and an outage fails them all."""
    findings = (_blind("scp", "No services.", "No value."), _blind("weak", "No value."), _blind("bom", "No services."))
    assert _unknown(_run(0, *findings)) == [[("could not look", ("New: No services; No value.",))]]


def test_a_fleet_that_broke_off_names_no_environment() -> None:
    """It was on all of runbook.toml, and its parameter has the default of one."""
    broken_off = Outcome.of_failure(FLEET, "staging", NOW, "No sign-in.")
    assert _tell([broken_off])[0][0].title == "fleet: could not look"


def test_a_reason_that_ends_with_a_question_has_no_full_stop() -> None:
    """Such as one with the nearest name."""
    assert _unknown(_run(0, failure="Environment qa is unknown: did you mean q?")) == [
        [("could not look", ("New: Environment qa is unknown: did you mean q?",))]
    ]


@pytest.mark.parametrize(
    ("partly", "wholly", "line"),
    [
        (
            _run(0, _finding("no-permission", "unknown", evidence=("Denied.",))),
            _run(0, failure="The sign-in has expired."),
            "New: The sign-in has expired.",
        ),
        (_fleet(0, {"qa": BLIND, "dev": WELL}), _fleet(0, {"qa": UNREAD, "dev": WELL}), "New: qa: Refused."),
    ],
)
def test_what_cannot_be_looked_at_at_all_is_told_after_a_part_of_it(
    partly: Outcome, wholly: Outcome, line: str
) -> None:
    """A permission may be missing for months; the way back to that is no news, and no end of it."""
    days = [(partly, 0), (partly, 40), (wholly, 41), (wholly, 41.1), (partly, 41.2), (partly, 41.3), (wholly, 41.4)]
    by_run = _unknown(*(replace(outcome, finished=NOW + timedelta(days=day)) for outcome, day in days))
    assert [[title for title, _ in of_run] for of_run in by_run] == [
        ["could not look"],
        ["could not look for 40 days"],
        ["could not look"],
        [],
        [],
        [],
        ["could not look"],
    ]
    assert by_run[2][0][1] == (line,)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(_fleet(1, {"dev": WELL}), id="it was not asked for"),
        pytest.param(_fleet(1, {}, "dev", "qa", failure="Killed."), id="the run broke off"),
    ],
)
def test_an_environment_that_was_not_looked_at_cannot_be_looked_at_again(other: Outcome) -> None:
    """Whatever a run on the others finds."""
    *_, of_other, of_same, of_last = _unknown(
        _fleet(0, {"dev": WELL, "qa": UNREAD}), other, _fleet(1.1, {"dev": WELL}), _fleet(1.2, {"qa": WELL})
    )
    assert "Open for 1 day: qa: not looked at." in of_other[0][1]
    assert not any("qa" in line for _, lines in of_same for line in lines if line.startswith("Can look again"))
    assert of_last == [("can look again", ("Can look again: qa",))]


def test_what_stands_in_the_way_of_no_environment_is_told_without_one() -> None:
    """Such as a record that is not where it should be, or a place that could not be searched."""
    outcome = _fleet(0, {"qa": WELL}, failure="qa: its record could not be uploaded.")
    assert _unknown(outcome) == [[("could not look", ("New: qa: its record could not be uploaded.",))]]


def test_what_is_clear_in_an_environment_is_resolved_whatever_others_have() -> None:
    """Where another one could not be looked at, has the same problem, or does not know."""
    others = {"found": BROKEN, "unread": EnvironmentRun(failure="No."), "blind": BLIND}
    messages = _tell([_fleet(0, {**others, "qa": BROKEN}), _fleet(0.1, {**others, "qa": WELL})])[1]
    assert [each.lines[-1] for each in messages] == ["Resolved: no-permission: qa: backend"]


@pytest.mark.parametrize(
    ("status", "expected"), [("clear", ["Resolved: scp: qa: backend"]), ("unknown", []), ("skipped", [])]
)
def test_an_audit_of_several_resolves_what_is_clear_in_an_environment(status: str, expected: list[str]) -> None:
    """Also where a check could not be made in another one."""

    def audit(day: float, status: str) -> Outcome:
        found = {"staging": (_finding("scp", "unknown", evidence=("Denied.",)),), "qa": (_finding("scp", status),)}
        runs = {name: EnvironmentRun(outcome=_run(day, *own)) for name, own in found.items()}
        targets = fleet.targets([load(name, may_be_new=True) for name in runs], runs)
        return replace(_run(day, *merge(found)), runbook=AUDIT, where="staging, qa", targets=targets)

    messages = _tell([audit(0, "found"), audit(0.1, status)])[1]
    assert [line for each in messages if each.topic == "findings" for line in each.lines] == expected


def test_a_message_names_reads_that_failed_in_the_same_way_together() -> None:
    """An environment that AWS throttles has ten of them; what fails in another way is a reason of its own."""
    reads = ("secret x", "the services of y", "the tasks of y")
    reasons = tuple(f"Could not read {each}: Throttling outlasted the retries." for each in reads)
    other = "Could not read role z: the permission iam:GetRole is missing."
    findings = (_finding("a", "unknown", evidence=reasons[:2]), _finding("b", "unknown", evidence=(reasons[2], other)))
    (((message,)),) = _tell([_run(0, *findings)])
    assert message.lines == (
        "New: Could not read secret x, the services of y, the tasks of y: Throttling outlasted the retries; Could not"
        " read role z: the permission iam:GetRole is missing.",
    )


def test_a_failure_without_a_name_is_merged_with_the_reads_that_failed_so() -> None:
    """Its sentence says no more than theirs."""
    sentences = ("There was no answer.", "Could not read secret x: There was no answer.")
    for each in (sentences, sentences[::-1]):
        assert merge_reads(each) == ["Could not read secret x: There was no answer."]
    assert merge_reads(sentences[:1]) == ["There was no answer."]


def test_a_network_that_is_gone_is_told_once() -> None:
    """With each call that it kept from an answer; an address of each service says no more."""
    begin, end = "AWS cannot be reached: ", "Check the network, then run again."
    sentences = [
        f'Could not read {what}: {begin}{call} has no answer. {why} endpoint URL: "https://{call[:3]}/". {end}'
        for what, call, why in (
            ("secret x", "secretsmanager:DescribeSecret", "Read timeout on"),
            ("the services of y", "ecs:DescribeServices", "Read timeout on"),
            ("role z", "iam:GetRole", "Could not connect to the"),
        )
    ]
    assert merge_reads(sentences) == [
        "Could not read secret x (secretsmanager:DescribeSecret), the services of y (ecs:DescribeServices): AWS cannot"
        f" be reached. Read timeout. {end}",
        f"Could not read role z (iam:GetRole): AWS cannot be reached. Could not connect. {end}",
    ]


def test_an_audit_says_of_which_of_several_environments_nothing_is_known_and_when_that_ends() -> None:
    """What was open there stays open and is not new afterwards; what another one has is reported meanwhile."""

    def audit(day: float, **found: Finding) -> Outcome:
        runs = {name: EnvironmentRun(outcome=_run(day, each)) for name, each in found.items()}
        targets = fleet.targets([load(name, may_be_new=True) for name in found], runs)
        body = merge({name: (each,) for name, each in found.items()})
        return replace(_run(day, *body), runbook=AUDIT, where="staging, qa", targets=targets)

    dark, other = unread_target.unread("qa: The sign-in has expired.", Remedy()), _finding("key-missing")
    broken_off = Outcome.of_failure(AUDIT, "staging,qa", NOW, "staging: No answer.")
    whole = replace(broken_off, finished=NOW + timedelta(days=1.5))
    runs = [audit(0, staging=_finding("scp", "clear"), qa=_finding("scp")), audit(1, staging=other, qa=dark)]
    runs += [whole, audit(2, staging=other, qa=dark), audit(3, staging=other, qa=_finding("scp"))]
    by_run = [[(each.topic, each.lines) for each in messages] for messages in _tell(runs)]
    assert by_run[0] == [("findings", ("New: scp: Title of scp — qa: backend",))]
    assert by_run[1] == [
        (
            "findings",
            (
                "New: key-missing: Title of key-missing — staging: backend",
                "Open for 1 day: scp: qa: backend",
            ),
        ),
        ("unknown", ("New: qa: The sign-in has expired.",)),
    ]
    assert [lines[0] for _, lines in by_run[2]] == ["New: staging: No answer."]
    assert [(topic, lines[-1]) for topic, lines in by_run[4]] == [("unknown", "Can look again: qa")]


@pytest.mark.parametrize(
    ("check", "day", "days", "expected"),
    [
        pytest.param("new-reader", 0.1, 1, [], id="an audit of fewer days does not see the call"),
        pytest.param("new-reader", 6.4, 1, [], id="nor does the one of more days"),
        pytest.param("new-reader", 0.1, 30, ["resolved"], id="what is recent is as long in both"),
        pytest.param("new-reader", 6.6, 1, ["resolved"], id="one of more days would not find it any more"),
        pytest.param("human-read-production", 0.1, 30, [], id="a call of any age"),
        pytest.param("human-read-production", 0.1, 90, ["resolved"], id="an audit of as many days"),
        pytest.param("unused-reader", 0.1, 30, [], id="too few days to see who reads other secrets"),
        pytest.param("unused-reader", 0.1, 400, ["resolved"], id="more days than it takes"),
        pytest.param("no-trail", 0.1, 1, ["resolved"], id="a problem that is no call"),
    ],
)
def test_calls_that_are_too_old_for_a_shorter_audit_are_not_resolved(
    check: str, day: float, days: int, expected: list[str]
) -> None:
    """An audit of more days found them, and finds them again: that is no news."""
    found, after = _finding(check), replace(_run(day, _finding(check, "clear")), runbook=AUDIT, days=days)
    runs = [replace(_run(0, found), runbook=AUDIT, days=90), after, replace(_run(day, found), runbook=AUDIT, days=90)]
    _, standing = compare(runs[0], {}, ())
    titles = []
    for run in runs[1:]:
        standing = {topic: Open.from_json(each.to_json()) for topic, each in standing.items()}
        messages, standing = compare(run, standing, ())
        titles += [message.title.partition(": ")[2] for message in messages]
    assert titles == (expected and [*expected, check])


def test_a_problem_that_becomes_a_consequence_is_not_resolved() -> None:
    """It is still there, and open since its beginning."""
    alone = _finding("no-permission")
    because = _finding("no-permission", because_of=("secret-missing",))
    by_run = _tell([_run(0, alone), _run(2, _finding("secret-missing"), because)])
    assert by_run[1][0].lines == (
        "New: secret-missing: Title of secret-missing — backend",
        "Open for 2 days: no-permission: Title of no-permission — backend",
    )


@pytest.mark.parametrize(
    "members",
    [{"severity": "info"}, {"accepted": "Accepted: a test."}, {"because_of": ("secret-missing",)}],
    ids=["remark", "accepted", "consequence"],
)
def test_only_root_causes_are_told(members: dict[str, object]) -> None:
    """Remarks, accepted findings and consequences are in the record."""
    assert _titles(_run(0, _finding("no-permission", **members))) == [[]]


def test_what_is_accepted_is_not_resolved() -> None:
    """It is still there; a message says since when nobody counts it, and until when."""
    one, two = _finding("desired-zero"), _finding("no-permission")
    accepted = _finding("desired-zero", accepted="Accepted until 2027-06-30: night.")
    by_run = _tell(
        [_run(0, one, two), _run(0.1, accepted, two), _run(0.2, accepted), _run(0.3, one), _run(0.4, accepted)]
    )
    assert [[message.title.partition(": ")[2] for message in messages] for messages in by_run[1:]] == [
        ["1 accepted, still no-permission"],
        ["resolved"],
        ["desired-zero"],
        ["accepted"],
    ]
    assert by_run[1][0].lines[-1] == by_run[4][0].lines[-1]
    assert by_run[4][0].lines == ("desired-zero: backend. Accepted until 2027-06-30: night.",)


def test_what_is_open_survives_its_json() -> None:
    """It is kept between runs."""
    standing = Open({"no-permission: backend": NOW}, {"no-permission: backend": 7})
    assert Open.from_json(standing.to_json()) == standing
    assert Open.from_json({**standing.to_json(), "reminded": 7}) == standing
    own = replace(standing, checks={"unseen in part": frozenset({"scp"})}, last_found={"no-permission: backend": NOW})
    missed = Open(missed_by={"env:OPS_WEBHOOK": own})
    assert Open.from_json(missed.to_json()) == missed


def test_a_run_that_is_overtaken_forgets_no_check_that_could_not_be_made() -> None:
    """Another one that cannot be made in the next run either is reported."""
    old, new = _blind("scp", "No IAM."), _blind("key-missing", "No value.")
    _, standing = compare(_run(0.05, old), {}, REMIND_DAYS)
    messages, standing = compare(_run(0.1), standing, REMIND_DAYS, present=NOW + timedelta(days=0.1))
    assert messages == ()
    ((message,), _) = compare(_run(0.2, old, new), standing, REMIND_DAYS)
    assert message.lines[0] == "New: No value."
