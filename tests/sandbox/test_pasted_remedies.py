"""Remedies of a fault of each family, carried out as they are printed: the fault is gone."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from support import aws_commands
from support.runs import COMMAND, Desk, client, sign_in

from omc_runbook.diagnosis.complaint import EXEC_FAILS, read_complaint
from omc_runbook.diagnosis.root_causes import audit
from omc_runbook.model.findings import Finding, is_sentence
from omc_runbook.runbooks import troubleshoot
from omc_runbook.sandbox import faults
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.monitoring import TOPIC
from omc_runbook.sandbox.worlds.staging import World

BY_HAND = (
    "previous-pinned",
    "platform-version",
    "kms-pending",
    "identity-deny",
    "sg-egress",
    "desired-zero",
    "exec-iam",
)
"""Faults whose remedy by hand is a command, or a sentence."""
AUDIT = (
    "no-trail",
    "trail-not-logging",
    "trail-one-region",
    "trail-not-validated",
    "trail-without-reads",
    "no-alarm",
    "alarm-off",
    "alarm-to-nobody",
)
"""Faults that an audit finds, and whose remedy by hand is a command."""
PLANS = ("changethis", "not-forced")
"""Faults whose remedy is a runbook that plans."""


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    sign_in(sandbox, monkeypatch)
    return Desk(tmp_path, sandbox)


def look(symptom: str = "") -> tuple[Finding, ...]:
    """What troubleshoot finds, with its plan for a remedy where it has one."""
    run, complaint = troubleshoot.begin("staging"), read_complaint(symptom)
    snapshot = troubleshoot.look(run, complaint)
    findings = troubleshoot.diagnose(snapshot, complaint)
    return troubleshoot.follow(findings, troubleshoot.plan(run, snapshot, findings), snapshot)


def paste(sandbox: Sandbox, line: str) -> None:
    """Make the calls of a line of AWS CLI commands."""
    for call in aws_commands.read_line(line):
        getattr(client(sandbox, call.service), call.operation)(**call.parameters)


@pytest.mark.parametrize("fault", BY_HAND)
def test_the_command_by_hand_mends(fault: str, sandbox: Sandbox, desk: Desk) -> None:
    """Or it is a sentence, where a person has to decide."""
    faults.mend(sandbox.endpoint)
    faults.break_(sandbox.endpoint, fault)
    symptom = EXEC_FAILS if faults.find(fault).family == "exec" else ""
    [cause, *_] = [finding for finding in look(symptom) if finding.check == fault]
    way = cause.remedy.command
    if is_sentence(way):
        assert fault in ("previous-pinned", "identity-deny")
        return
    paste(sandbox, way)
    World(sandbox.endpoint).settle()
    assert not [finding for finding in look(symptom) if finding.check == fault and finding.is_problem]


@pytest.mark.parametrize("fault", AUDIT)
def test_what_an_audit_prints_mends(fault: str, sandbox: Sandbox, desk: Desk) -> None:
    """A trail, or an alarm with a subscriber, is there again; the owner of an address confirms the subscription."""
    faults.mend(sandbox.endpoint)
    faults.break_(sandbox.endpoint, fault)
    target = troubleshoot.begin("staging").target
    [cause] = [finding for finding in audit(target.look(audit_days=90)) if finding.is_root_cause]
    address = "on-call@example.com"
    paste(sandbox, cause.remedy.command.replace("ADDRESS", address))
    if "ADDRESS" in cause.remedy.command:
        client(sandbox, "sns").confirm_subscription(TopicArn=TOPIC, Token=address)
    problems = {finding.check for finding in audit(target.look(audit_days=90)) if finding.is_problem}
    if fault == "no-trail":
        # The new trail has no log group: the alarm needs a rule of EventBridge instead.
        assert problems == {"no-alarm"}
        [cause] = [finding for finding in audit(target.look(audit_days=90)) if finding.is_problem]
        paste(sandbox, cause.remedy.command)
        problems = {finding.check for finding in audit(target.look(audit_days=90)) if finding.is_problem}
    assert problems == set()


@pytest.mark.parametrize("fault", PLANS)
def test_the_plan_is_the_one_recommendation_and_mends(fault: str, sandbox: Sandbox, desk: Desk) -> None:
    """What is printed first applies the plan, and neither the findings nor the last line say anything else."""
    faults.mend(sandbox.endpoint)
    faults.break_(sandbox.endpoint, fault)
    diagnosis = desk.call([str(COMMAND), "run", "troubleshoot", "-p", "environment", "staging", "--summary"])
    lines = diagnosis.stdout.splitlines()
    ways = {line.strip().removeprefix("→ ") for line in lines if line.strip().startswith("→ ")}
    [apply] = {line.strip().removeprefix("Apply it: ") for line in lines if "Apply it: " in line}
    assert ways == {apply} and shlex.split(apply)[-3:] == ["-p", "apply", "true"]
    process = desk.call([str(COMMAND), *shlex.split(apply)[1:]])
    assert process.returncode == 0, process.stdout
    assert not [finding for finding in look() if finding.check == fault and finding.is_problem]


def test_a_file_that_is_missing_is_said_and_then_filled_in(sandbox: Sandbox, desk: Desk) -> None:
    """Pasted as it stands, a remedy that needs a value asks for it in a sentence; with the file it mends."""
    faults.mend(sandbox.endpoint)
    faults.break_(sandbox.endpoint, "weak")
    [cause] = [finding for finding in look() if finding.check == "weak"]
    assert cause.remedy.needs.startswith("PATH is a file with SMTP_PASSWORD=…")
    words = shlex.split(cause.remedy.invocation)[1:]
    refused = desk.call([str(COMMAND), *words])
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr == "error: PATH does not exist: name the file that holds the new values.\n"
    (desk.work / "PATH").write_text(json.dumps({"SMTP_PASSWORD": os.urandom(16).hex()}))
    (desk.work / "PATH").chmod(0o600)
    assert desk.call([str(COMMAND), *words, "-p", "apply", "true"]).returncode == 0
    assert not [finding for finding in look() if finding.check == "weak" and finding.is_problem]


def test_one_remedy_for_several_findings_is_printed_once(sandbox: Sandbox, desk: Desk) -> None:
    """A secret that was made anew leaves eleven references behind, and one command corrects all."""
    faults.mend(sandbox.endpoint)
    faults.break_(sandbox.endpoint, "suffix-stale")
    process = desk.call([str(COMMAND), "run", "verify", "-p", "environment", "staging", "--summary"])
    assert process.stdout.count("suffix-stale: ") > 5
    assert process.stdout.count("→ omc-runbook run troubleshoot -p environment staging") == 1
