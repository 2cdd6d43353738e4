"""Runs through a network that fails: each verdict is right or unknown, nothing is half written, and each run ends.

One call in ten is throttled, cut, delayed or answered by something else; an answer trickles in without an end; or from
a call on, the token has expired.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks import proxy
from benchmarks.hold.trial import Profile, Try
from benchmarks.hold.workplace import Workplace, last_line, new_workplace
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.sandbox import faults

SHARE = 0.1
"""Of the calls that fail."""
FAULTS = ("no-permission", "key-misspelt")
HTML = b"<html><head><title>Sign in</title></head><body><p>Welcome to the hotel</body></html>"
TRICKLE_SECONDS = 0.5
LINGER = struct.pack("ii", 1, 0)
"""Closes a connection by a reset."""
RIGHT = {"ok": 0, "findings": 1, "unknown": 2, "failed": 2}
TAKEN_BACK, OUTDATED = "change-failed", "not-forced"
BOUND = 2 * LOOK_SECONDS
"""Seconds within which each run has to end: its look, and what comes before it."""


class Failing(proxy.Handler):
    """Answers some calls as a network that fails."""

    kind: ClassVar[str]
    draw: ClassVar[random.Random]
    after: ClassVar[int] = 0
    """The calls that come through before the token expires, or an answer trickles."""

    def handle(self) -> None:
        """Serve a connection until it ends, in whatever way."""
        with suppress(OSError):
            super().handle()

    def finish(self) -> None:
        """Tidy up a connection that may be closed."""
        with suppress(OSError):
            super().finish()

    def handle_call(self, body: bytes) -> None:
        """Answer a call, or fail in this network's way."""
        with self.network.lock:
            is_hit, is_before, pause = self.draw.random() < SHARE, self.draw.random() < 0.5, self.draw.uniform(0.5, 2)
        if self.kind == "expired token":
            if self.network.calls.total() >= self.after:
                return self._refuse("ExpiredTokenException", 400)
            is_hit = False
        if self.kind == "a trickle":
            is_hit = self.network.calls.total() == self.after
        if not is_hit:
            return super().handle_call(body)
        if self.kind == "throttles":
            return self._refuse("ThrottlingException", 400)
        if self.kind == "errors 500" and is_before:
            return self.answer(500, [], b"Internal")
        if self.kind == "resets" and is_before:
            return self._reset()
        if self.kind == "delays":
            time.sleep(pause)
        status, headers, content = self.exchange(body)
        if self.kind == "resets":
            return self._reset()
        if self.kind == "errors 500":
            return self.answer(500, [], b"Internal")
        if self.kind == "pages":
            return self.answer(200, [("Content-Type", "text/html")], HTML)
        if self.kind == "a trickle":
            return self._trickle(content)
        if self.kind == "truncated bodies":
            self.close_connection = True
            return self.answer(status, headers, content[: len(content) // 2], len(content))
        return self.answer(status, headers, content)

    def _refuse(self, code: str, status: int) -> None:
        """AWS's refusal, in JSON or in XML as the call was."""
        if self.headers.get("X-Amz-Target"):
            content = json.dumps({"__type": code, "message": "Not now"}).encode()
            return self.answer(status, [("Content-Type", "application/x-amz-json-1.1")], content)
        short = code.removesuffix("Exception")
        xml = f"<ErrorResponse><Error><Type>Sender</Type><Code>{short}</Code></Error></ErrorResponse>"
        return self.answer(status, [("Content-Type", "text/xml")], xml.encode())

    def _trickle(self, content: bytes) -> None:
        """Send a byte every now and then, and never the last one."""
        self.close_connection = True
        self.answer(200, [], content[:1], len(content) + 10**6)
        for at in itertools.count(1):
            time.sleep(TRICKLE_SECONDS)
            self.wfile.write(content[at : at + 1] or b" ")

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self.close_connection = True
        self.connection.close()
        raise ConnectionResetError


KINDS = ("throttles", "resets", "delays", "truncated bodies", "errors 500", "pages", "expired token", "a trickle")
APPLIED = "rotate, applied"
WAYS = ("verify", "troubleshoot", "rotate, planned", APPLIED, "fleet")
ROUNDS = 6
"""How often the long profile runs each way through each network, in a healthy world and with each fault."""


@dataclass(frozen=True)
class Expected:
    """How a way ends in a world without a failing network: its exit code, and the root causes that it names."""

    code: int
    causes: frozenset[str]


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """Each way through a network of each kind in the long profile, else one way for each kind in turns."""
    with new_workplace() as workplace:
        for fault in ("", *FAULTS) if profile.is_long else ("", FAULTS[seed % len(FAULTS)]):
            if fault:
                faults.break_(workplace.sandbox.endpoint, fault)
            expected: dict[str, Expected] = {}
            for number in range(ROUNDS if profile.is_long else 1):
                for kind, way in _pairs(profile, fault, seed):
                    what = f"{way} through {kind}, {fault or 'healthy'}, {number}"
                    if not profile.has(what):
                        continue
                    if way not in expected:
                        expected[way] = _expected(workplace, way, fault)
                    yield Try(way, what, _through(workplace, expected[way], kind, way, random.Random(f"{seed} {what}")))
            if fault:
                faults.mend(workplace.sandbox.endpoint, None)


def _expected(workplace: Workplace, way: str, fault: str) -> Expected:
    """In a healthy world all is well; in another, what a run finds there."""
    if not fault:
        return Expected(0, frozenset())
    code, outcome, _ = _run(workplace, way)
    return Expected(code, frozenset(outcome.get("root_causes", ())))


def _pairs(profile: Profile, fault: str, seed: int) -> list[tuple[str, str]]:
    ways = [way for way in WAYS if not (fault and way == APPLIED)]
    if profile.is_long:
        return [(kind, way) for kind in KINDS for way in ways]
    pairs = [(kind, ways[(seed + number) % len(ways)]) for number, kind in enumerate(KINDS)]
    return pairs[seed % 2 :: 2] if fault else pairs


def _through(workplace: Workplace, expected: Expected, kind: str, way: str, draw: random.Random) -> str:
    """Run one way through one network; how its verdict is wrong, or what it left."""
    members, versions = workplace.members(), workplace.stages()
    own: dict[str, Any] = {"kind": kind, "draw": draw, "after": draw.randrange(1, 20)}
    handler: type[Failing] = type("OwnFailing", (Failing,), own)
    with proxy.between(workplace.sandbox.endpoint, 0, handler) as network:
        start = time.monotonic()
        code, outcome, line = _run(workplace, way, network.endpoint)
        seconds = time.monotonic() - start
        handler.kind = ""
        if seconds > BOUND:
            return f"it ends after {seconds:.0f} s"
        is_taken_back = way == APPLIED and code == 1
        wrong = _wrong_failure(workplace, outcome) if is_taken_back else _wrong_verdict(expected, code, outcome)
        if wrong:
            return f"{wrong}: {line}"
        if way == APPLIED:
            return _wrong_rotation(workplace, code, members, network.endpoint)
    return "" if workplace.stages() == versions else "it wrote something, though it was not to be applied"


def _wrong_verdict(expected: Expected, code: int, outcome: dict[str, Any]) -> str:
    status, causes = outcome.get("status", ""), frozenset(outcome.get("root_causes", ()))
    if code == 2:
        return "" if status in ("", "unknown", "failed") else f"exit code 2, and {status}"
    if status not in RIGHT or RIGHT[status] != code:
        return f"exit code {code}, and {status or 'no outcome'}"
    if code == 0 != expected.code:
        return "ok, though there is a fault"
    wrong = causes - expected.causes
    if wrong or code > expected.code:
        return f"exit code {code}, wrong root causes: {', '.join(sorted(wrong)) or 'none'}"
    return ""


def _wrong_failure(workplace: Workplace, outcome: dict[str, Any]) -> str:
    """What is wrong with what a rotation says that was taken back, since a deployment could not be begun or seen."""
    causes = set(outcome.get("root_causes", ()))
    if TAKEN_BACK not in causes or causes - {TAKEN_BACK, OUTDATED}:
        return f"exit code 1, and {', '.join(sorted(causes)) or 'no root cause'}"
    return (
        f"{OUTDATED}, though all tasks have the current values"
        if OUTDATED in causes and not workplace.wrong_tasks()
        else ""
    )


def _wrong_rotation(workplace: Workplace, code: int, former: dict[str, Any], endpoint: str) -> str:
    """What a rotation left: all that it says, or what another run brings to its end."""
    if code == 0 and workplace.members()["SECRET_KEY"] == former["SECRET_KEY"]:
        return "it ended with 0, and nothing is renewed"
    if code:
        again = workplace.run("rotate", ("keys=SECRET_KEY", "apply=true"), {"AWS_ENDPOINT_URL": endpoint})
        if again.returncode:
            return f"begun again without a failing network, it ends with {again.returncode}: {last_line(again)}"
    expected = {**former, "SECRET_KEY": workplace.members()["SECRET_KEY"]}
    return workplace.wrong_secret(expected) or workplace.wrong_tasks() or workplace.wrong_files()


def _run(workplace: Workplace, way: str, endpoint: str = "") -> tuple[int, dict[str, Any], str]:
    """Run one way; its exit code, its outcome and the last line that it printed."""
    runbook, _, how = way.partition(", ")
    words: dict[str, tuple[str, ...]] = {"planned": ("keys=SECRET_KEY",), "applied": ("keys=SECRET_KEY", "apply=true")}
    file = workplace.records / "outcome.json"
    file.unlink(missing_ok=True)
    more = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    fleet = ("environments=staging",) if runbook == "fleet" else ()
    # What takes longer than it may is a failure of its own, told in seconds.
    ended = workplace.run(runbook, (*words.get(how, ()), *fleet), more, 1.2 * BOUND)
    outcome = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return ended.returncode, outcome, last_line(ended)
