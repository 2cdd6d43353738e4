"""The two streams of a data channel, as either end keeps them: in order, each message once, sent until acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

from omc_runbook.aws.message import ACKNOWLEDGE, Message, encode

RESEND_SECONDS = 0.2
_BOTH_ENDS = 3


class Stream:
    """What this end sends (`sends` names the type of its messages), and what it receives; safe to use from threads."""

    def __init__(self, sends: str, send: Callable[[bytes], None]) -> None:
        self._sends, self._send = sends, send
        self._lock = threading.Lock()
        self._next_out = self._next_in = 0
        self._waiting: dict[int, tuple[bytes, float]] = {}
        self._early: dict[int, Message] = {}

    @property
    def unacknowledged(self) -> int:
        """How many messages were sent and not yet acknowledged."""
        with self._lock:
            return len(self._waiting)

    def send(self, kind: int, payload: bytes) -> None:
        """Send the next message, and keep it until it is acknowledged."""
        with self._lock:
            raw = encode(Message(self._sends, self._next_out, payload, kind))
            self._waiting[self._next_out] = raw, time.monotonic()
            self._next_out += 1
            self._send(raw)

    def resend(self) -> None:
        """Send the oldest message again that has waited too long: those behind it wait for it at the other end."""
        with self._lock:
            if not self._waiting:
                return
            oldest = min(self._waiting)
            raw, sent = self._waiting[oldest]
            if time.monotonic() - sent >= RESEND_SECONDS:
                self._waiting[oldest] = raw, time.monotonic()
                self._send(raw)

    def settle(self, message: Message) -> None:
        """Take an acknowledgement; one that cannot be read is as good as none, as the message will be sent again."""
        try:
            number = int(json.loads(message.payload)["AcknowledgedMessageSequenceNumber"])
        except (ValueError, LookupError, TypeError):
            return
        with self._lock:
            self._waiting.pop(number, None)

    def receive(self, message: Message) -> list[Message]:
        """Acknowledge a message of the other end's stream; gives those that are next in order, if it was missing."""
        content = {
            "AcknowledgedMessageType": message.type,
            "AcknowledgedMessageId": str(message.id),
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        }
        with self._lock:
            # Also one that came before: its acknowledgement may have been lost.
            self._send(encode(Message(ACKNOWLEDGE, 0, json.dumps(content).encode(), flags=_BOTH_ENDS)))
            if message.sequence >= self._next_in:
                self._early[message.sequence] = message
            ready = []
            while (found := self._early.pop(self._next_in, None)) is not None:
                ready.append(found)
                self._next_in += 1
            return ready
