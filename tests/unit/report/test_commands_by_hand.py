"""The commands for the same as update, rotate and restore do: such as AWS takes, for the secret as it was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.snapshots import NAME, NOW, healthy, with_secret

from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.model.findings import is_sentence
from omc_runbook.report import changes, history
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

OWNERS: tuple[dict[str, Any], ...] = (
    {"owning_service": "rds"},
    {"partner": "Salesforce"},
    {"primary": Replica("us-east-1", "")},
    {"primary": Replica("arn:aws:secretsmanager:us-east-1:999999999999:secret:app-AbCdEf", "InSync")},
)
UNREAD = VersionHistory(())


def commands(snapshot: Snapshot) -> list[str]:
    """How one writes the secret by hand, and makes a former version current again."""
    entries = (*changes.by_hand(snapshot).entries, *history.by_hand(snapshot, UNREAD).entries)
    return [entry.command for entry in entries if "aws ecs" not in entry.command]


def test_a_secret_that_was_deleted_is_restored_or_created_first() -> None:
    """AWS refuses to write one that is scheduled for deletion, and one that does not exist."""
    deleted = commands(with_secret(healthy(), deleted=NOW))
    [first, second] = [index for index, each in enumerate(deleted) if "restore-secret" in each]
    assert "put-secret-value" in deleted[first + 1] and "update-secret-version-stage" in deleted[second + 1]
    gone = " ".join(commands(replace(healthy(), secret=None)))
    assert "create-secret --name" in gone and "put-secret-value" not in gone
    assert "list-secret-version-ids" not in gone and "update-secret-version-stage" not in gone
    assert "restore-secret" not in " ".join(commands(healthy()))


@pytest.mark.parametrize("owner", OWNERS)
def test_a_secret_that_something_else_writes_is_written_there(owner: dict[str, Any]) -> None:
    """AWS refuses it here; the sentence that says so begins with the secret's name, and is no command."""
    ways = commands(with_secret(healthy(), **owner))
    assert not [way for way in ways if "put-secret-value" in way or "AWSCURRENT" in way or way == "rm secrets.json"]
    sentences = [way for way in ways if way.startswith(f"{NAME} is ")]
    assert len(sentences) == 2 and all(map(is_sentence, sentences))
    [first, *_] = commands(with_secret(healthy(), deleted=NOW, **owner))
    assert "restore-secret" not in first and is_sentence(first)
