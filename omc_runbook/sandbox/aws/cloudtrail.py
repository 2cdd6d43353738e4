"""CloudTrail with LookupEvents over the sandbox's own trail.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

import json
from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError

from omc_runbook.sandbox.trail import EVENT_HISTORY

_PAGE = 50


class SandboxCloudTrail(CloudTrailResponse):
    """moto's trails, and the events that the sandbox recorded."""

    def lookup_events(self) -> str:
        """A page of events, newest first, filtered by attribute and time."""
        asked = json.loads(self.body or "{}")
        size = asked.get("MaxResults", _PAGE)
        if not 1 <= size <= _PAGE:
            raise JsonRESTError("InvalidMaxResultsException", f"MaxResults must be between 1 and {_PAGE}.")
        wanted = [(a["AttributeKey"], a["AttributeValue"]) for a in asked.get("LookupAttributes", [])]
        start, end = asked.get("StartTime"), asked.get("EndTime")
        found = [
            event
            for event in EVENT_HISTORY.events(self.current_account, self.region)
            if (start is None or event.time.timestamp() >= start)
            and (end is None or event.time.timestamp() <= end)
            and all(event.matches(key, value) for key, value in wanted)
        ]
        # The token names the last event given, so that a page stays put while new events arrive.
        token = asked.get("NextToken")
        first = next((n for n, event in enumerate(found, 1) if event.fields["EventId"] == token), 0)
        page = found[first : first + size]
        answer: dict[str, Any] = {
            "Events": [dict(event.fields) | {"EventTime": event.time.timestamp()} for event in page]
        }
        if first + size < len(found):
            answer["NextToken"] = page[-1].fields["EventId"]
        return json.dumps(answer)
