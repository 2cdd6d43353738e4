"""The sentences of an audit's green lights: each answers its question from the facts, and follows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.faults import audit_access, audit_accesses, audit_monitoring, audit_secret
from support.faults.audit_access import EVERYTHING, READS, policy, role, user
from support.snapshots import ACCOUNT, NOW, ROLE, healthy

from omc_runbook.aws.sns import Topic
from omc_runbook.report import audit_answers
from omc_runbook.report.audit import QUESTIONS
from omc_runbook.snapshot.audit.state import Audit
from omc_runbook.snapshot.state import Snapshot


def whole(*identities: Any, **calls: Any) -> Snapshot:
    """An audit that read everything, of an account with these identities too."""
    base = audit_secret.audited()
    parts = [
        audit_access.audited(base, *identities).audit,
        audit_accesses.audited(base, **calls).audit,
        audit_monitoring.monitored(base).audit,
    ]
    access, did, notice = [part for part in parts if part]
    assert base.audit
    audit = replace(base.audit, identities=access.identities, accesses=did.accesses, monitoring=notice.monitoring)
    return replace(base, audit=audit)


def test_how_old() -> None:
    """The oldest value that has to be rotated, and when."""
    assert audit_answers.how_old(whole()).endswith("is 10 days old and due on 2026-08-18.")
    old = audit_secret.with_values_since(whole(), NOW - timedelta(days=100))
    assert "is 100 days old and due on 2026-05-20." in audit_answers.how_old(old)


def test_who_can_read() -> None:
    """People, roles, administrators and others apart, and who of the roles read it."""
    sentence = audit_answers.who_can_read
    assert sentence(whole()) == "No person can read it; 1 role can, and has read it in the last 90 days."
    many = whole(role("idle", READS), user("alice", READS), user("root", EVERYTHING))
    assert sentence(many) == (
        "Except for 1 administrator, 1 person (alice) can read it; 2 roles can; 1 of them has read it in the last 90"
        " days."
    )
    shared = audit_access.own_policy(whole(), {"AWS": audit_access.STRANGER})
    assert sentence(shared).endswith(", and so can 1 principal from outside the account.")
    assert "read it in" not in sentence(whole(cut={"GetSecretValue": NOW}))


def test_who_did() -> None:
    """How many read and changed it, and whether that is usual."""
    sentence = audit_answers.who_did
    assert (
        sentence(whole()) == "3 principals read it 30 times in the last 90 days, and nobody changed it, all as usual."
    )
    stranger = audit_accesses.call(1, audit_accesses.STRANGER)
    failed = audit_accesses.call(20, audit_accesses.REPORTS, error="AccessDeniedException")
    write = audit_accesses.call(3, audit_accesses.CALLER, name="PutSecretValue")
    text = sentence(audit_accesses.audited(healthy(), stranger, failed, write))
    assert text == (
        "4 principals read it 31 times in the last 90 days, and 1 principal changed it 1 time; 1 more call failed."
    )


def test_who_did_it_is_counted_since_every_such_call_was_seen() -> None:
    """Other resources' tags hide older changes, and no read; the sentence is only about the part that was read."""
    write = audit_accesses.call(3, audit_accesses.CALLER, name="PutSecretValue")
    tags = audit_accesses.audited(healthy(), write, cut={"TagResource": NOW - timedelta(days=2)})
    text = "3 principals read it 30 times in the last 90 days, and nobody changed it in the last 2 days."
    assert audit_answers.who_did(tags) == text
    reads = audit_accesses.audited(healthy(), write, cut={"BatchGetSecretValue": NOW - timedelta(days=30)})
    count = sum(call.time >= NOW - timedelta(days=30) for call in audit_accesses.USUAL)
    text = audit_answers.who_did(reads)
    assert f" read it {count} times in the last 30 days, and 1 principal changed it 1 time" in text and count < 30


@pytest.mark.parametrize("api", ["GetSecretValue", "TagResource"])
def test_calls_that_were_compared_with_nothing_are_not_said_to_be_usual(api: str) -> None:
    """So many were not seen that there is nothing before the recent ones; where more were, the answer stands."""
    assert "usual" not in audit_answers.who_did(whole(cut={api: NOW - timedelta(days=2)}))
    assert audit_answers.who_did(whole(cut={api: NOW - timedelta(days=60)})).endswith(", all as usual.")


def test_who_would_notice_and_what_lies_open() -> None:
    """The trail, the alarm and how many hear; and where was searched."""
    assert audit_answers.who_would_notice(whole()) == (
        "Each read is recorded by trail main, and alarm secret-reads notifies 1 subscriber."
    )
    open_to_alarms = policy("topic", {"Action": "sns:Publish", "Principal": "*", "Resource": "*"}, kind="resource")
    topic = Topic(audit_monitoring.TOPIC, ("email", "sms"), (), open_to_alarms)
    two = audit_monitoring.monitored(healthy(), topics={topic.arn: topic})
    assert audit_answers.who_would_notice(two).endswith("notifies 2 subscribers.")
    silent = audit_monitoring.monitored(healthy(), topics={})
    assert audit_answers.who_would_notice(silent) == ""
    assert audit_answers.what_lies_open(whole()).startswith("No value of the secret was found. Searched: 3 task")
    found = audit_secret.exposed("files", "terraform.tfvars")(healthy())
    assert audit_answers.what_lies_open(found) == ""


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.text)
def test_without_facts_nothing_is_said(question: Any) -> None:
    """An audit that read nothing has no answer; one that read all has one, in a sentence."""
    answer: Callable[[Snapshot], str] = question.answer
    assert answer(replace(healthy(), audit=Audit(days=90))) == "" == answer(healthy())
    assert answer(whole()).endswith(".") and ROLE not in answer(whole()) and ACCOUNT not in answer(whole())
