"""SSM Parameter Store: the metadata of parameters; no value is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omc_runbook.model.grouping import batches

MOST_NAMES = 50
"""How many names one filter of DescribeParameters takes."""
_NAME = re.compile(r"(?!.*//)[A-Za-z0-9_./-]{1,1011}")


@dataclass(frozen=True)
class Parameter:
    """A parameter: its name, when its present version was written, and the key of a SecureString as it was named.

    See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterMetadata.html
    """

    name: str
    changed: datetime | None
    key_id: str = ""


def describe(client: Any, names: Sequence[str]) -> tuple[Parameter, ...]:
    """Read those of the parameters that exist in the client's account and region.

    Names that no parameter can have are not asked for: AWS would refuse the others with them (ValidationException).
    See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html
    """
    paginator = client.get_paginator("describe_parameters")
    return tuple(
        Parameter(entry["Name"], entry.get("LastModifiedDate"), entry.get("KeyId", ""))
        for batch in batches([name for name in names if _NAME.fullmatch(name)], MOST_NAMES)
        for page in paginator.paginate(ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": list(batch)}])
        for entry in page["Parameters"]
    )
