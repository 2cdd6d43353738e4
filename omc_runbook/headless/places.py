"""Where records are kept, as `--record` names it: a folder on this machine, or one in S3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omc_runbook.model.environment_names import STAGING
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import FLEET
from omc_runbook.model.parameters import first_name
from omc_runbook.model.suggestions import at_home

if TYPE_CHECKING:
    from omc_runbook.report.archive.bucket import S3Folder

FOLDER = Path("records")
"""The default folder of records, and that of what stays on this machine beside records in S3."""
SCHEME = "s3://"
"""How the address of a place in S3 begins."""
_ELSEWHERE = re.compile(r"(?i).*://|(s3|arn):")
"""How what is meant to be in S3, or elsewhere, begins."""


@dataclass(frozen=True)
class RecordPlace:
    """A folder, and where its records are instead, if in S3."""

    folder: Path
    bucket: S3Folder | None = None


def signs_in(runbook: str, parameters: Mapping[str, str]) -> str:
    """The environment as which a run calls S3 and SNS: its first, and for a fleet one that has names of its own.

    Raises UsageError as `environment.load` does.
    """
    from omc_runbook.model.environment import read_configured

    environment = first_name(parameters.get("environment", STAGING))
    several = first_name(parameters.get("environments", ""))
    if runbook != FLEET:
        return several or environment
    configured = read_configured(parameters.get("runbook_toml", ""))
    if configured.rule or environment in configured.environments:
        return environment
    return several or next(iter(configured.environments), environment)


def find(address: str, environment: str = "local", runbook_toml: str = "") -> RecordPlace:
    """The place of an address; S3 is called as an environment's profile, and by nobody else's role.

    Of several environments, with commas, the first counts. Raises UsageError for an address that is none, and as
    `environment.load` does.
    """
    if not address.startswith(SCHEME):
        if not address.strip() or _ELSEWHERE.match(address) or "\0" in address:
            problem = f'"{address}" is not a place for records' if address.strip() else "--record is empty"
            raise UsageError(f"{problem}: name a folder, or s3://BUCKET/PREFIX. Nothing was read.")
        return RecordPlace(at_home(address))
    from omc_runbook.model.environment import load
    from omc_runbook.report.archive import bucket

    # An unknown one is refused by what looks at it.
    settings = load(first_name(environment), runbook_toml, may_be_new=True)

    def client() -> Any:
        """boto3's client, made when it is needed: a sandbox may have to be started before."""
        from omc_runbook.aws.session import Clients

        return Clients(settings.names.region, settings.names.profile, profile_source=settings.source_of("profile"))(
            "s3"
        )

    return RecordPlace(FOLDER, bucket.parse(address, client, settings.records.kms_key))
