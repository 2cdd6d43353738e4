"""CloudTrail with LookupEvents over the sandbox's own event history.

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
        parameters = json.loads(self.body or "{}")
        size = parameters.get("MaxResults", _PAGE)
        if not 1 <= size <= _PAGE:
            raise JsonRESTError("InvalidMaxResultsException", f"MaxResults must be between 1 and {_PAGE}.")
        attributes = [(a["AttributeKey"], a["AttributeValue"]) for a in parameters.get("LookupAttributes", [])]
        start, end = parameters.get("StartTime"), parameters.get("EndTime")
        events = [
            event
            for event in EVENT_HISTORY.events(self.current_account, self.region)
            if (start is None or event.time.timestamp() >= start)
            and (end is None or event.time.timestamp() <= end)
            and all(event.matches(key, value) for key, value in attributes)
        ]
        # The token names the last event returned, so that pages do not shift as new events arrive.
        token = parameters.get("NextToken")
        first = next((n for n, event in enumerate(events, 1) if event.fields["EventId"] == token), 0)
        page = events[first : first + size]
        answer: dict[str, Any] = {
            "Events": [
                {**event.fields, "EventTime": event.time.timestamp(), "CloudTrailEvent": json.dumps(event.record)}
                for event in page
            ]
        }
        if first + size < len(events):
            answer["NextToken"] = page[-1].fields["EventId"]
        return json.dumps(answer)
