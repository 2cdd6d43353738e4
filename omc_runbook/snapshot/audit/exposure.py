"""Searches for values of the secret in task definitions, logs, the checkout, its history, and other environments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from omc_runbook.aws import logs
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.masking.fingerprint import fingerprint, process_key
from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked
from omc_runbook.repository.checkout import Checkout
from omc_runbook.snapshot.audit.plain_values import KnownValue, search_definitions
from omc_runbook.snapshot.audit.state import ExposedValue, Exposure, Search, SharedKey
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.other_environments import may_be_secret, read_fingerprints
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory
from omc_runbook.workstation import leaks
from omc_runbook.workstation.leaks import FoundValues

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

FIELD = "exposure"
"""The field of its gaps."""
STREAMS, LINES = 5, 500
"""The sample of a log group: of so many newest streams so many last lines each."""
MOST_GROUPS = 20

_Lines = tuple[tuple[str, tuple[str, ...]], ...]
"""The lines of streams, by the stream's name."""


class ExposureRead:
    """The search: what needs no former value begins at once, `finish` does the rest.

    The lines of logs stay in memory, and only until they were searched.
    """

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot, checkout: Checkout | None) -> None:
        self._gatherer, self._snapshot, self._checkout = gatherer, snapshot, checkout
        groups = dict(_log_groups(snapshot))
        self._groups = {group: groups[group] for group in sorted(groups)[:MOST_GROUPS]}
        self._groups_left_out = len(groups) - len(self._groups)
        self._logs: dict[tuple[str, str], Future[_Lines | ReadFailure]] = {
            (group, region): gatherer.within(region).read(
                f"the log of {service}", "logs:GetLogEvents", _last_lines, group
            )
            for (group, region), service in self._groups.items()
        }
        environment = snapshot.environment
        self._others = gatherer.pool.submit(
            read_fingerprints,
            gatherer.clients,
            gatherer.caller,
            environment.names,
            environment.others,
            environment.keys,
            process_key(),
        )

    def finish(self, history: VersionHistory) -> Exposure:
        """Search for the current values and those of earlier versions."""
        current = _values(self._snapshot, [self._snapshot.current])
        former = _values(self._snapshot, (each.content for each in history.versions))
        known = {
            print_: (KnownValue(key, print_ in current), value)
            for print_, (key, value) in {**former, **current}.items()
        }
        now = [known[print_] for print_ in current]
        before = [known[print_] for print_ in former if print_ not in current]
        values = ValueSearch(before, encoded=now)
        root, pool = self._checkout.root if self._checkout else None, self._gatherer.pool
        files = pool.submit(leaks.search_files, root, values, self._templates) if root else None
        history_search = pool.submit(leaks.search_history, root, ValueSearch(now)) if root else None
        answers = self._others.result()
        read = {name: keys for name, keys in answers.items() if not isinstance(keys, str)}
        return Exposure(
            definitions=search_definitions(self._snapshot, known),
            logs=self._in_logs(values),
            files=_search(files.result()) if files else None,
            history=_search(history_search.result()) if history_search else None,
            shared=_shared({print_: key for print_, (key, _) in current.items()}, read),
            compared=_compared(read),
            uncompared={name: reason for name, reason in answers.items() if isinstance(reason, str)},
        )

    @property
    def _templates(self) -> frozenset[str]:
        template = self._checkout.template if self._checkout else None
        return frozenset({template.file.name} if template else ())

    def _in_logs(self, values: ValueSearch[KnownValue]) -> Search:
        found, count = list[ExposedValue](), 0
        for location, answer in self._logs.items():
            for stream, lines in self._gatherer.keep(FIELD, answer, ()):
                count += len(lines)
                found += [
                    ExposedValue(
                        key=name.key,
                        location=f"log group {location[0]}, stream {stream}",
                        is_current=name.is_current,
                        service=self._groups[location],
                    )
                    for name in values.find("\n".join(lines).encode("utf-8", "surrogatepass"))
                ]
        some = f"{self._groups_left_out} more log groups were not read."
        return Search(tuple(found), count, (some,) if self._groups_left_out else ())


def compare_among(snapshots: Mapping[str, Snapshot]) -> dict[str, Snapshot]:
    """Compare the values of environments, by their names, also where no single sign-in reads both secrets."""
    keys = {
        name: {print_: key for print_, (key, _) in _values(each, [each.current]).items()}
        for name, each in snapshots.items()
        if each.document or not (each.secret or each.unread("secret"))
    }
    arns = {name: each.secret.arn if each.secret else name for name, each in snapshots.items()}
    return {
        name: _compare(each, keys[name], {other: keys[other] for other in keys if arns[other] != arns[name]})
        if name in keys
        else each
        for name, each in snapshots.items()
    }


def _compare(snapshot: Snapshot, own: Mapping[str, str], others: Mapping[str, Mapping[str, str]]) -> Snapshot:
    """Compare a snapshot's keys by fingerprint with those environments' with which they were not yet."""
    exposure = snapshot.audit.exposure
    if exposure is None:
        return snapshot
    read = {name: others[name] for name in exposure.uncompared if name in others}
    exposure = replace(
        exposure,
        shared=(*exposure.shared, *_shared(own, read)),
        compared=(*exposure.compared, *_compared(read)),
        uncompared={name: reason for name, reason in exposure.uncompared.items() if name not in read},
    )
    return replace(snapshot, audit=replace(snapshot.audit, exposure=exposure))


def _values(snapshot: Snapshot, contents: Iterable[Content | None]) -> dict[str, tuple[str, Masked]]:
    """The values in versions that may be secret, by fingerprint, each with its key."""
    catalogue = snapshot.environment.keys
    return {
        fingerprint(member.injected, process_key()): (member.key, member.injected)
        for content in contents
        for member in (content.document.members if content and content.document else ())
        if may_be_secret(member.injected, catalogue.get(member.key))
    }


def _shared(current: Mapping[str, str], others: Mapping[str, Mapping[str, str]]) -> tuple[SharedKey, ...]:
    """The keys whose values other environments have, all of them by fingerprint."""
    return tuple(
        SharedKey(current[print_], name, other)
        for name, keys in others.items()
        for print_, other in keys.items()
        if print_ in current
    )


def _compared(others: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """The environments with values to compare: one whose secret does not exist has none."""
    return tuple(name for name, keys in others.items() if keys)


def _log_groups(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], str]]:
    """The log groups of those that read the secret, with their regions, each with a service that writes to it."""
    home = snapshot.environment.names.region
    for service in snapshot.readers:
        for revision in snapshot.revisions(service):
            for each in revision.containers:
                if each.log_group:
                    yield (each.log_group, each.log_region or home), service.name


def _last_lines(client: CloudWatchLogsClient, group: str) -> _Lines:
    streams = logs.newest_streams(client, group, STREAMS)
    return tuple((stream, logs.last_lines(client, group, stream, LINES)) for stream in streams)


def _search(result: FoundValues[KnownValue] | None) -> Search | None:
    if result is None:
        return None
    found = [
        ExposedValue(key=leak.name.key, location=leak.location, is_current=leak.name.is_current)
        for leak in result.found
    ]
    found += [ExposedValue(key=leak.name, location=leak.location, is_known=False) for leak in result.shapes]
    return Search(tuple(found), result.searched, result.limits)
