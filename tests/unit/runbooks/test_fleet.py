"""Where fleet looks, before it reads anything, and what it knows of an environment without a record."""

from __future__ import annotations

import os
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.outcomes import an_outcome

from omc_runbook.masking.fingerprint import new_key
from omc_runbook.model.findings import Finding
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report import fleet as report
from omc_runbook.report.fleet import EnvironmentRun
from omc_runbook.runbooks import fleet_worker
from omc_runbook.runbooks.fleet import Fleet, answer
from omc_runbook.runbooks.fleet_worker import Job
from omc_runbook.snapshot.environments import find_several

FOREIGN = "https://emulator.example.com"


@pytest.mark.parametrize(("url", "is_red"), [(FOREIGN, True), ("http://127.0.0.1:5000", False), ("", False)])
def test_the_banner_is_red_where_calls_go_elsewhere_than_to_aws(
    url: str, is_red: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the endpoint of one environment's profile alone is another; its run reports a missing profile."""
    config, toml = tmp_path / "config", tmp_path / "runbook.toml"
    config.write_text(f"[profile other]\n{f'endpoint_url = {url}' if url else ''}\n")
    toml.write_text('[environments.staging]\n[environments.a]\nprofile = "other"\n[environments.b]\nprofile = "none"\n')
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    found = find_several("staging,a,b", "staging", str(toml))
    fleet = Fleet(started=datetime.now(UTC), environment="staging", environments=found.environments, seconds=9)
    assert (fleet.banner.style == "production") is is_red
    assert any(f"Calls go to {url}, neither AWS" in line for line in fleet.banner.lines) is is_red


def test_the_account_of_an_assumed_role_is_named(tmp_path: Path) -> None:
    """Before anything is read, and where nothing could be read."""
    toml = tmp_path / "runbook.toml"
    toml.write_text('[environments.staging]\n[environments.qa]\nrole_arn = "arn:aws:iam::210987654321:role/runbooks"\n')
    found = find_several("staging,qa", "staging", str(toml))
    fleet = Fleet(started=datetime.now(UTC), environment="staging", environments=found.environments, seconds=9)
    assert any("Accounts: 210987654321, the one that you are signed in to" in line for line in fleet.banner.lines)
    refused = EnvironmentRun(failure="Could not assume role runbooks.")
    accounts = {each.environment: each.account for each in fleet.outcome({"qa": refused}).targets}
    assert accounts == {"staging": "", "qa": "210987654321"}


@pytest.mark.parametrize(
    ("own", "is_shared"),
    [("", True), ('region = "eu-west-1"', False), ('account_id = "210987654321"', False), ('profile = "other"', False)],
)
def test_environments_with_one_secret_are_named(own: str, is_shared: bool, tmp_path: Path) -> None:
    """In the banner and in the answer: each is all right, and a change of one is a change of the other."""
    toml = tmp_path / "runbook.toml"
    production = f'[environments.production]\nsecret = "ohmycoins-staging-app-secrets"\n{own}\n'
    toml.write_text(f"[environments.staging]\n{production}")
    found = find_several("staging,production", "staging", str(toml))
    fleet = Fleet(started=datetime.now(UTC), environment="staging", environments=found.environments, seconds=9)
    runs = {each.name: EnvironmentRun(outcome=an_outcome()) for each in found.environments}
    sentence = (
        "staging, production have the same secret, ohmycoins-staging-app-secrets: what changes it for one changes it"
        f" for all. Correct secret in {toml}."
    )
    assert (sentence in fleet.banner.lines) is is_shared
    lines = answer(fleet, runs).to_text().split()
    assert (sentence in " ".join(lines)) is is_shared


def test_an_environment_whose_record_cannot_be_kept_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk fills up: its findings count, and a sentence says that there is no record."""

    def execute(source: str, notebook: str, *_: object, **__: object) -> None:
        """Hand an outcome over, and leave no notebook."""
        clear = Finding(check="no-permission", family="access", title="A title", status="clear")
        Path(os.environ[OUTCOME_VARIABLE]).write_text(an_outcome(findings=(clear,)).to_json())

    monkeypatch.setattr("papermill.execute_notebook", execute)
    (staging,) = find_several("staging", "staging", "").environments
    job = Job(
        environment=staging, records=str(tmp_path), main="staging", runbook_toml="", spare=str(tmp_path), key=new_key()
    )
    runs = {"staging": copy_context().run(fleet_worker.verify, job)}
    assert (runs["staging"].why_unread, runs["staging"].status) == ("", "ok")
    assert report.failure(runs).startswith(f"staging: No record was kept in {tmp_path}: ")
