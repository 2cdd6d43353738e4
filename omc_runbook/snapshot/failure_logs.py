"""Log lines of failed tasks that show an error, with values masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from omc_runbook.aws import logs
from omc_runbook.aws.definitions import Container
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.failures import ReadFailure, look
from omc_runbook.aws.session import Clients
from omc_runbook.masking import registry
from omc_runbook.messages.refusals import ANSWER, is_refusal
from omc_runbook.messages.validation import find_header, read_block
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

PERMISSION = "logs:GetLogEvents"
ERROR = re.compile(
    r"(error|exception|\b(fatal|critical|panic|refused|denied|failed|unauthori[sz]ed|invalid|incorrect))\b",
    re.IGNORECASE,
)
WITHOUT_REASON = re.compile(
    r"\A\s*\(Background on this error at:|\A(?:The above exception was|During handling of the above|npm (?:ERR!|error))"
    r"|Traceback \(most recent call last\)|Unclosed client session|Task exception was never retrieved"
    r"|Application startup failed\. Exiting\.?\s*\Z|Worker \(pid:\d+\) exited with|Shutting down: Master"
    r"|Worker failed to boot|For further information visit https://errors\.pydantic\.dev/"
)
"""What libraries and servers add to the error that ends a program, without its reason."""
_ESCAPED_END = r"(?<!\\)(?:\\r)?\\n"
LONGEST = 480
"""What SQLAlchemy writes before PostgreSQL's own words, with RDS's host names, has some 200 characters."""
MOST = 2
TASKS_A_SERVICE = 2


def read(gatherer: Gatherer, snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """Sentences with log lines by task id, of each consumer's newest failed tasks that had run."""
    answers = [
        (
            task.id,
            each.name,
            gatherer.within(each.log_region).read(
                f"the log of {each.name}", PERMISSION, logs.last_lines, each.log_group, stream
            ),
        )
        for service in snapshot.readers
        for task in _failed(snapshot, service)[:TASKS_A_SERVICE]
        for each, stream in _logs(snapshot, task)
    ]
    sentences: dict[str, tuple[str, ...]] = {}
    for task_id, container, answer in answers:
        read_lines = gatherer.keep("log_lines", answer, ())
        sentences[task_id] = (*sentences.get(task_id, ()), *_sentences(container, _errors([*_joined(read_lines)])))
    return {task_id: log_lines for task_id, log_lines in sentences.items() if log_lines}


def add(clients: Clients, snapshot: Snapshot) -> Snapshot:
    """The same snapshot with the log lines of failed tasks, which name a value that the application refuses."""
    with ThreadPoolExecutor(TASKS_A_SERVICE, "logs") as pool:
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        return replace(snapshot, log_lines=read(gatherer, snapshot), gaps={**snapshot.gaps, **gatherer.gaps})


def has_login_failure(snapshot: Snapshot) -> bool:
    """Whether any log line says that a password or key was rejected."""
    return any(is_refusal(line) for log_lines in (snapshot.log_lines or {}).values() for line in log_lines)


def last_words(clients: Clients, snapshot: Snapshot, service: str, deployment_id: str) -> tuple[str, ...]:
    """Sentences with the log lines of a deployment's newest failed task that show an error, or its last line.

    Registered values are masked. One sentence says so where the log cannot be read; () where nothing was logged.
    """
    stopped = (task for each in snapshot.services if each.name == service for task in snapshot.stopped(each))
    task = next((task for task in stopped if task.deployment_id == deployment_id), None)
    sentences: list[str] = []
    for each, stream in _logs(snapshot, task) if task and task.has_run else ():
        region, call = each.log_region, partial(_last_lines, clients, each, stream)
        answer = look(f"the log of {each.name}", PERMISSION, call, "" if region == clients.region else region)
        sentences += [answer.sentence] if isinstance(answer, ReadFailure) else _sentences(each.name, [*_joined(answer)])
    return tuple(sentences)


def _failed(snapshot: Snapshot, service: Service) -> tuple[Task, ...]:
    """Failed tasks that had run, newest first, without those that stopped before the current version."""
    since = freshness.current_since(snapshot)
    failed = (task for task in snapshot.stopped(service) if task.has_run)
    return tuple(task for task in failed if not (since and task.stopped and task.stopped < since[0]))


def _logs(snapshot: Snapshot, task: Task) -> Iterator[tuple[Container, str]]:
    """A task's containers that log to CloudWatch Logs, each with the name of its stream."""
    for container in snapshot.containers(task):
        if container.log_group:
            yield container, "/".join(filter(None, (container.log_prefix, container.name, task.id)))


def _last_lines(clients: Clients, container: Container, stream: str) -> tuple[str, ...]:
    return logs.last_lines(clients("logs", container.log_region), container.log_group, stream)


def _lines(events: Iterable[str]) -> Iterator[str]:
    """The lines of events: a log driver may join those of a traceback, and JSON and logfmt escape their ends."""
    # A value's own lines are no longer the value.
    for event in map(registry.mask, events):
        yield from re.split(_ESCAPED_END if event.lstrip().startswith("{") else rf"{_ESCAPED_END}|\r?\n", event)


def _joined(events: Iterable[str]) -> Iterator[str]:
    """The lines, with the errors that pydantic writes below a header on the header's own, without the values."""
    lines, last = [*_lines(events)], -1
    for number, line in enumerate(lines):
        header = find_header(line) if number > last else None
        if header and not header.rest:
            errors, last = read_block(header, [*enumerate(lines)][number + 1 :])
            fields = "; ".join(": ".join((error.location, *error.message.splitlines()[:1])) for error in errors)
            yield f"{line.rstrip()}: {fields}" if fields else line
        elif number > last:
            yield line


def _errors(lines: Sequence[str]) -> list[str]:
    """The lines that show an error: those that give its reason, if there are any."""
    errors = [line for line in lines if ERROR.search(line) or is_refusal(line)]
    reasons = [line for line in errors if is_refusal(line) or not (WITHOUT_REASON.search(line) or ANSWER.search(line))]
    # Scripts write of files that they do without, too.
    return reasons or [line for line in lines if "no such" in line.casefold()] or errors


def _sentences(container: str, lines: Sequence[str]) -> Iterator[str]:
    filled = [line for line in lines if line.strip()]
    for line in _errors(filled)[-MOST:] or filled[-1:]:
        text = registry.mask(" ".join(line.split()))
        yield f"The log of {container} says: {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"
