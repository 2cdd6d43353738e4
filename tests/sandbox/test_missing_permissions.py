"""The policy with which one asks for missing permissions: to copy, and enough once it is attached."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from support.paths import ROOT
from support.runs import client, sign_in

from omc_runbook.diagnosis import complaint
from omc_runbook.report import troubleshoot as report
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import troubleshoot
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.snapshot import permissions
from omc_runbook.snapshot.state import Snapshot

USER = "newcomer"


@pytest.fixture
def attach(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], object]]:
    """Go on as a user without a permission; gives what attaches a policy to that user."""
    iam = client(sandbox, "iam")
    iam.create_user(UserName=USER)
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    sign_in(sandbox, monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    yield lambda text: iam.put_user_policy(UserName=USER, PolicyName="asked-for", PolicyDocument=text)
    for policy in iam.list_user_policies(UserName=USER)["PolicyNames"]:
        iam.delete_user_policy(UserName=USER, PolicyName=policy)
    iam.delete_access_key(UserName=USER, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=USER)


def troubleshoot_snapshot() -> Snapshot:
    return troubleshoot.look(troubleshoot.begin("staging"), complaint.read_complaint())


def test_the_policy_that_is_shown_suffices(attach: Callable[[str], object]) -> None:
    """One policy names everything: attached as it is, it leaves nothing unread, and allows nothing else."""
    before = troubleshoot_snapshot()
    [entry, *_] = report.unseen(before, runbooks_run.diagnose(before)).entries
    document = json.loads(entry.command)
    actions = {action for statement in document["Statement"] for action in statement["Action"]}
    assert not any(re.search(r":(Put|Update|Delete|Create|Register|Tag)|\*", action) for action in actions)
    attach(entry.command)
    after = troubleshoot_snapshot()
    assert permissions.denied(after) == () == permissions.missing(after)
    assert not [finding.check for finding in runbooks_run.diagnose(after) if finding.status == "unknown"]


def test_the_policy_of_the_readme_suffices_for_verify(attach: Callable[[str], object]) -> None:
    """What one copies before the first run; less than troubleshoot needs."""
    [text] = re.findall(r"```json\n(\{.*?\n\})\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    attach(text)
    snapshot = runbooks_run.begin("verify", "staging").look()
    assert not snapshot.gaps and permissions.missing(snapshot) == ()
    assert all(finding.status in ("clear", "skipped") for finding in runbooks_run.diagnose(snapshot))
