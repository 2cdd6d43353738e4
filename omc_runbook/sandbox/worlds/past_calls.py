"""Invented calls of the past weeks for CloudTrail's event history."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.worlds.staging import SECRET, World


@dataclass(frozen=True, kw_only=True)
class PastCall:
    """A call on the secret, so long before now; `role` made it in a session of the name `session`."""

    ago: timedelta
    role: str
    session: str = "i-0a1b2c3d4e5f67890"
    name: str = "GetSecretValue"
    address: str = "203.0.113.7"
    user_agent: str = "Boto3/1.40.0 md/Botocore#1.40.0 lang/python#3.12"
    error: str = ""
    region: str = REGION
    parameters: dict[str, Any] = field(default_factory=lambda: {"secretId": SECRET})
    request_id: str = ""

    def to_record(self, now: datetime) -> dict[str, Any]:
        """What CloudTrail would have of it; see
        https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
        """
        role = f"arn:aws:iam::{ACCOUNT}:role/{self.role}"
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.role}/{self.session}"
        issuer = {"type": "Role", "arn": role, "accountId": ACCOUNT, "userName": self.role}
        refusal = f"User: {session} is not authorized to perform: secretsmanager:{self.name} on resource: {SECRET}"
        return {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "arn": session,
                "accountId": ACCOUNT,
                "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
            },
            "eventTime": f"{now - self.ago:%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": self.name,
            "awsRegion": self.region,
            "sourceIPAddress": self.address,
            "userAgent": self.user_agent,
            **({"errorCode": self.error, "errorMessage": refusal} if self.error else {}),
            "requestParameters": self.parameters,
            "responseElements": None,
            "requestID": self.request_id or str(uuid.uuid4()),
            "eventID": str(uuid.uuid4()),
            "readOnly": self.name.startswith(("Get", "BatchGet")),
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
        }


def remember(world: World, calls: Iterable[PastCall]) -> None:
    """Add calls to the event history."""
    now = datetime.now(UTC)
    records = [call.to_record(now) for call in calls]
    world.control("POST", "history", {"records": records})


def forget(world: World) -> None:
    """Remove such calls."""
    world.control("DELETE", "history")


def daily(days: Iterable[int], role: str, **more: Any) -> list[PastCall]:
    """A call of a role so many days ago each."""
    return [PastCall(ago=timedelta(days=each), role=role, **more) for each in days]
