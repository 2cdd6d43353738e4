"""The binary message format of Session Manager's data channel.

Its layout is that of https://github.com/aws/session-manager-plugin (src/message).
"""

from __future__ import annotations

import hashlib
import struct
import time
import uuid
from dataclasses import dataclass, field
from enum import IntEnum

INPUT = "input_stream_data"
OUTPUT = "output_stream_data"
ACKNOWLEDGE = "acknowledge"
CLOSED = "channel_closed"
_UNSIGNED = frozenset({"start_publication", "pause_publication"})

_SCHEMA_VERSION = 1
# Type, version, created, sequence number, flags, id, digest, kind of payload; the length of the header stands before
# them, and that of the payload between them and the payload.
_HEADER = struct.Struct(">32sIQqQ16s32sI")
_LENGTH = struct.Struct(">I")
_HEADER_LENGTH = _LENGTH.size + _HEADER.size


class Kind(IntEnum):
    """The kinds of payload that a command needs."""

    NONE = 0
    OUTPUT = 1
    SIZE = 3
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    STDERR = 11


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message: type, sequence number in its stream, payload and the payload's kind (a Kind, or another number).

    `created` is in milliseconds since 1970.
    """

    type: str
    sequence: int
    payload: bytes = field(repr=False)
    kind: int = Kind.NONE
    flags: int = 0
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


def encode(message: Message) -> bytes:
    """Encode a message as bytes."""
    name = message.type.encode().ljust(32)
    digest = hashlib.sha256(message.payload).digest()
    numbers = (_SCHEMA_VERSION, message.created, message.sequence, message.flags)
    header = _HEADER.pack(name, *numbers, _swap(message.id.bytes), digest, message.kind)
    return _LENGTH.pack(_HEADER_LENGTH) + header + _LENGTH.pack(len(message.payload)) + message.payload


def decode(raw: bytes) -> Message:
    """Decode a message; raises ValueError for malformed bytes, or where the digest does not match the payload."""
    try:
        name, _, created, sequence, flags, key, digest, kind = _HEADER.unpack_from(raw, _LENGTH.size)
        (start,) = _LENGTH.unpack_from(raw)
        (length,) = _LENGTH.unpack_from(raw, start)
        type_ = name.strip(b"\0 ").decode()
    except (struct.error, UnicodeDecodeError):
        raise ValueError("The bytes are not a data channel's message.") from None
    payload = raw[start + _LENGTH.size :]
    if start < _HEADER_LENGTH or len(payload) != length:
        raise ValueError("The message's lengths do not match.")
    if type_ not in _UNSIGNED and payload and hashlib.sha256(payload).digest() != digest:
        raise ValueError("The payload does not match its digest.")
    return Message(
        type=type_,
        sequence=sequence,
        payload=payload,
        kind=kind,
        flags=flags,
        id=uuid.UUID(bytes=_swap(key)),
        created=created,
    )


def _swap(key: bytes) -> bytes:
    # A UUID's second half travels first.
    return key[8:] + key[:8]
