"""How an audit begins: what it refuses before anything is read, and which environment it could not look at."""

from __future__ import annotations

import pytest

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.runbooks import audit
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.run import Target, naming


@pytest.mark.parametrize(
    ("environment", "days", "sentence"),
    [
        ("staging", 0, "days must be at least 1"),
        ("staging, staging", 90, "environment names staging twice"),
        ("stagin,production", 90, 'Environment "stagin" is unknown: did you mean staging?'),
        ("", 90, 'Environment "" is unknown'),
        ("local,staging", 90, "choose staging or production"),
    ],
)
def test_what_an_audit_cannot_be_of_is_refused(environment: str, days: int, sentence: str) -> None:
    """In one sentence, and before AWS is asked."""
    with pytest.raises(UsageError) as refused:
        audit.begin(environment, "", days)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("OMC_AUDIT__EVENT_DATA_STORE", "audit", "must be the ARN of an event data store"),
        ("OMC_AUDIT__TRAIL_S3", "s3://audit-logs", "has both trail_s3 and event_data_store: name the one to read"),
    ],
)
def test_where_events_are_is_named_once_and_by_its_arn(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    """What cannot be meant is refused before anything is read."""
    store = "arn:aws:cloudtrail:ap-southeast-2:123456789012:eventdatastore/8a7b6c5d"
    monkeypatch.setenv("OMC_AUDIT__EVENT_DATA_STORE", store)
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as refused:
        audit.begin("staging", "", 400)
    assert sentence in str(refused.value)


SILENT = "AWS cannot be reached: check the network."


@pytest.mark.parametrize(
    ("environments", "sentence"), [("staging", SILENT), ("production,staging", f"staging: {SILENT}")]
)
@pytest.mark.parametrize("answers", [False, True])
def test_of_several_environments_the_one_that_cannot_be_looked_at_is_named(
    monkeypatch: pytest.MonkeyPatch, environments: str, sentence: str, answers: bool
) -> None:
    """Whether AWS is silent at once or later: its own reason may fit each of them."""

    def fail(environment: Environment) -> None:
        if environment.name == "staging":
            raise CouldNotLook(SILENT)

    def identify(clients: Clients, environment: Environment) -> Caller:
        if not answers:
            fail(environment)
        return Caller("123456789012", "arn:aws:iam::123456789012:user/night")

    monkeypatch.setattr(runbooks_run, "identify", identify)
    monkeypatch.setattr(Target, "look", lambda target, *_, **__: fail(target.environment))
    with pytest.raises(CouldNotLook) as failed:
        audit.look(audit.begin(environments))
    assert str(failed.value) == sentence


def test_environments_that_share_a_call_name_themselves_alone() -> None:
    """Its error is the same object for each of them."""
    shared, names = CouldNotLook(SILENT, kind="no-answer"), ("production", "staging")
    for name in names:
        with pytest.raises(CouldNotLook) as failed, naming(name, names):
            raise shared
        assert (str(failed.value), failed.value.kind) == (f"{name}: {SILENT}", "no-answer")
