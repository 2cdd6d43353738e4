"""What a killed change has left, as the next one sees it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import cast

import pytest
from snapshots import CURRENT, PREVIOUS, document, healthy, with_values

from omc_runbook.aws.session import Clients
from omc_runbook.changes.renewal import Renewal, renew
from omc_runbook.changes.writing import LABEL
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")


def left(**changed: str | None) -> Snapshot:
    """A healthy environment whose current version a killed run has made of the former one; None took a key out."""
    snapshot = healthy()
    former = document(snapshot)
    members = {key: value for key, value in {**former, **changed}.items() if value is not None}
    snapshot = with_values(with_values(snapshot, former, PREVIOUS), members, CURRENT)
    assert snapshot.secret
    stages = snapshot.secret.stages
    labelled = {**stages, CURRENT: (*stages[CURRENT], f"{LABEL}12345678")}
    return replace(snapshot, secret=replace(snapshot.secret, stages=labelled))


def found(snapshot: Snapshot) -> Renewal:
    """What a run that keeps all values finds; nothing has to be asked for."""
    return renew(cast("Clients", None), snapshot, (), "keep")


def test_a_change_that_was_not_finished_is_told_with_all_its_keys() -> None:
    """Also with those that it took out; only a value can be taken up again."""
    new = found(left(SECRET_KEY=secrets.token_hex(32), OPENAI_API_KEY=None))
    assert new.unfinished and new.unfinished.keys == ("SECRET_KEY",)
    assert new.notes == ("A change of SECRET_KEY, OPENAI_API_KEY was not finished: this run goes on from there.",)
    alone = found(left(OPENAI_API_KEY=None))
    assert alone.notes == ("A change of OPENAI_API_KEY was not finished: this run goes on from there.",)
    assert alone.finish and not alone.values
