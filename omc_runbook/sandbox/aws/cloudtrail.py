"""CloudTrail with LookupEvents over the sandbox's own event history, and trails that AWS's rules hold for.

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

    def create_trail(self) -> str:
        """Create a trail, unless there is one of its name."""
        name = self._get_param("Name")
        if name in self.cloudtrail_backend.trails:
            raise JsonRESTError("TrailAlreadyExistsException", f"Trail {name} already exists.")
        return str(super().create_trail())

    def put_event_selectors(self) -> str:
        """Set a trail's selectors, basic or advanced ones: each kind replaces the other."""
        trail = self.cloudtrail_backend.get_trail(self._get_param("TrailName"))
        trail.event_selectors, trail.advanced_event_selectors = [], []
        return str(super().put_event_selectors())

    def delete_trail(self) -> str:
        """Delete a trail, by its name or ARN."""
        trail = self.cloudtrail_backend.get_trail(self._get_param("Name"))
        del self.cloudtrail_backend.trails[trail.trail_name]
        return "{}"

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
