"""Where an audit finds events that are older than CloudTrail's event history: `[audit]` in runbook.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AuditSettings(BaseModel):
    """Where a trail keeps its events; without any, LookupEvents has those of 90 days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trail_s3: str = Field(default="", pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?)?$")
    """The bucket of a trail with the prefix before AWSLogs, such as s3://audit-logs/cloudtrail; with an organization's
    trail up to its id: s3://audit-logs/AWSLogs/o-a1b2c3d4e5."""

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
