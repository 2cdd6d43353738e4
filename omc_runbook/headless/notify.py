"""Sends messages about a run, by apprise or to an SNS topic; a failure is reported, and changes nothing else."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from omc_runbook.aws import sns
from omc_runbook.aws.session import Clients, require
from omc_runbook.headless import last_run
from omc_runbook.headless.last_run import LastRun
from omc_runbook.headless.news import Notice, Open, Standing, compare
from omc_runbook.masking import registry
from omc_runbook.model import regular_file
from omc_runbook.model.arn import region_in
from omc_runbook.model.environment_names import PROJECT
from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.model.findings import Notification, Outcome
from omc_runbook.model.notify import Notify
from omc_runbook.model.suggestions import at_home

if TYPE_CHECKING:
    from omc_runbook.report.archive.bucket import S3Folder
Send = Callable[[Notice], None]
"""Delivers a message, or raises RunbookError."""

_KINDS = {"resolved": "success", "warning": "warning", "failure": "failure"}
_TOKEN = 8
"""From how many characters on a part of an address is masked."""
_HOST = re.compile(r"(?:[\w-]+\.)+[A-Za-z]{2,}|\d{1,3}(?:\.\d{1,3}){3}")
"""What several addresses may share; a token may have dots, too, but hardly letters alone after the last."""
_CAUSE = re.compile(
    r"""(?:Socket|I/O)\ Exception:\ .*?
    (?:\[Errno\ -?\d+\]\ (?P<system>[A-Za-z\ ]+) | \[SSL:\ (?P<tls>[A-Z_]+)\] | \((?P<code>[45]\d\d),\ b['"]
    | (?P<mail>STARTTLS|SMTP\ AUTH)\ extension\ not\ supported)""",
    re.VERBOSE | re.DOTALL,
)
"""Why something could not be sent, in a line that apprise logs of an exception: all else there may be of the address.

Its other lines for debugging have the message itself, which may quote such words.
"""
_INCIDENT_KEYS = frozenset({"dedup", "entity_id", "external_id", "thirdparty"})
"""Where apprise's services have what an incident is found again by."""


def send(notices: Iterable[Notice], notify: Notify, profile: str = "") -> tuple[Notification, ...]:
    """Send each message to its receivers, side by side, for `notify.timeout` seconds in all."""
    prepared = [
        (each.topic, to, _delivery(each, to, profile, notify.timeout))
        for each in notices
        for to in notify.receivers(each.topic)
        if to == (each.only_to or to)
    ]
    calls = [(topic, to, _TimedCall(deliver, notify.timeout)) for topic, to, deliver in prepared]
    return tuple(Notification(to, topic, registry.mask_thoroughly(call.failure())) for topic, to, call in calls)


def _took_longer(timeout: int) -> str:
    return f"It took more than {timeout} s."


class _TimedCall:
    """A call that a thread makes at once; one that hangs ends with the process. It returns why it failed, or ""."""

    def __init__(self, call: Callable[[], str], timeout: int) -> None:
        self._deadline, self._failure = time.monotonic() + timeout, _took_longer(timeout)
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for its end for so many seconds at most."""
        self._thread.join(seconds)

    def failure(self) -> str:
        """Why it failed, or has not ended within its time; "" where it succeeded."""
        self.wait(max(0.0, self._deadline - time.monotonic()))
        return self._failure

    def _run(self, call: Callable[[], str]) -> None:
        failure = call()
        # What gives up by itself after that time does so a little later, in words of its own.
        if not failure or time.monotonic() < self._deadline:
            self._failure = failure


def _delivery(notice: Notice, receiver: str, profile: str, timeout: int) -> Callable[[], str]:
    """What delivers a message to one receiver, and returns why that failed."""
    try:
        deliver = sender(receiver, profile, timeout)
    except RunbookError as error:
        failure = str(error)
        return lambda: failure

    def call() -> str:
        try:
            deliver(notice)
        except RunbookError as error:
            return str(error)
        return ""

    return call


def sender(receiver: str, profile: str, timeout: int) -> Send:
    """What delivers messages to a receiver, as runbook.toml spells it, and waits for an answer so many seconds.

    Raises UsageError where that cannot work.
    """
    kind, _, rest = receiver.partition(":")
    if kind == "sns":
        return lambda notice: _publish(rest, profile, notice)
    return _apprise(_address(kind, rest), timeout)


def _publish(arn: str, profile: str, notice: Notice) -> None:
    text = "\n".join((notice.title, "", *notice.lines))

    def publish() -> None:
        """Publish it in the topic's region."""
        sns.publish(Clients(region_in(arn), profile)("sns"), arn, notice.title, text)

    require(f"to {arn}", "sns:Publish", publish, "send")


def _address(kind: str, name: str) -> str:
    """An address out of a variable or a file, masked from now on."""
    try:
        text = os.environ.get(name, "") if kind == "env" else regular_file.read_text(at_home(name))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"The file {name} with the address cannot be read: {reason}.") from None
    if not text.strip():
        raise UsageError(f"{'The variable' if kind == 'env' else 'The file'} {name} holds no address.")
    address = text.strip()
    registry.register(address, name)
    for part in re.split("[/?@:&=]", address):
        if len(part) >= _TOKEN:
            registry.register(part, "address" if _HOST.fullmatch(part) else name)
    return address


def _apprise(address: str, timeout: int) -> Send:
    try:
        import apprise
    except ImportError:
        raise UsageError("apprise is not installed: pip install 'omc-runbook[notify]'.") from None
    asset = apprise.AppriseAsset(
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        # With one of its own, apprise sends in a pool whose threads Python waits for at the end of the process.
        service_timeout=0,
        # Nor does it then send to several services of one address in such a pool.
        async_mode=False,
        # A redirect makes a GET of the POST: its answer would pass for that to a message, which nobody got.
        http_redirects=False,
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(address):
        # It may hold several, and a message that not all get is none.
        which = "It holds another address than those" if len(service) else "It holds no address"
        raise UsageError(f"{which} that apprise knows, such as slack://… or mailto://….")

    longest = min(each.body_maxlen for each in service)
    for each in service:
        if each.overflow_mode == apprise.OverflowMode.UPSTREAM:
            # What is too long is mostly refused. This also shortens the title, or what an escaped body has more.
            each.overflow_mode = apprise.OverflowMode.TRUNCATE
        # apprise itself gives up after 4 s, and takes for undelivered what a slow receiver has got; what an address
        # says with rto or cto is an attribute of its own.
        for name in {"socket_connect_timeout", "socket_read_timeout"} - vars(each).keys():
            setattr(each, name, float(timeout))

    def deliver(notice: Notice) -> None:
        for each in service:
            _keep_to_incident(each, notice.incident)
        # Some services have the title in the body.
        body = _fit(notice, longest - len(notice.title) - len(sns.CUT)) or notice.title
        with _warnings(service) as reasons:
            is_sent = service.notify(
                body=body, title=notice.title, notify_type=_KINDS[notice.urgency], body_format=apprise.NotifyFormat.TEXT
            )
        if not is_sent:
            raise CouldNotLook(next(filter(None, reasons), "apprise could not deliver it."))

    return deliver


def _keep_to_incident(service: Any, incident: str) -> None:
    """Let a message that all is resolved close the incident that others of its kind opened, and no other.

    Of an address that maps messages to incidents (`action=map`), apprise makes the incident's key of the title, which
    says what is new, or gives all messages of an address one key. A key in the address stays.
    """
    if getattr(service, "action", "") != "map":
        return
    if "new" in getattr(service, "mapping", {}).values():
        # It closes only alerts that it made itself in this process; of others it sends nothing, and calls that success.
        service.action = "new"
    own_keys = (None, "", f"{service.app_id}/{getattr(service, 'routing_key', '')}")
    for name in _INCIDENT_KEYS & vars(service).keys():
        if incident and getattr(service, name) in own_keys:
            setattr(service, name, incident)


@contextmanager
def _warnings(services: Iterable[Any]) -> Iterator[Sequence[str]]:
    """What apprise warns of in this thread while the context lasts, each with its cause.

    Other threads send meanwhile, to the same log. The cause is in a line for debugging, which has the address, too: the
    services write to a log of their own, which goes nowhere else.
    """
    lines = list[str]()
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread != thread:
                return
            if record.levelno >= logging.WARNING:
                lines.extend(record.getMessage().split("\n"))
            elif lines and (cause := _CAUSE.match(record.getMessage())):
                lines[-1] = f"{lines[-1].rstrip('.')}: {_in_words(cause)}."

    collector, log, own_log = Collector(), logging.getLogger("apprise"), logging.Logger("apprise")
    own_log.addHandler(collector)
    for each in services:
        each.logger = own_log
    log.addHandler(collector)
    try:
        yield lines
    finally:
        log.removeHandler(collector)


def _in_words(cause: re.Match[str]) -> str:
    if tls := cause["tls"]:
        return f"TLS failed ({tls})"
    if code := cause["code"]:
        return f"the server answered {code}"
    return f"the server offers no {cause['mail']}" if cause["mail"] else cause["system"].strip()


def _fit(notice: Notice, length: int) -> str:
    """A message's lines in so many characters at most, and a sentence where it was longer.

    The lines before that sentence are whole. What to do and where the record is follow it in at most half of the room:
    the record rather than what to do.
    """
    text = "\n".join(notice.lines)
    if len(text) <= length:
        return text
    ends = ("".join(f"\n{line}" for line in notice.lines[-number:]) for number in range(notice.tail, 0, -1))
    end = next((each for each in ends if len(each) <= length // 2), "")
    head = text[: max(length - len(end), 0)]
    return (head.rpartition("\n")[0] or head) + sns.CUT + end


def report(
    outcome: Outcome,
    folder: Path | S3Folder,
    notify: Notify,
    profile: str = "",
    project: str = PROJECT,
    record: str = "",
) -> Outcome:
    """Send what a run's outcome is worth telling, and remember the run beside the records, in a folder or in S3.

    `record` is where a reader of a message finds the run's record; "" where there is none. Of two runs at once, the
    second compares itself with the first. Returns the outcome with its notifications; where what is remembered cannot
    be read or written, one of them says so.
    """
    # The first may need its time-out for the messages, and some seconds around it.
    with last_run.exclusive_access(folder, 2 * notify.timeout):
        return _report(outcome, folder, notify, profile, project, record)


def _report(
    outcome: Outcome, folder: Path | S3Folder, notify: Notify, profile: str, project: str, record: str
) -> Outcome:
    environment = last_run.environments_of(outcome)
    last = last_run.read(folder, outcome.runbook, environment, outcome.endpoint, project)
    former, unread = (last.standing, "") if isinstance(last, LastRun) else ({}, last)
    address = str(folder) if isinstance(folder, Path) else folder.address
    compare_with = partial(compare, outcome, remind_days=notify.remind_days, present=datetime.now(UTC))
    _, standing = compare_with(former)
    last_sent: dict[str, Standing] = {
        receiver: {topic: each.heard_by(receiver) for topic, each in former.items()} for receiver in notify.everybody
    }
    own = {receiver: compare_with(own_former) for receiver, own_former in last_sent.items()}
    kind = last_run.name_of(outcome, project).removesuffix(last_run.SUFFIX).lstrip(".")
    notices = (
        replace(notice.with_record(record), only_to=receiver, incident=f"omc-runbook/{kind}/{notice.topic}")
        for receiver, (each, _) in own.items()
        for notice in each
    )
    notifications = send(notices, notify, profile)
    for topic in standing:
        delivered = {each.receiver: not each.failure for each in notifications if each.topic == topic}
        if delivered and not any(delivered.values()):
            # Nobody heard of it: the next run tries again, whoever the receivers are by then.
            standing = {**standing, topic: former.get(topic, Open())}
            continue
        missed_by = {}
        for receiver in notify.receivers(topic):
            before, after = last_sent[receiver].get(topic, Open()), own[receiver][1][topic]
            if not delivered.get(receiver, True):
                missed_by[receiver] = before
            elif (after.since.keys(), after.checks) != (standing[topic].since.keys(), standing[topic].checks):
                # This run did not look at what it missed.
                missed_by[receiver] = after
        standing = {**standing, topic: replace(standing[topic], missed_by=missed_by)}
    notifications += tuple(_unaddressed(notify, {each.receiver for each in notifications}))
    failure = f"All that is open counts as new: {unread}." if unread else ""
    try:
        last_run.write(folder, outcome, standing, project)
    except OSError as error:
        failure = f"This run is not remembered: {(error.strerror or str(error)).rstrip('.')}."
    if failure:
        notifications += (Notification(address, "unknown", failure, is_memory=True),)
    return replace(outcome, notifications=(*outcome.notifications, *notifications))


def _unaddressed(notify: Notify, tried: Collection[str]) -> Iterator[Notification]:
    """The receivers without an address for whom there was no message: somebody is to know before there is one."""
    for receiver in notify.everybody:
        kind, _, name = receiver.partition(":")
        if kind == "sns" or receiver in tried:
            continue
        try:
            _address(kind, name)
        except UsageError as error:
            yield Notification(receiver, "findings" if receiver in notify.findings else "unknown", str(error))


class Ping(_TimedCall):
    """A call of the address that watches whether runs take place, with a suffix to its path."""

    def __init__(self, notify: Notify, suffix: str = "") -> None:
        self._address = notify.ping
        # Its answer may trickle, too.
        super().__init__(partial(_call, notify, suffix), notify.timeout)

    def result(self) -> tuple[Notification, ...]:
        """A notification where it failed, or has no answer within the time-out since it began."""
        failure = self.failure()
        return (Notification(self._address, "unknown", failure),) if failure else ()


def _call(notify: Notify, suffix: str) -> str:
    """Call the address of a ping; why that failed, "" where it did not."""
    kind, _, name = notify.ping.partition(":")
    try:
        address = _address(kind, name)
        if not address.startswith(("https://", "http://")):
            raise UsageError("It holds no https:// address.")
        parts = urlsplit(address)
        url = parts._replace(path=parts.path.rstrip("/") + suffix).geturl()
        with urllib.request.urlopen(url, timeout=notify.timeout):  # noqa: S310 - see above
            return ""
    except (RunbookError, OSError, ValueError, HTTPException) as error:
        return registry.mask_thoroughly(_reason(error, notify.timeout))


def _reason(error: Exception, timeout: int) -> str:
    """Why a call failed, in words: urllib puts the system's own error into one of its own."""
    if isinstance(error, InvalidURL):
        # What is in quotes is of the address, of which a short part is not masked.
        return str(error).partition(" '")[0]
    if isinstance(error, HTTPException) and not isinstance(error, OSError):
        # Its text is what was answered, which may be anything.
        return f"Its answer is not HTTP's ({type(error).__name__})."
    cause = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
    if isinstance(cause, TimeoutError) and not cause.strerror:
        # A socket's own time-out; ETIMEDOUT, which the system gives up with, has a text.
        return _took_longer(timeout)
    return f"It cannot be reached: {cause.strerror}." if isinstance(cause, OSError) and cause.strerror else f"{cause}"
