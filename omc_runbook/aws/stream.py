"""One end of a data channel's two streams: in order, each message once, resent until acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

from omc_runbook.aws.message import ACKNOWLEDGE, Message, encode

RESEND_SECONDS = 0.2
_BOTH_ENDS = 3


class Stream:
    """What this end sends (`sends` is its messages' type) and receives; safe to use from several threads."""

    def __init__(self, sends: str, send: Callable[[bytes], None]) -> None:
        self._sends, self._send = sends, send
        self._lock = threading.Lock()
        self._next_out = self._next_in = 0
        self._waiting: dict[int, tuple[bytes, float]] = {}
        self._early: dict[int, Message] = {}

    @property
    def unacknowledged(self) -> int:
        """How many sent messages are not acknowledged yet."""
        with self._lock:
            return len(self._waiting)

    def send(self, kind: int, payload: bytes) -> None:
        """Send the next message and keep it until it is acknowledged."""
        with self._lock:
            raw = encode(Message(type=self._sends, sequence=self._next_out, payload=payload, kind=kind))
            self._waiting[self._next_out] = raw, time.monotonic()
            self._next_out += 1
            self._send(raw)

    def resend(self) -> None:
        """Resend the oldest unacknowledged message after RESEND_SECONDS: the other end needs it before later ones."""
        with self._lock:
            if not self._waiting:
                return
            oldest = min(self._waiting)
            raw, sent_at = self._waiting[oldest]
            if time.monotonic() - sent_at >= RESEND_SECONDS:
                self._waiting[oldest] = raw, time.monotonic()
                self._send(raw)

    def acknowledge(self, message: Message) -> None:
        """Handle an acknowledgement; an invalid one is ignored, because the message is sent again."""
        try:
            number = int(json.loads(message.payload)["AcknowledgedMessageSequenceNumber"])
        except (ValueError, LookupError, TypeError):
            return
        with self._lock:
            self._waiting.pop(number, None)

    def receive(self, message: Message) -> list[Message]:
        """Acknowledge a message from the other end; returns the messages that are now next in order."""
        content = {
            "AcknowledgedMessageType": message.type,
            "AcknowledgedMessageId": str(message.id),
            "AcknowledgedMessageSequenceNumber": message.sequence,
            "IsSequentialMessage": True,
        }
        with self._lock:
            # Also a duplicate: its acknowledgement may have been lost.
            self._send(
                encode(Message(type=ACKNOWLEDGE, sequence=0, payload=json.dumps(content).encode(), flags=_BOTH_ENDS))
            )
            if message.sequence >= self._next_in:
                self._early[message.sequence] = message
            ready = []
            while (following := self._early.pop(self._next_in, None)) is not None:
                ready.append(following)
                self._next_in += 1
            return ready
