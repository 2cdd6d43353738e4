"""What another process began is taken back on every environment that it began on."""

from __future__ import annotations

import pytest
from support.outcomes import NOW

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.take_back import Undo
from omc_runbook.model.environment import Environment, load
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.report.archive.state import ChangeState, own_process
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.run import Run, Target
from omc_runbook.runbooks.take_back import offers


def test_the_environment_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook may be about another one, of which AWS answers."""

    def identify(clients: Clients, environment: Environment) -> Caller:
        raise CouldNotLook("AWS cannot be reached.")

    own = load("staging")
    run = Run(runbook="add_key", started=NOW, targets=(Target(own, Clients.of(own), Caller("1", "arn")),))
    undo = Undo(kind="policy", subject="a-role", new="a-policy", environment="production")
    state = ChangeState(
        runbook="add_key",
        environment="staging",
        account="1",
        region="",
        endpoint="",
        started=NOW,
        undo=(undo,),
        **own_process(),
    )
    monkeypatch.setattr(runbooks_run, "identify", identify)
    (choice,) = offers(run, state)
    with pytest.raises(CouldNotLook) as failed:
        next(choice.act(""))
    assert str(failed.value) == "production: AWS cannot be reached."
