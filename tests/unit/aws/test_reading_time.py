"""How long AWS may keep a run waiting, by a clock that each call puts forward."""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.credentials import create_credential_resolver
from botocore.exceptions import ParamValidationError

from omc_runbook.aws import calls, session
from omc_runbook.aws.calls import ReadingTime, TookTooLong
from omc_runbook.aws.failures import ReadFailure, attempt
from omc_runbook.aws.session import Clients

REGION, ROLE = "ap-southeast-2", "arn:aws:iam::123456789012:role/runbooks"
LIMIT, SLOW = 150.0, 60.0
"""The time for all calls, and that of one."""
REFUSAL = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"


class Clock:
    """The time, which stands still until something takes some."""

    seconds = 1000.0

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which calls are timed."""
    clock = Clock()
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))
    return clock


def slow(clock: Clock, clients: Clients) -> Any:
    """A client whose calls each take long, and are then refused."""

    def answer(**_: object) -> AWSResponse:
        clock.pass_(SLOW)
        response = AWSResponse("http://sts", 403, HeadersDict(), None)  # type: ignore[no-untyped-call]
        response._content = REFUSAL
        return response

    client = clients("sts")
    client.meta.events.register_last("before-send", answer)
    return client


def kinds(client: Any, count: int) -> list[str]:
    """How so many calls end, one after the other."""
    answers = [attempt("the caller", "sts:GetCallerIdentity", client.get_caller_identity) for _ in range(count)]
    return [answer.kind if isinstance(answer, ReadFailure) else "" for answer in answers]


def test_calls_one_after_the_other_have_one_time_in_all(clock: Clock) -> None:
    """Also outside of a look, which has its own time; the sentence says the seconds."""
    clients = Clients(REGION)
    client = slow(clock, clients)
    assert kinds(client, 4) == ["denied"] * 4, "without a limit"
    clients.calls.time.limit(LIMIT)
    with clients.calls.within(LIMIT):
        assert kinds(client, 1) == ["denied"]
    assert kinds(client, 2) == ["denied"] * 2 and kinds(client, 2) == ["no-answer"] * 2
    with clients.calls.within(LIMIT):
        late = attempt("the caller", "sts:GetCallerIdentity", client.get_caller_identity)
    assert isinstance(late, ReadFailure) and "AWS did not answer all calls within 150 seconds." in late.sentence


def test_time_between_calls_does_not_count(clock: Clock) -> None:
    """Such as that in which a person types a value; within a look, all does."""
    clients = Clients(REGION)
    client = slow(clock, clients)
    clients.calls.time.limit(LIMIT)
    for _ in range(3):
        clock.pass_(1000)
        assert kinds(client, 1) == ["denied"]
    clients.calls.time.limit(LIMIT)
    with clients.calls.within(2 * LIMIT):
        clock.pass_(LIMIT + 1)
        assert kinds(client, 1) == ["no-answer"]


def test_the_time_of_a_call_that_is_never_sent_ends_with_it(clock: Clock) -> None:
    """botocore has no event for the end of one that fails before its request."""

    def refuse(**_: object) -> None:
        raise ParamValidationError(report="")

    clients = Clients(REGION)
    client = slow(clock, clients)
    clients.calls.time.limit(LIMIT)
    client.meta.events.register("before-call", refuse)
    with pytest.raises(ParamValidationError):
        client.get_caller_identity()
    client.meta.events.unregister("before-call", refuse)
    clock.pass_(1000)
    assert kinds(client, 1) == ["denied"]


def test_time_for_an_mfa_code_does_not_count(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore asks for it within the first call, before that is sent."""

    def ask(prompt: str) -> str:
        clock.pass_(2 * LIMIT)
        return prompt

    time = ReadingTime()
    time.limit(LIMIT)
    resolver = create_credential_resolver(botocore.session.Session())
    provider: Any = resolver.get_provider("assume-role")
    provider._prompter = ask
    monkeypatch.setattr(session, "create_credential_resolver", lambda *_, **__: resolver)
    session._resolver(botocore.session.Session(), REGION, time)
    with time.counted():
        assert provider._prompter("code") == "code"
        time.check()
        clock.pass_(LIMIT + 1)
        with pytest.raises(calls.TookTooLong):
            time.check()


def test_calls_at_once_count_as_one(clock: Clock) -> None:
    """As long as one of them has no answer."""
    time = ReadingTime()
    time.limit(LIMIT)
    with time.counted():
        clock.pass_(LIMIT / 2)
        with time.counted():
            clock.pass_(LIMIT / 2)
    time.check()
    with time.counted():
        clock.pass_(1)
        with pytest.raises(calls.TookTooLong):
            time.check()


def test_a_change_is_not_broken_off_and_the_look_after_it_has_its_own_time(clock: Clock) -> None:
    """A look within the change still ends; of two changes at once, the time begins after the last."""
    time = ReadingTime()
    time.limit(LIMIT)
    with time.changing():
        with time.counted():
            clock.pass_(10 * LIMIT)
            time.check()
        with time.within(LIMIT), pytest.raises(calls.TookTooLong):
            clock.pass_(LIMIT + 1)
            time.check()
        with time.changing():
            pass
        with time.counted():
            clock.pass_(10 * LIMIT)
            time.check()
    time.check()
    with time.counted(), pytest.raises(calls.TookTooLong):
        clock.pass_(LIMIT + 1)
        time.check()


@pytest.mark.parametrize("is_shared", [True, False])
def test_other_clients_of_a_run_share_its_time(clock: Clock, is_shared: bool) -> None:
    """Those that find the environment, and those whose caller assumes the role."""
    time = ReadingTime()
    time.limit(LIMIT)
    before, clients = Clients(REGION, time=time), Clients(REGION, role_arn=ROLE, time=time if is_shared else None)
    assert clients.role
    client = slow(clock, before)
    assert kinds(client, 3) == ["denied"] * 3
    with nullcontext() if not is_shared else pytest.raises(calls.TookTooLong):
        clients.role.source.calls.time.check()


def test_a_wait_for_the_next_call_ends_with_the_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what is not sent any more, however many wait."""
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=lambda: clock.seconds, sleep=clock.pass_))
    time = ReadingTime()
    time.sleep(2)
    assert clock.seconds == pytest.approx(1002)
    with time.within(1), pytest.raises(TookTooLong):
        time.sleep(30)
    assert clock.seconds < 1003.3
    with time.within(-1), pytest.raises(TookTooLong):
        time.sleep(30)
    assert clock.seconds < 1003.3
