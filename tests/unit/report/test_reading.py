"""How far a look at AWS is: its calls are counted, and shown where a person waits for them, and nowhere else."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from contextlib import ExitStack

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.stub import Stubber
from support.terminal import Terminal

from omc_runbook.aws.calls import Calls
from omc_runbook.aws.failures import ReadFailure, attempt
from omc_runbook.aws.session import Clients
from omc_runbook.headless import notebooks
from omc_runbook.report.display import reading
from omc_runbook.report.display.reading import FleetProgress, ReadProgress, follow, on_terminal


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    """Clients that call nothing."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return Clients("ap-southeast-2")


def test_calls_are_counted_whatever_their_answers_are(clients: Clients) -> None:
    """A refused one is answered, too; one without an answer is named."""
    sts = clients("sts")
    with Stubber(sts) as stub:
        stub.add_response("get_caller_identity", {"Account": "1", "Arn": "arn:aws:iam::1:user/somebody", "UserId": "1"})
        stub.add_client_error("get_caller_identity", "AccessDenied")
        attempt("the caller", "sts:GetCallerIdentity", sts.get_caller_identity)
        attempt("the caller", "sts:GetCallerIdentity", sts.get_caller_identity)
    assert (clients.calls.made, clients.calls.answered, clients.calls.waiting) == (2, 2, "")
    clients.calls._begin(sts.meta.service_model.operation_model("GetCallerIdentity"))
    assert clients.calls.waiting == "GetCallerIdentity"


def read(calls: Calls) -> None:
    with follow(ReadProgress(calls, "staging")):
        time.sleep(0.1)


@pytest.mark.parametrize(("kind", "cleared"), [("xterm-256color", "\r\x1b[K"), ("dumb", f"\r{' ' * 39}\r")])
def test_a_terminal_has_one_line_and_is_clean_afterwards(
    kind: str, cleared: str, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is written over, without control sequences where there are none; a short look shows none."""
    monkeypatch.setenv("TERM", kind)
    stream, short = Terminal(), Terminal()
    with on_terminal(short):
        read(clients.calls)
    monkeypatch.setattr(reading, "SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", "40")
    with on_terminal(stream):
        read(clients.calls)
    lines = stream.getvalue().split(cleared)
    assert ("\x1b" in stream.getvalue()) is (kind != "dumb")
    assert lines[0] == lines[-1] == "" and short.getvalue() == ""
    assert all(line.startswith("Reading staging: 0 of 0 calls") and len(line) < 40 for line in lines[1:-1])


@pytest.mark.parametrize("kind", ["xterm-256color", "dumb"])
def test_the_line_has_room_on_its_own_terminal(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose width standard output does not know, while the cells of a notebook write into their outputs."""
    monkeypatch.setenv("TERM", kind)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(reading, "SECONDS", 0.01)
    screen, ours = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    with os.fdopen(ours, "w") as stream, on_terminal(stream), follow(FleetProgress(["staging", "production"])):
        time.sleep(0.1)
        shown = os.read(screen, 200).decode()
    os.close(screen)
    lines = shown.replace("\x1b[K", "").split("\r")
    assert "Looked at 0 of 2 environments" in lines and max(map(len, lines)) == 29


def test_a_fleet_says_how_each_environment_ended_and_which_are_waited_for() -> None:
    """In one line; names are text in a page."""
    progress = FleetProgress(["dev", "<b>", "production"])
    assert progress.to_text() == "Looked at 0 of 3 environments in 0.0 s; waiting for dev, <b>, production."
    progress.note("dev", "ok")
    progress.note("<b>", "findings")
    assert progress.to_text() == "Looked at 2 of 3 environments in 0.0 s: dev ok, <b> findings; waiting for production."
    assert 'role="status"' in progress.to_html() and "&lt;b&gt; findings" in progress.to_html()
    progress.note("production", "not read")
    assert progress.to_text().endswith("dev ok, <b> findings, production not read.")


def test_headlessly_it_shows_nothing(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even where it takes long."""
    monkeypatch.setattr(reading, "SECONDS", 0.01)
    read(clients.calls)
    assert capfd.readouterr() == ("", "")


def refuse(**_: object) -> AWSResponse:
    response = AWSResponse("http://sts", 403, HeadersDict(), None)
    response._content = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    return response


def test_what_is_not_answered_in_time_is_unknown_and_the_next_look_has_its_own_time(clients: Clients) -> None:
    """No further call is sent, and it counts as one without an answer."""
    sts = clients("sts")

    with clients.calls.within(0):
        late = attempt("the caller", "sts:GetCallerIdentity", sts.get_caller_identity)
    assert isinstance(late, ReadFailure) and late.kind == "no-answer"
    assert late.sentence == (
        "Could not read the caller: AWS did not answer all calls within 0 seconds. Check the network, then run again."
    )
    sts.meta.events.register("before-send", refuse)
    sent = attempt("the caller", "sts:GetCallerIdentity", sts.get_caller_identity)
    assert isinstance(sent, ReadFailure) and sent.kind == "denied"


def test_looks_that_overlap_limit_nothing_once_both_have_ended(clients: Clients) -> None:
    """Whichever ends first, as one of a cell beside that of a change which a button began."""
    sts, first, second = clients("sts"), ExitStack(), ExitStack()
    sts.meta.events.register("before-send", refuse)
    first.enter_context(clients.calls.within(0))
    second.enter_context(clients.calls.within(0))
    for each in (first, second):
        each.close()
    sent = attempt("the caller", "sts:GetCallerIdentity", sts.get_caller_identity)
    assert isinstance(sent, ReadFailure) and sent.kind == "denied"


def test_how_long_a_run_may_take_is_said_before() -> None:
    """By `omc-runbook show`: what starts new tasks says so too."""
    assert "AWS is read for 3 minutes at most" in notebooks.describe("verify").markdown
    assert "A change waits 15 minutes at most" in notebooks.describe("rotate").markdown
    waits = {name for name in notebooks.paths() if "A change waits" in notebooks.describe(name).markdown}
    assert waits == {"add_key", "restore", "rotate", "troubleshoot", "update"}
    assert "once a run, and again after a change. What" in notebooks.describe("create").markdown
    assert "once a run. What was not read" in notebooks.describe("verify").markdown
    assert "In a notebook whose cells a person runs, and can interrupt, each" in notebooks.describe("verify").markdown
    repeated = "A call of a change is repeated for 2 minutes at most"
    assert {name for name in notebooks.paths() if repeated in notebooks.describe(name).markdown} == waits | {"create"}
