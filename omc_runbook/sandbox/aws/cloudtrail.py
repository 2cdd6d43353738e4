"""CloudTrail with LookupEvents and event data stores over the sandbox's own event history, and trails as AWS has them.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
"""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.exceptions import JsonRESTError

from omc_runbook.sandbox.trail import EVENT_HISTORY, EVER

_PAGE = 50
_ROWS = 1000
_SELECT = re.compile(r"SELECT eventJson FROM ([\w-]+) WHERE (.+) ORDER BY eventTime DESC LIMIT (\d+)")
"""The one form of a query that the sandbox runs."""
_CONDITION = re.compile(r"(\w+) (=|>=|IN) (\([^)]*\)|'[^']*')")


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
        start, end = (_moment(parameters.get(name)) for name in ("StartTime", "EndTime"))
        name = next((value for key, value in attributes if key == "EventName"), "")
        events = [
            event
            for event in EVENT_HISTORY.events(self.current_account, self.region, start or EVER, name)
            if (end is None or event.time <= end) and all(event.matches(key, value) for key, value in attributes)
        ]
        # The token names the last event returned, so that pages do not shift as new events arrive.
        token = parameters.get("NextToken")
        first = next((n for n, event in enumerate(events, 1) if event.fields["EventId"] == token), 0)
        page = events[first : first + size]
        answer: dict[str, Any] = {
            "Events": [
                {**event.fields, "EventTime": event.time.timestamp(), "CloudTrailEvent": event.text} for event in page
            ]
        }
        if first + size < len(events):
            answer["NextToken"] = page[-1].fields["EventId"]
        return json.dumps(answer)

    def create_event_data_store(self) -> str:
        """Create an event data store, which takes every event at once, also those that were before."""
        name = self._get_param("Name")
        id = str(uuid.uuid4())
        arn = f"arn:{self.partition}:cloudtrail:{self.region}:{self.current_account}:eventdatastore/{id}"
        management = {"Field": "eventCategory", "Equals": ["Management"]}
        store = self._stored("event_data_stores")[arn] = {
            "EventDataStoreArn": arn,
            "Name": name,
            "Status": "ENABLED",
            "AdvancedEventSelectors": self._get_param("AdvancedEventSelectors") or [{"FieldSelectors": [management]}],
            "MultiRegionEnabled": self._get_param("MultiRegionEnabled", True),
            "OrganizationEnabled": False,
            "RetentionPeriod": self._get_param("RetentionPeriod", 366),
        }
        return json.dumps(store)

    def get_event_data_store(self) -> str:
        """The settings of an event data store, by its ARN or id."""
        return json.dumps(self._store(self._get_param("EventDataStore")))

    def stop_event_data_store_ingestion(self) -> str:
        """Let an event data store take no more events."""
        self._store(self._get_param("EventDataStore"))["Status"] = "STOPPED_INGESTION"
        return "{}"

    def start_query(self) -> str:
        """Run a query on the events of all regions."""
        statement = self._get_param("QueryStatement")
        parsed = _SELECT.fullmatch(statement)
        if parsed is None or not _CONDITION.search(parsed[2]):
            raise JsonRESTError("InvalidQueryStatementException", "The query that was submitted has validation errors.")
        store = self._store(parsed[1])["EventDataStoreArn"]
        tests = [*_CONDITION.finditer(parsed[2])]
        found = [
            event
            for event in EVENT_HISTORY.everywhere(self.current_account)
            if all(_meets(event.record, test[1], test[2], test[3]) for test in tests)
        ]
        id = str(uuid.uuid4())
        rows = [[{"eventJson": event.text}] for event in found[: int(parsed[3])]]
        # Each with its event data store, for which the permission is needed.
        self._stored("queries")[id] = (store, rows)
        return json.dumps({"QueryId": id})

    def get_query_results(self) -> str:
        """A page of a query's rows."""
        query = self._stored("queries").get(self._get_param("QueryId"))
        if query is None:
            raise JsonRESTError("QueryIdNotFoundException", "The query ID does not exist or does not map to a query.")
        rows = query[1]
        first, size = int(self._get_param("NextToken") or 0), self._get_param("MaxQueryResults") or _ROWS
        answer: dict[str, Any] = {"QueryStatus": "FINISHED", "QueryResultRows": rows[first : first + size]}
        if first + size < len(rows):
            answer["NextToken"] = str(first + size)
        return json.dumps(answer)

    def _stored(self, kind: str) -> dict[str, Any]:
        """What moto's backend keeps for the sandbox, until it is reset."""
        stored: dict[str, Any] = vars(self.cloudtrail_backend).setdefault(kind, {})
        return stored

    def _store(self, arn_or_id: str) -> dict[str, Any]:
        for arn, store in self._stored("event_data_stores").items():
            if arn == arn_or_id or arn.endswith(f"/{arn_or_id}"):
                found: dict[str, Any] = store
                return found
        raise JsonRESTError("EventDataStoreNotFoundException", "The specified event data store was not found.")


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _meets(record: Mapping[str, Any], name: str, operator: str, literal: str) -> bool:
    """Whether a record meets one condition of a query."""
    values = re.findall(r"'([^']*)'", literal)
    if operator == ">=":
        since = datetime.strptime(values[0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        return datetime.fromisoformat(record[name]) >= since
    return record.get(name) in values
