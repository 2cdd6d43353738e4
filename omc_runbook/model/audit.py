"""Where an audit finds events that are older than CloudTrail's event history: `[audit]` in runbook.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class AuditSettings(BaseModel):
    """Where a trail or CloudTrail Lake keeps events; without any, LookupEvents has those of 90 days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trail_s3: str = Field(default="", pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?)?$")
    """The bucket of a trail with the prefix before AWSLogs, such as s3://audit-logs/cloudtrail; with an organization's
    trail up to its id: s3://audit-logs/AWSLogs/o-a1b2c3d4e5."""

    event_data_store: str = Field(
        default="", pattern=r"^(arn:[a-z-]+:cloudtrail:[a-z0-9-]+:[0-9]{12}:eventdatastore/[a-zA-Z0-9-]+)?$"
    )
    """The ARN of an event data store of CloudTrail Lake, of this account or its organization."""

    @model_validator(mode="after")
    def _name_one(self) -> AuditSettings:
        if self.trail_s3 and self.event_data_store:
            raise PydanticCustomError("one_of", "has both trail_s3 and event_data_store: name the one to read")
        return self

    @property
    def reaches_back(self) -> bool:
        """Whether there are events older than those of CloudTrail's event history."""
        return bool(self.trail_s3 or self.event_data_store)

    @property
    def bucket(self) -> str:
        """The bucket's name; "" for none."""
        return self.trail_s3.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        """What the keys of the trail's files begin with, before the account."""
        path = self.trail_s3.removeprefix("s3://").partition("/")[2].strip("/")
        if "AWSLogs" in path.split("/"):
            return path
        return f"{path}/AWSLogs" if path else "AWSLogs"
