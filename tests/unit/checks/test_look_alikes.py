"""Look-alikes: every check has a symptom, a sign that rules it out, and its like."""

import re

import pytest

from omc_runbook.checks import families
from omc_runbook.checks.check import Check
from omc_runbook.checks.families import find
from omc_runbook.diagnosis.root_causes import CHECKS


def symptom(check: str) -> str:
    """How a person reports a fault; one of a developer's machine may have its family before its id."""
    family, _, id = check.rpartition("/")
    return families.symptom(id, family)


def ruled_out_by(check: str) -> str:
    """What is seen where it is not the fault."""
    family, _, id = check.rpartition("/")
    return families.ruled_out_by(id, family)


def alike(check: str) -> tuple[str, ...]:
    """The ids of what looks like a fault."""
    return tuple(other.id for other in others(check))


def others(check: str) -> tuple[Check, ...]:
    """The checks of what looks like a fault."""
    family, _, id = check.rpartition("/")
    return families.look_alikes(id, family)


SYMPTOMS = {"cannot-read", "not-updating", "exec-fails", "local", "audit"}
LOCAL = (
    *("dotenv-missing", "crlf", "dotenv-bom", "dollar", "hash", "colon", "lowercase", "unterminated"),
    *("required-empty", "environment-literal", "permissions", "committed", "reused", "local/weak"),
    *("environment-wins", "pg-volume", "odd-quotes", "readers-differ", "compose-unset", "second-dotenv"),
    *("compose-refused", "compose-profile", "compose-up", "start-refused"),
)
EXEC = ("exec-off", "exec-agent", "exec-iam", "exec-endpoint", "exec-readonly", "exec-plugin", "exec-no-shell")
OTHERS = (
    *("store-only", "entrypoint-override", "baked-env", "app-cache", "code-deploy", "throttled"),
    *("no-egress", "endpoint-sg", "private-dns-off", "sg-egress", "network-acl", "vpc-dns-off", "endpoint-policy"),
    *("image-pull", "start-failed", "out-of-memory", "log-group", "volume", "environment-file", "no-capacity"),
)
IDS = sorted({*(check.id for check in CHECKS), *LOCAL, *EXEC, *OTHERS})


@pytest.mark.parametrize("check", IDS)
def test_every_check_is_told_apart(check: str) -> None:
    """A check has a symptom as a person reports it, and one short phrase that rules it out."""
    assert symptom(check) in SYMPTOMS
    assert re.fullmatch(r"[\w.].{10,110}[^.\s]", ruled_out_by(check))


@pytest.mark.parametrize("check", IDS)
def test_look_alikes_are_mutual(check: str) -> None:
    """A look-alike is distinguished from the fault, and the fault from it."""
    assert check not in alike(check)
    assert len(set(alike(check))) == len(alike(check))
    family, _, id = check.rpartition("/")
    mine = find(id, family)
    assert all(other.ruled_out_by and mine in others(f"{other.family}/{other.id}") for other in others(check))
    assert {other.symptom == "local" for other in others(check)} <= {symptom(check) == "local"}


def test_every_check_has_its_like() -> None:
    """No fault stands alone: there is always something that a person could take it for."""
    assert [check for check in IDS if not alike(check)] == []


def test_no_two_faults_are_ruled_out_by_the_same_sign() -> None:
    """A sign that ruled out two faults at once would tell neither apart from the other."""
    assert len({ruled_out_by(check) for check in IDS}) == len(IDS)


@pytest.mark.parametrize(
    ("check", "other"),
    [
        ("no-permission", "resource-deny"),
        ("no-permission", "endpoint-policy"),
        ("secret-missing", "scheduled-deletion"),
        ("secret-missing", "suffix-stale"),
        ("not-json", "bom"),
        ("key-missing", "key-case"),
        ("placeholder", "store-only"),
        ("not-forced", "app-cache"),
        ("no-egress", "endpoint-sg"),
        ("exec-off", "exec-agent"),
        ("pull-failed", "image-pull"),
        ("pg-volume", "dollar"),
    ],
)
def test_neighbours_are_known(check: str, other: str) -> None:
    """Faults with the same words in ECS, or the same behaviour, are named together."""
    assert other in alike(check)


def test_symptoms_are_a_persons() -> None:
    """A fault shows as tasks that do not start, as an old value, as a session refused, or on one's own machine."""
    assert symptom("secret-missing") == symptom("no-egress") == "cannot-read"
    assert symptom("not-forced") == symptom("version-pinned") == symptom("breaker-rollback") == "not-updating"
    assert {symptom(check) for check in EXEC} == {"exec-fails"}
    assert {symptom(check) for check in LOCAL} == {"local"}


def test_an_unknown_id_is_no_error() -> None:
    """A check that is not known here has no symptom, no sign and no like."""
    assert (symptom("of-tomorrow"), ruled_out_by("of-tomorrow"), alike("of-tomorrow")) == ("", "", ())


@pytest.mark.parametrize(
    ("check", "claim"),
    [
        ("pattern-suffix", "the role's policy matches"),
        ("private-dns-off", "is true"),
        ("arn-malformed", "each valueFrom has"),
        ("not-json", "SecretString is JSON"),
        # It is clear where the policies allow nothing either.
        ("boundary", "or one that allows"),
        # Beside a failed task, others may stay; a deployment of no desired task has none.
        ("rollout-stuck", "has tasks"),
        # A version that stayed under the former key says which one is described.
        ("kms-missing", "each KmsKeyId"),
        # A change may be under way to it.
        ("replica-stale", "is InSync"),
        # What no task reads counts for nothing.
        ("address-differs", "in each URL is"),
    ],
)
def test_a_sign_claims_nothing_that_another_fault_of_its_like_belies(check: str, claim: str) -> None:
    """Where a like of it is found, "not this one" must still be a true sentence."""
    assert claim not in ruled_out_by(check)


def test_what_rules_out_a_tracked_value_says_which_files_were_searched() -> None:
    """In a folder of a larger repository, the files of others are not."""
    assert ruled_out_by("value-tracked").endswith("in a tracked file of its folder or below")
