"""As whom records go to S3, and what is said where that cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError
from support.outcomes import NOW

from omc_runbook.headless import places
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.report.archive import bucket, stems
from omc_runbook.report.archive.record import Record

TABLES = '[environments.eu]\nprofile = "eu"\n[environments.us]\nprofile = "us"\n'


@pytest.mark.parametrize(
    ("text", "runbook", "parameters", "environment"),
    [
        (TABLES, "fleet", {}, "eu"),
        (TABLES, "fleet", {"environments": "us, eu"}, "us"),
        (TABLES, "fleet", {"environment": "us"}, "us"),
        (f"{TABLES}[environments.staging]\n", "fleet", {"environments": "us"}, "staging"),
        (f'{TABLES}[discovery]\nsecrets = "shop-*-app-secrets"\n', "fleet", {}, "staging"),
        (TABLES, "verify", {}, "staging"),
        ("", "fleet", {}, "staging"),
        (TABLES, "audit", {"environment": "us, eu"}, "us"),
        (TABLES, "audit", {"environment": " ,us"}, "us"),
        (TABLES, "add_key", {"environments": "us, eu"}, "us"),
        (f"{TABLES}[environments.staging]\n", "add_key", {"environments": "us", "environment": "staging"}, "us"),
        (TABLES, "add_key", {"environments": "", "environment": "eu"}, "eu"),
    ],
)
def test_a_run_signs_in_as_the_first_environment_that_it_looks_at(
    text: str, runbook: str, parameters: dict[str, str], environment: str, tmp_path: Path
) -> None:
    """The parameter `environment` has a default that runbook.toml need not have, where `environments` names others."""
    (tmp_path / "runbook.toml").write_text(text)
    toml = {"runbook_toml": str(tmp_path / "runbook.toml")}
    assert places.signs_in(runbook, {**parameters, **toml}) == environment


def test_that_nobody_is_signed_in_for_the_bucket_names_it(tmp_path: Path) -> None:
    """The environments may well have credentials."""

    class SignedOut:
        def put_object(self, **_: object) -> None:
            raise NoCredentialsError

    bucket_folder = bucket.parse("s3://records/x", SignedOut)
    with pytest.raises(CouldNotLook, match=r"write to s3://records/x: No AWS credentials .* Nothing was done\."):
        bucket_folder.begin(Record(tmp_path, stems.make("fleet", "staging", NOW)), "fleet", "staging", NOW)
