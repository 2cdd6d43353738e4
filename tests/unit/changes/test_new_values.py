"""What a killed change has left, as the next one sees it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import cast

import pytest
from support.snapshots import CURRENT, PREVIOUS, document, healthy, with_values

from omc_runbook.aws.session import Clients
from omc_runbook.changes.secret.new_values import NewValues, renew
from omc_runbook.changes.secret.plan import LABEL
from omc_runbook.model.errors import UsageError
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


def found(snapshot: Snapshot) -> NewValues:
    """What a run that keeps all values finds; nothing has to be asked for."""
    return renew(cast("Clients", None), snapshot, (), "keep")


def test_a_change_that_was_not_finished_is_told_with_all_its_keys() -> None:
    """Also with those that it took out; only a value can be taken up again."""
    new = found(left(SECRET_KEY=secrets.token_hex(32), OPENAI_API_KEY=None))
    assert new.unfinished and new.unfinished.keys == ("SECRET_KEY",)
    assert new.notes == ("A change of SECRET_KEY, OPENAI_API_KEY was not finished: this run continues it.",)
    alone = found(left(OPENAI_API_KEY=None))
    assert alone.notes == ("A change of OPENAI_API_KEY was not finished: this run continues it.",)
    assert alone.redeploy_stale and not alone.values


def test_a_password_that_the_database_alone_may_have_is_not_let_go_of() -> None:
    """Until its key is rotated again; with another login role the one in use still gets in."""
    stopped = staged(POSTGRES_PASSWORD=secrets.token_hex(24))
    with pytest.raises(UsageError, match=r"POSTGRES_PASSWORD was not finished.*database_url_from first"):
        found(stopped)
    again = renew(cast("Clients", None), stopped, ("POSTGRES_PASSWORD",), "renew")
    assert again.unfinished and (member := again.unfinished.document.get("POSTGRES_PASSWORD"))
    assert again.values["POSTGRES_PASSWORD"].value.same_as(member.injected)
    assert found(staged(POSTGRES_PASSWORD=secrets.token_hex(24), POSTGRES_USER="app_clone")).unfinished
    assert found(staged(SECRET_KEY=secrets.token_hex(32))).unfinished


def staged(**changed: str) -> Snapshot:
    """A healthy environment beside whose current version a killed run has staged another."""
    snapshot, version = healthy(), secrets.token_hex(16)
    snapshot = with_values(snapshot, {**document(snapshot), **changed}, version)
    assert snapshot.secret
    stages = {**snapshot.secret.stages, version: (f"{LABEL}12345678",)}
    return replace(snapshot, secret=replace(snapshot.secret, stages=stages))
