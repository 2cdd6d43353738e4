"""Where fleet looks, before it reads anything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omc_runbook.report.fleet import EnvironmentRun
from omc_runbook.runbooks.fleet import Fleet
from omc_runbook.snapshot.environments import find_several

FOREIGN = "https://emulator.example.com"


@pytest.mark.parametrize(("url", "is_red"), [(FOREIGN, True), ("http://127.0.0.1:5000", False), ("", False)])
def test_the_banner_is_red_where_calls_go_elsewhere_than_to_aws(
    url: str, is_red: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the endpoint of one environment's profile alone is another; a missing profile is said by its run."""
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
