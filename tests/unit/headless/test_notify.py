"""Messages that are really sent: to a web server through apprise, and to an SNS topic."""

from __future__ import annotations

import json
import os
import secrets
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from string import ascii_lowercase
from typing import Any
from unittest.mock import Mock
from urllib.error import URLError

import boto3
import pytest
from support.moto_environment import mock_aws
from support.outcomes import NOW, an_outcome
from support.paths import ROOT
from support.webhook import webhook

from omc_runbook.aws import sns
from omc_runbook.headless import last_run, notify
from omc_runbook.headless.news import Notice
from omc_runbook.masking import registry
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.findings import Finding, Topic
from omc_runbook.model.notify import Notify
from omc_runbook.report.archive import summary

TOKEN = "T0k3nThatNobodyMaySee"
MESSAGE = Notice("findings", "verify on staging: no-permission", ("New: no-permission: A title — backend",), "failure")
FOUND = an_outcome(findings=(Finding(check="no-permission", family="access", title="A title", status="found"),))

SENDING = """
from omc_runbook.headless import notify
from omc_runbook.model.notify import Notify
message = notify.Notice("findings", "A title", (), "failure")
(sent,) = notify.send([message], Notify(findings=("env:OPS_WEBHOOK",), timeout=2))
assert sent.failure == "It took more than 2 s."
"""

pytest.importorskip("apprise", reason="apprise is not installed")


@contextmanager
def trickling() -> Iterator[str]:
    """Host and port of a server whose answer comes byte by byte, and never ends."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while not ended.wait(0.1):
                    connection.sendall(b"H")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


def test_a_message_reaches_a_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its title, its lines and its urgency."""
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        (sent,) = notify.send([MESSAGE], Notify(findings=("env:OPS_WEBHOOK",), timeout=60))
    assert (sent.receiver, sent.topic, sent.failure) == ("env:OPS_WEBHOOK", "findings", "")
    assert [(each["title"], each["message"], each["type"]) for each in bodies] == [
        ("verify on staging: no-permission", "New: no-permission: A title — backend", "failure")
    ]


@pytest.mark.parametrize("between", [",", " ", ", ", "\n"])
def test_one_variable_can_hold_several_addresses(monkeypatch: pytest.MonkeyPatch, between: str) -> None:
    """Each gets the message."""
    with webhook(TOKEN) as (first, to_first), webhook(TOKEN) as (second, to_second):
        monkeypatch.setenv("OPS_WEBHOOK", f"{first}{between}{second}")
        (sent,) = notify.send([MESSAGE], Notify(findings=("env:OPS_WEBHOOK",), timeout=60))
    assert sent.failure == "" and (len(to_first), len(to_second)) == (1, 1)


@pytest.mark.parametrize("name", ["findings", "unknown", "ping", ""])
def test_who_hears_of_one_thing_hears_of_something(name: str) -> None:
    """Also who hears only of runs that could not look."""
    who = {"findings": ("env:A",), "unknown": ("env:A",), "ping": "env:A"}
    assert Notify.model_validate({name: who[name]} if name else {}).is_empty is not bool(name)


@pytest.mark.parametrize("topic", ["findings", "unknown"])
def test_a_receiver_that_is_named_twice_gets_a_message_once(monkeypatch: pytest.MonkeyPatch, topic: Topic) -> None:
    """Its name stands twice in a list; nothing is sent here, as neither has an address."""
    monkeypatch.delenv("OPS_WEBHOOK", raising=False)
    named = {topic: ("env:OPS_WEBHOOK", "file:x", "env:OPS_WEBHOOK")}
    sent = notify.send([replace(MESSAGE, topic=topic)], Notify.model_validate(named))
    assert [each.receiver for each in sent] == ["env:OPS_WEBHOOK", "file:x"]


def test_a_message_that_is_too_long_for_its_service_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would refuse it, run after run; what is new comes first and stays."""
    lines = tuple(f"New: no-permission: A title — e{number:03}: backend" for number in range(999))
    longest = 32768
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        message = replace(MESSAGE, title="no-permission, " * 50, lines=lines)
        (sent,) = notify.send([message], Notify(findings=("env:OPS_WEBHOOK",), timeout=60))
    (body,) = bodies
    *sent_lines, last = body["message"].splitlines()
    assert sent.failure == "" and len(body["message"]) <= longest and len(body["title"]) <= 250
    assert tuple(sent_lines) == lines[: len(sent_lines)] and len(sent_lines) > 600
    assert last == "… and more, which is in the run's record."


def test_a_message_ends_with_what_to_do_and_the_record_also_where_it_is_shortened() -> None:
    """A chat takes few characters, and what is new may fill them; where that is too long, the record stays."""
    way, record = "→ omc-runbook run troubleshoot -p environment staging", "s3://records/verify-staging.html"
    lines = (*(f"New: a problem of backend-{number}" for number in range(99)), way)
    message = replace(MESSAGE, lines=lines, tail=1).with_record(record)
    assert message.lines == (*lines, f"Record: {record}") and message.with_record("") == message
    first, *others = notify._fit(message, 300).splitlines()
    assert first == lines[0] and others[-3:] == [sns.CUT.strip(), way, f"Record: {record}"]
    assert len(notify._fit(message, 300)) <= 300 + len(sns.CUT)
    assert notify._fit(message, 9999).splitlines() == [*message.lines]
    assert notify._fit(message, 150).splitlines()[-2:] == [sns.CUT.strip(), f"Record: {record}"]
    assert notify._fit(message, 70).splitlines()[-1] == sns.CUT.strip()


def test_each_topic_has_its_receivers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who wants to hear of problems need not hear of runs that could not look."""
    with webhook(TOKEN) as (first, to_first), webhook(TOKEN) as (second, to_second):
        monkeypatch.setenv("OPS_WEBHOOK", first)
        (tmp_path / "address").write_text(f"{second}\n")
        receivers = Notify(findings=("env:OPS_WEBHOOK",), unknown=(f"file:{tmp_path / 'address'}",))
        notify.send([Notice("unknown", "verify on staging: could not look", (), "failure")], receivers)
    assert (len(to_first), len(to_second)) == (0, 1)


@pytest.mark.parametrize(
    ("receiver", "address", "failure"),
    [
        ("env:OPS_WEBHOOK", "", "The variable OPS_WEBHOOK holds no address."),
        ("env:OPS_WEBHOOK", "hello", "It holds no address that apprise knows, such as slack://… or mailto://…."),
        ("env:OPS_WEBHOOK", f"json://127.0.0.1:9/{TOKEN},slak://x/y", "It holds another address than those that appr"),
        ("env:OPS_WEBHOOK", f"json://127.0.0.1:9/{TOKEN}", "A Connection error occurred sending JSON notification"),
        ("file:/nowhere", "", "The file /nowhere with the address cannot be read: No such file or directory."),
        ("file:~nobody-of-this/x", "", "The file ~nobody-of-this/x with the address cannot be read: No such file or"),
    ],
)
def test_what_could_not_be_sent_is_reported(
    monkeypatch: pytest.MonkeyPatch, receiver: str, address: str, failure: str
) -> None:
    """In a sentence without the address, which contains a token."""
    monkeypatch.setenv("OPS_WEBHOOK", address)
    (sent,) = notify.send([MESSAGE], Notify(findings=(receiver,)))
    assert sent.failure.startswith(failure)
    assert TOKEN not in sent.failure


@pytest.mark.parametrize("end", ["{}", "?key={}&format=text"])
def test_a_token_within_an_address_is_masked_alone(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Also one of letters alone, and one in the address's query: a service may repeat it in its answer."""
    token = "".join(secrets.choice(ascii_lowercase) for _ in range(16))
    monkeypatch.setenv("OPS_WEBHOOK", f"json://127.0.0.1:9/{end.format(token)}")
    notify.send([MESSAGE], Notify(findings=("env:OPS_WEBHOOK",)))
    assert registry.mask(f"no such token: {token}") == "no such token: ‹OPS_WEBHOOK›"


def test_a_host_of_two_receivers_is_masked_as_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the second says of it would else name the first."""
    host, other = (f"{secrets.token_hex(6)}.example.invalid" for _ in range(2))
    for name in ("FIRST_WEBHOOK", "SECOND_WEBHOOK"):
        monkeypatch.setenv(name, f"json://{host}/{secrets.token_hex(12)}?to=ops@{other}")
        notify.sender(f"env:{name}", "", 60)
    assert registry.mask(f"no route to {host} or {other}") == "no route to ‹address› or ‹address›"


def test_a_token_with_dots_is_masked_as_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a mail service's API key: who reads that it is refused has to know which variable has it."""
    token = f"SG.{secrets.token_hex(11)}.{secrets.token_hex(20)}1"
    monkeypatch.setenv("MAIL_ADDRESS", f"sendgrid://{token}:ops@example.invalid/you@203.0.113.77")
    notify.sender("env:MAIL_ADDRESS", "", 60)
    assert registry.mask(f"{token} is refused by 203.0.113.77") == "‹MAIL_ADDRESS› is refused by ‹address›"


def test_an_address_of_short_parts_is_masked_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is masked alone: the path is what may be secret."""
    monkeypatch.setenv("OPS_WEBHOOK", address := "json://127.0.0.1:9/ab/cd/ef")
    notify.send([MESSAGE], Notify(findings=("env:OPS_WEBHOOK",)))
    assert registry.mask(f"sent to {address}") == "sent to ‹OPS_WEBHOOK›"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError(111, "Connection refused"), ": Connection refused."),
        (socket.gaierror(-2, "Name or service not known"), ": Name or service not known."),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1029)"), "_VERSION_NUMBER)."),
        (smtplib.SMTPAuthenticationError(535, f"5.7.8 {TOKEN}".encode()), ": the server answered 535."),
        (
            smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server."),
            ": the server offers no STARTTLS.",
        ),
        (smtplib.SMTPServerDisconnected(f"{TOKEN} is not known"), '"'),
    ],
)
def test_a_mail_that_could_not_be_sent_is_reported_with_the_cause(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong password, a wrong port and a wrong host are mended differently; what else a server says is not shown."""
    monkeypatch.setenv("OPS_MAIL", "mailto://mail.example.com?from=ops@example.com&to=oncall@example.com")
    monkeypatch.setattr(smtplib, "SMTP", Mock(side_effect=error))
    with caplog.at_level("DEBUG"):
        (sent,) = notify.send([MESSAGE], Notify(findings=("env:OPS_MAIL",), timeout=60))
    assert sent.failure.startswith("Connection error while submitting email to ") and sent.failure.endswith(why)
    assert TOKEN not in sent.failure and "Socket Exception" not in caplog.text


def test_a_webhook_that_refuses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its answer."""
    with webhook(TOKEN, status=403) as (address, _):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        (sent,) = notify.send([MESSAGE], Notify(findings=("env:OPS_WEBHOOK",), timeout=60))
    assert "error=403" in sent.failure


def test_what_a_message_quotes_is_no_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two services of one address the first refuses; apprise logs what it then sends to the second."""
    message = replace(MESSAGE, lines=("AWS cannot be reached: [Errno -2] Name or service not known",))
    with webhook(TOKEN, status=403) as (first, _), webhook(TOKEN) as (second, bodies):
        monkeypatch.setenv("OPS_WEBHOOK", f"{first}, {second}")
        (sent,) = notify.send([message], Notify(findings=("env:OPS_WEBHOOK",), timeout=60))
    assert sent.failure.endswith("error=403.") and "Name or service not known" in str(bodies)


def test_each_receiver_has_its_own_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are on their way side by side."""
    statuses = (401, 404, 429)
    with ExitStack() as stack:
        for status in statuses:
            address, _ = stack.enter_context(webhook(TOKEN, status=status))
            monkeypatch.setenv(f"OPS_{status}", address)
        who = Notify(findings=tuple(f"env:OPS_{status}" for status in statuses), timeout=60)
        sent = notify.send([MESSAGE], who)
    assert [status for status, each in zip(statuses, sent, strict=True) if f"error={status}" not in each.failure] == []


@pytest.mark.parametrize(("own", "is_told"), [("", True), ("?rto=0.05", False)])
def test_a_slow_webhook_has_the_time_that_runbook_toml_says(
    monkeypatch: pytest.MonkeyPatch, own: str, is_told: bool
) -> None:
    """Not what apprise waits by itself, after which the next run would tell it again; an address may say less."""
    monkeypatch.setattr("apprise.URLBase.socket_read_timeout", 0.05)
    with webhook(TOKEN, hang=0.3) as (address, _):
        monkeypatch.setenv("OPS_WEBHOOK", f"{address}{own}")
        (sent,) = notify.send([MESSAGE], Notify(findings=("env:OPS_WEBHOOK",), timeout=60))
    assert (sent.failure == "") is is_told, sent.failure


def test_a_webhook_that_hangs_costs_no_more_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others get theirs."""
    with webhook(TOKEN, hang=60) as (slow, _), webhook(TOKEN) as (quick, bodies):
        monkeypatch.setenv("SLOW", slow)
        monkeypatch.setenv("QUICK", quick)
        started = time.monotonic()
        sent = notify.send([MESSAGE], Notify(findings=("env:SLOW", "env:QUICK"), timeout=1))
        took = time.monotonic() - started
    assert [each.failure for each in sent] == ["It took more than 1 s.", ""]
    assert len(bodies) == 1
    assert took < 10


def test_a_webhook_that_redirects_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it leads to is called without the message, and answers all the same."""
    with webhook(TOKEN) as (there, bodies), webhook(TOKEN, status=302, location=there) as (address, _):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        (sent,) = notify.send([MESSAGE], Notify(findings=("env:OPS_WEBHOOK",), timeout=60))
    assert "error=302" in sent.failure
    assert not bodies


@pytest.mark.long
def test_a_webhook_that_trickles_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends when its time-out says so, whoever still reads the answer."""
    with trickling() as address:
        monkeypatch.setenv("OPS_WEBHOOK", f"json://{address}/{TOKEN}")
        begun = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", SENDING], check=True, timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        took = time.monotonic() - begun
    assert took < 20


def test_a_message_reaches_an_sns_topic() -> None:
    """In the topic's region; the subject is plain text in one line."""
    with mock_aws():
        topic = boto3.client("sns", region_name="eu-west-1").create_topic(Name="oncall")["TopicArn"]
        queues = boto3.client("sqs", region_name="eu-west-1")
        queue = queues.create_queue(QueueName="oncall")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        boto3.client("sns", region_name="eu-west-1").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        sent = notify.send([MESSAGE], Notify(findings=(f"sns:{topic}", "sns:arn:aws:sns:eu-west-1:123456789012:none")))
        body = json.loads(queues.receive_message(QueueUrl=queue)["Messages"][0]["Body"])
    assert body["Subject"] == "verify on staging: no-permission"
    assert "A title" in body["Message"]
    assert [each.failure for each in sent] == [
        "",
        "Could not send to arn:aws:sns:eu-west-1:123456789012:none: sns:Publish failed with NotFound.",
    ]


def test_an_aws_configuration_that_is_broken_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At once, as the reason."""
    (tmp_path / "config").write_text("[default\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (sent,) = notify.send([MESSAGE], Notify(findings=("sns:arn:aws:sns:eu-west-1:123456789012:oncall",), timeout=60))
    where = f"The AWS configuration {tmp_path / 'config'} is not valid in line 1"
    assert sent.failure == f"{where}: correct it, then run again."


def test_runs_after_each_other_remember_what_is_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One message for a problem, none for the same, and none for another environment's or another project's."""
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        receivers = Notify(findings=("env:OPS_WEBHOOK",), timeout=60)
        outcomes = [notify.report(FOUND, tmp_path, receivers) for _ in range(3)]
        notify.report(an_outcome(environment="production"), tmp_path, receivers)
        notify.report(an_outcome(), tmp_path, receivers, project="shop")
        notify.report(an_outcome(), tmp_path, receivers)
    assert [len(outcome.notifications) for outcome in outcomes] == [1, 0, 0]
    assert [each["title"] for each in bodies] == ["verify on staging: no-permission", "verify on staging: resolved"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert type(FOUND).from_json(outcomes[0].to_json()).notifications == outcomes[0].notifications


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bodies of what apprise posts, to whatever host: each is accepted."""
    import requests

    answer = requests.Response()
    answer.status_code, answer._content = 200, b'{"requestId": "1", "data": {}}'
    bodies: list[Any] = []

    def post(*_args: object, data: str, **_more: object) -> requests.Response:
        bodies.append(json.loads(data))
        return answer

    monkeypatch.setattr(requests, "post", post)
    return bodies


@pytest.mark.parametrize(
    ("address", "names", "values"),
    [
        ("pagerduty://KEY0123456789@API0123456789?action=map", ("event_action", "dedup_key"), ("trigger", "resolve")),
        ("splunk://ROUTE0123456789@API0123456789", ("message_type", "entity_id"), ("CRITICAL", "RECOVERY")),
    ],
)
def test_an_incident_is_closed_by_what_opened_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    posted: list[Any],
    address: str,
    names: tuple[str, str],
    values: tuple[str, str],
) -> None:
    """And by no other environment, project or topic: one address serves them all."""
    monkeypatch.setenv("PAGER", address)
    receivers = Notify(findings=("env:PAGER",), unknown=("env:PAGER",), timeout=60)
    cut_off = an_outcome(failure="AWS cannot be reached.")
    for outcome, project in (
        *((FOUND, "ohmycoins"), (replace(FOUND, environment="production"), "ohmycoins"), (FOUND, "shop")),
        *((cut_off, "ohmycoins"), (an_outcome(), "ohmycoins")),
    ):
        notify.report(outcome, tmp_path, receivers, project=project)
    actions, keys = zip(*((body[names[0]], body[names[1]]) for body in posted), strict=True)
    assert actions == (*(values[0],) * 4, *(values[1],) * 2)
    assert keys[4] == keys[0] and keys[5] == keys[3] and len(set(keys)) == 4


def test_a_key_in_the_address_stays_and_a_pager_without_map_gets_each_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, posted: list[Any]
) -> None:
    """Who wrote one wants it; without `action=map` each message is an incident of its own."""
    for query in ("?action=map&dedup=ours", ""):
        monkeypatch.setenv("PAGER", f"pagerduty://KEY0123456789@API0123456789{query}")
        notify.report(FOUND, tmp_path / query, Notify(findings=("env:PAGER",), timeout=60))
    assert [body.get("dedup_key") for body in posted] == ["ours", None]


def test_what_is_resolved_is_told_where_its_alert_cannot_be_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, posted: list[Any]
) -> None:
    """apprise would send nothing, and call that success: it closes only what it opened in the same process."""
    monkeypatch.setenv("PAGER", "opsgenie://KEY0123456789")
    for outcome in (FOUND, an_outcome()):
        notify.report(outcome, tmp_path, Notify(findings=("env:PAGER",), timeout=60))
    assert [body["message"] for body in posted] == ["verify on staging: no-permission", "verify on staging: resolved"]


def test_what_nobody_heard_is_sent_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the next run."""
    receivers = Notify(findings=("env:OPS_WEBHOOK",), timeout=60)
    monkeypatch.setenv("OPS_WEBHOOK", "")
    assert [each.failure for each in notify.report(FOUND, tmp_path, receivers).notifications] == [
        "The variable OPS_WEBHOOK holds no address."
    ]
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        notify.report(FOUND, tmp_path, receivers)
    assert [each["message"] for each in bodies] == ["New: no-permission: A title"]


def test_a_receiver_without_an_address_is_told_before_there_is_a_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else it comes to light in an outage: cron has none of a shell's variables."""
    monkeypatch.delenv("OPS_WEBHOOK", raising=False)
    receivers = Notify(findings=("env:OPS_WEBHOOK",), unknown=("env:OPS_WEBHOOK", "file:none"))
    lines = [
        "Not delivered to env:OPS_WEBHOOK: The variable OPS_WEBHOOK holds no address.",
        "Not delivered to file:none: The file none with the address cannot be read: No such file or directory.",
    ]
    unseen = Finding(check="kms-denied", family="access", title="A title", status="unknown", evidence=("Refused.",))
    for outcome in (an_outcome(), FOUND, an_outcome(findings=(*FOUND.findings, unseen))):
        reported = notify.report(outcome, tmp_path, receivers)
        assert [line.text for line in summary.undelivered_notifications(reported)] == lines


def test_what_a_receiver_missed_is_sent_to_it_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the next run that can, and to it alone; what was over by then it need not hear."""
    receivers = Notify(findings=("env:CHAT", "env:PAGER"), timeout=60)
    monkeypatch.setenv("PAGER", "")
    with webhook(TOKEN) as (chat, to_chat), webhook(TOKEN) as (pager, to_pager):
        monkeypatch.setenv("CHAT", chat)
        for _ in range(2):
            failed = [each.receiver for each in notify.report(FOUND, tmp_path, receivers).notifications if each.failure]
            assert failed == ["env:PAGER"]
        monkeypatch.setenv("PAGER", pager)
        for _ in range(2):
            notify.report(FOUND, tmp_path, receivers)
        monkeypatch.setenv("PAGER", "")
        notify.report(an_outcome(), tmp_path, receivers)
        monkeypatch.setenv("PAGER", pager)
        notify.report(FOUND, tmp_path, receivers)
        notify.report(an_outcome(), tmp_path, receivers)
    assert [each["title"].partition(": ")[2] for each in to_chat] == ["no-permission", "resolved"] * 2
    assert [each["title"].partition(": ")[2] for each in to_pager] == ["no-permission", "resolved"]


@pytest.mark.parametrize("between", ["failed", "another problem"])
def test_what_a_receiver_missed_is_sent_after_a_run_that_did_not_look_at_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, between: str
) -> None:
    """Whether that run has something to tell or not, both hear of each problem once, and of its end."""
    receivers = Notify(findings=("env:CHAT", "env:PAGER"), timeout=60)
    missed, other = FOUND.findings[0], replace(FOUND.findings[0], check="key-missing")
    blind = replace(missed, status="unknown", evidence=("iam:GetRole is missing.",))
    unseen = an_outcome(failure="It broke off.") if between == "failed" else an_outcome(findings=(blind, other))
    messages = list[tuple[str, str]]()
    failing = {"env:PAGER"}

    def sender(receiver: str, *_: object) -> notify.Send:
        def deliver(message: Notice) -> None:
            if receiver in failing:
                raise CouldNotLook("It does not answer.")
            messages.extend((receiver, line) for line in message.lines if not line.startswith("Open for"))

        return deliver

    monkeypatch.setattr(notify, "sender", sender)
    notify.report(FOUND, tmp_path, receivers)
    failing.clear()
    for outcome in (unseen, unseen, an_outcome(findings=(missed, other)), an_outcome()):
        notify.report(outcome, tmp_path, receivers)
    lines = [
        f"{word}: {each.check}: {end}"
        for word, end in (("New", "A title"), ("Resolved", ""))
        for each in (missed, other)
    ]
    assert sorted(messages) == sorted((receiver, line) for receiver in receivers.findings for line in lines)


def test_a_folder_that_cannot_remember_is_reported(tmp_path: Path) -> None:
    """The run has its other notifications, and goes on."""
    (tmp_path / "records").touch()
    reported = notify.report(FOUND, tmp_path / "records", Notify())
    (failed,) = reported.notifications
    assert (failed.receiver, failed.failure) == (str(tmp_path / "records"), "This run is not remembered: File exists.")
    [line] = summary.undelivered_notifications(reported)
    assert line.text == f"{tmp_path / 'records'}: This run is not remembered: File exists."


def test_a_pipe_in_the_place_of_what_is_remembered_holds_up_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By then no signal ends the run. The first message has what is open, and it is remembered from now on."""
    os.mkfifo(tmp_path / ".verify-staging.last.json")
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        receivers = Notify(findings=("env:OPS_WEBHOOK",), timeout=60)
        outcomes = [notify.report(FOUND, tmp_path, receivers) for _ in range(2)]
    assert len(bodies) == 1
    (failure,) = filter(None, (each.failure for outcome in outcomes for each in outcome.notifications))
    assert failure.endswith(".verify-staging.last.json cannot be read: it is a pipe or a device.")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"https://example.com/{TOKEN}/two words?key=s3cr3t", "URL can't contain control characters."),
        (f"https://user:s3cr3t@example.com:{TOKEN}/", "nonnumeric port:"),
        ("https://example.com:s3cr3t/", "nonnumeric port:"),
    ],
)
def test_a_watcher_with_a_broken_address_is_reported(
    address: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that does not answer, without the address, of which a short part would not be masked."""
    monkeypatch.setenv("WATCHER", address)
    (failed,) = notify.Ping(Notify(ping="env:WATCHER")).result()
    assert failed.failure.startswith(reason)
    assert TOKEN not in failed.failure and "s3cr3t" not in failed.failure


def test_a_watcher_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its address, with what happened behind it; a call that fails is reported without the address."""
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("WATCHER", address.replace("json://", "http://"))
        assert notify.Ping(Notify(ping="env:WATCHER"), "/start").result() == ()
        assert notify.Ping(Notify(ping="env:WATCHER")).result() == ()
    assert [body["path"] for body in bodies] == ["/start", ""]
    (failed,) = notify.Ping(Notify(ping="env:WATCHER")).result()
    assert failed.failure == "It cannot be reached: Connection refused."
    monkeypatch.setenv("WATCHER", f"ftp://127.0.0.1/{TOKEN}")
    assert [each.failure for each in notify.Ping(Notify(ping="env:WATCHER")).result()] == [
        "It holds no https:// address."
    ]


def test_a_watcher_that_speaks_another_protocol_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what it says, such as signs that move a terminal's cursor."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"\x1b[2J220 mail ready\r\n")

        pool.submit(answer)
        monkeypatch.setenv("WATCHER", f"http://127.0.0.1:{server.getsockname()[1]}/{TOKEN}")
        (failed,) = notify.Ping(Notify(ping="env:WATCHER")).result()
    assert failed.failure == "Its answer is not HTTP's (BadStatusLine)."


def test_a_watcher_that_refuses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its answer."""
    with webhook(TOKEN, status=404) as (address, _):
        monkeypatch.setenv("WATCHER", address.replace("json://", "http://"))
        (failed,) = notify.Ping(Notify(ping="env:WATCHER")).result()
    assert failed.failure == "HTTP Error 404: Not Found"


def test_a_watcher_is_told_of_a_failure_whatever_its_address_has_behind_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the end of a query it would be a part of that, and the call one of success."""
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("WATCHER", f"{address.replace('json://', 'http://')}/verify/?create=1")
        for suffix in ("/start", "/fail", ""):
            assert notify.Ping(Notify(ping="env:WATCHER"), suffix).result() == ()
    assert [body["path"] for body in bodies] == [f"/verify{end}?create=1" for end in ("/start", "/fail", "")]


def test_a_watcher_that_never_answers_is_told_with_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib's own words are "timed out", whichever of the two clocks is faster."""
    monkeypatch.setenv("WATCHER", f"http://127.0.0.1/{TOKEN}")
    for error in (TimeoutError("timed out"), URLError(TimeoutError("timed out"))):
        monkeypatch.setattr("urllib.request.urlopen", Mock(side_effect=error))
        (failed,) = notify.Ping(Notify(ping="env:WATCHER", timeout=7)).result()
        assert failed.failure == "It took more than 7 s."


def test_what_gives_up_after_its_time_has_taken_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it on a busy machine may come after that, and find what it says of itself."""
    monkeypatch.setenv("WATCHER", f"http://127.0.0.1/{TOKEN}")
    monkeypatch.setattr("urllib.request.urlopen", Mock(side_effect=ConnectionResetError(104, "Connection reset")))
    monkeypatch.setattr(notify, "time", Mock(monotonic=Mock(side_effect=[0, 7.1, 7.2])))
    ping = notify.Ping(Notify(ping="env:WATCHER", timeout=7))
    ping.wait(60)
    assert ping.failure() == "It took more than 7 s."


def test_a_watcher_that_trickles_costs_no_more_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and its answer never."""
    with trickling() as address:
        monkeypatch.setenv("WATCHER", f"http://{address}/{TOKEN}")
        begun = time.monotonic()
        (failed,) = notify.Ping(Notify(ping="env:WATCHER", timeout=1)).result()
        took = time.monotonic() - begun
    assert failed.failure == "It took more than 1 s." and took < 30


@pytest.mark.long
def test_a_receiver_that_hangs_makes_no_second_message_of_two_runs_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for as long as the first may take: its time-out, and before that what loads apprise."""
    notified = list[str]()

    def sender(receiver: str, *_: object) -> notify.Send:
        time.sleep(0.2)
        return (lambda notice: time.sleep(9)) if receiver == "env:HANGS" else (lambda notice: notified.append(receiver))

    monkeypatch.setattr(notify, "sender", sender)
    receivers = Notify(findings=("env:OPS_WEBHOOK", "env:HANGS"), timeout=1)
    with ThreadPoolExecutor(2) as pool:
        [*pool.map(lambda _: notify.report(FOUND, tmp_path, receivers), range(2))]
    assert notified == ["env:OPS_WEBHOOK"]


def test_of_two_runs_at_once_one_sends_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds what the first has sent already; one that hangs holds up nobody for longer than its messages."""
    with webhook(TOKEN) as (address, bodies):
        monkeypatch.setenv("OPS_WEBHOOK", address)
        receivers = Notify(findings=("env:OPS_WEBHOOK",), timeout=30)
        with ThreadPoolExecutor(2) as pool:
            [*pool.map(lambda _: notify.report(FOUND, tmp_path / "records", receivers), range(2))]
    assert len(bodies) == 1
    (tmp_path / "file").touch()
    with (
        last_run.exclusive_access(tmp_path, 1),
        last_run.exclusive_access(tmp_path, 0.1),
        last_run.exclusive_access(tmp_path / "file" / "in it", 1),
    ):
        pass


def test_a_run_that_another_has_overtaken_resolves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it saw may be from before the problem; the next run tells the end, also where a clock was ahead."""
    titles = list[str]()
    monkeypatch.setattr(notify, "sender", lambda *_: lambda notice: titles.append(notice.title.partition(": ")[2]))
    receivers = Notify(findings=("env:OPS_WEBHOOK",), unknown=("env:OPS_WEBHOOK",))
    blind = Finding(check="kms-denied", family="access", title="A title", status="unknown", evidence=("Refused.",))
    before, after, far = NOW - timedelta(minutes=9), NOW + timedelta(minutes=1), NOW + timedelta(days=9999)
    for started, finished, findings, expected in (
        (NOW, NOW, (*FOUND.findings, blind), ["could not look", "no-permission"]),
        (before, after, (), []),
        (after, after, (), ["can look again", "resolved"]),
        (far, far, FOUND.findings, ["no-permission"]),
        (after, after, (), ["resolved"]),
    ):
        titles.clear()
        notify.report(an_outcome(started=started, finished=finished, findings=findings), tmp_path, receivers)
        assert sorted(titles) == expected


def test_a_problem_is_resolved_by_a_run_that_began_after_the_last_that_found_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where each run begins before the one before it ends."""
    titles = list[str]()
    monkeypatch.setattr(notify, "sender", lambda *_: lambda notice: titles.append(notice.title.partition(": ")[2]))
    titles_by_run = []
    for start, findings in ((0, FOUND.findings), (5, FOUND.findings), (10, ()), (15, ())):
        started, finished = (NOW + timedelta(minutes=minutes) for minutes in (start, start + 8))
        outcome = an_outcome(started=started, finished=finished, findings=findings)
        notify.report(outcome, tmp_path, Notify(findings=("env:OPS_WEBHOOK",)))
        titles_by_run.append(tuple(titles))
        titles.clear()
    assert titles_by_run == [("no-permission",), (), (), ("resolved",)]
