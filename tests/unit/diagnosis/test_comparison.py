"""What environments have in common, from facts without values."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from support import snapshots
from support.snapshots import CHANGED, NOW

from omc_runbook.aws.definitions import Container
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.diagnosis import comparison
from omc_runbook.diagnosis.comparison import KeyDifference, RevisionDifference, SharedValue
from omc_runbook.masking.fingerprint import new_key
from omc_runbook.snapshot.state import Snapshot

KEY = new_key()


def _with_image(snapshot: Snapshot, image: str) -> Snapshot:
    def edit(container: Container) -> Container:
        return replace(container, image=image)

    return snapshots.with_container(snapshot, "backend", edit)


def test_facts_have_no_value() -> None:
    """Only keys, fingerprints, revisions and an age."""
    snapshot = snapshots.healthy()
    facts = comparison.facts(snapshot, KEY)
    document = snapshots.document(snapshot)
    assert facts.keys is not None and facts.keys.keys() == document.keys()
    assert (facts.age, facts.rotation_days) == (NOW - CHANGED, 180)
    assert snapshot.secret and snapshot.secret.created and facts.secret_age == NOW - snapshot.secret.created
    assert facts.revisions and facts.revisions["backend"][0] == "7"
    text = json.dumps(asdict(facts), default=str)
    assert [name for name, value in document.items() if len(value) > 7 and value in text] == []
    assert facts.keys["SMTP_HOST"] == "" and len(facts.keys["SECRET_KEY"]) == 16


def test_keys_that_some_lack() -> None:
    """A secret that could not be read lacks nothing that is known."""
    snapshot = snapshots.healthy()
    unread = replace(snapshot, contents={})
    facts = {
        "staging": comparison.facts(snapshot, KEY),
        "same": comparison.facts(snapshot, KEY),
        "production": comparison.facts(snapshots.without_key(snapshot, "SENTRY_DSN"), KEY),
        "unread": comparison.facts(unread, KEY),
    }
    assert comparison.key_differences(facts) == (KeyDifference("SENTRY_DSN", ("staging", "same"), ("production",)),)


def test_values_that_several_have() -> None:
    """By fingerprint, also under another name; settings may be the same, and so may what is empty."""
    one, two = snapshots.healthy(), snapshots.healthy()
    shared = snapshots.document(one)
    same = {"SECRET_KEY": shared["SECRET_KEY"], "SMTP_HOST": shared["SMTP_HOST"], "SENTRY_DSN": ""}
    two = snapshots.with_keys(two, **same, SMTP_PASSWORD=shared["POSTGRES_PASSWORD"])
    facts = {"staging": comparison.facts(one, KEY), "production": comparison.facts(two, KEY)}
    names = ("POSTGRES_PASSWORD = SMTP_PASSWORD", "SECRET_KEY")
    assert comparison.shared_values(facts) == (SharedValue(names, ("staging", "production")),)
    other_key = {**facts, "production": comparison.facts(two, new_key())}
    assert comparison.shared_values(other_key) == ()


def test_services_with_other_images() -> None:
    """The registry does not count, because each account has its own; the revision is named."""
    snapshot = snapshots.healthy()
    facts = {
        "staging": comparison.facts(_with_image(snapshot, "1.dkr.ecr.eu-west-1.amazonaws.com/backend:2.1"), KEY),
        "same": comparison.facts(_with_image(snapshot, "2.dkr.ecr.eu-west-1.amazonaws.com/backend:2.1"), KEY),
        "production": comparison.facts(_with_image(snapshot, "1.dkr.ecr.eu-west-1.amazonaws.com/backend:2.0"), KEY),
    }
    services = facts["staging"].revisions
    assert services
    label = services["backend"][0]
    assert comparison.revision_differences(facts) == (
        RevisionDifference("backend", "backend:2.1", {"staging": label, "same": label}),
        RevisionDifference("backend", "backend:2.0", {"production": label}),
    )
    alone = {**facts, "production": replace(facts["production"], revisions={}, age=timedelta(days=1))}
    missing = [each for each in comparison.revision_differences(alone) if not each.images]
    assert RevisionDifference("backend", "", {"production": ""}) in missing


@pytest.mark.parametrize("field", ["services", "task_definitions"])
def test_services_that_were_not_read_differ_from_none(field: str) -> None:
    """What could not be read is not said to be missing."""
    snapshot = snapshots.healthy()
    gap = ReadFailure(field, "ecs:DescribeServices", "AccessDeniedException", "denied")
    unread = replace(snapshot, services=(), task_definitions={}, gaps={field: (gap,)})
    facts = {"staging": comparison.facts(snapshot, KEY), "production": comparison.facts(unread, KEY)}
    assert facts["production"].revisions is None and comparison.revision_differences(facts) == ()
