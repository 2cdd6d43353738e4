"""Worlds that differ from the guide's: other spellings of each fault, and what is healthy all the same."""

from __future__ import annotations

import pytest
from snapshots import (
    ACCOUNT,
    ARN,
    NAME,
    healthy,
    stuck,
    with_reference,
)

from omc_runbook.diagnosis import diagnose
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

PULL = "ResourceInitializationError: unable to pull secrets or registry auth: "


def root_causes(snapshot: Snapshot) -> list[str]:
    """What the diagnosis of a snapshot calls a cause."""
    return list(dict.fromkeys(finding.check for finding in diagnose(snapshot) if finding.is_root_cause))


def unsure(snapshot: Snapshot) -> list[str]:
    """The checks of which the diagnosis cannot tell."""
    return [finding.check for finding in diagnose(snapshot) if finding.status == "unknown"]


@pytest.mark.parametrize(
    ("value_from", "cause"),
    [
        (f" {ARN}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN}:SECRET_KEY:: ", "arn-malformed"),
        (f"{ARN.replace('secretsmanager', 'secretmanager')}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN.removeprefix('arn:')}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN[:-6]}??????:SECRET_KEY::", "arn-malformed"),
        (f"{ARN[:-6]}*:SECRET_KEY::", "arn-malformed"),
        ("${var.secrets_arn}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN.replace('arn:aws:', 'arn:aws-us-gov:')}:SECRET_KEY::", "wrong-partition"),
        (f"{ARN.replace('staging', 'production')}:SECRET_KEY::", "other-environment"),
        (f"{NAME}:SECRET_KEY::", "bare-name"),
        (f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/{NAME}", "bare-name"),
    ],
)
def test_spellings_of_a_wrong_reference(value_from: str, cause: str) -> None:
    """However a reference is wrong, it is the one cause of the tasks that do not start."""
    failing = stuck(healthy(), "worker", f"{PULL}execution resource retrieval failed")
    assert root_causes(with_reference(failing, "worker", "SECRET_KEY", value_from)) == [cause]


@pytest.mark.parametrize(
    "value_from",
    [
        f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/{NAME}/url",
        f"/ohmycoins/{NAME}/SECRET_KEY",
        f"{ARN.replace('-app-', '-other-')}:TOKEN::",
        ARN.replace("app-secrets", "app-secrets-legacy"),
        f"{ARN}:SMTP_HOST:AWSCURRENT:",
    ],
)
def test_references_that_are_right(value_from: str) -> None:
    """A parameter or a secret of another name is nobody's fault, and neither is the current stage by its name."""
    snapshot = with_reference(healthy(), "worker", "OPENAI_API_KEY", value_from)
    assert (root_causes(snapshot), unsure(snapshot)) == ([], [])
