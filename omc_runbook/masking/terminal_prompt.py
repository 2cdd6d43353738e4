"""What a person types at the command's terminal, without echo and as a whole."""

from __future__ import annotations

import getpass
import os
import select
import sys
import termios
from contextlib import suppress
from typing import Any, TextIO

LONGEST_LINE = 4096
"""How many bytes Linux's terminals hold of a line, with its end; they drop what comes after."""
NEXT_LINE_SECONDS = 0.1
"""How long the next line of a text that is pasted may take."""
LOOK_SECONDS = 0.05
"""How often it looks whether the echo is off: no signal reaches a certain thread."""
_START_OF_LINE = b"\r\x1b[K"
"""Replaces what shows the run's progress."""
_PASTE_BEGIN, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
"""What some terminals put around a text that is pasted, where a program before has asked for it."""
_ordinary = getpass.getpass


class CutLine(ValueError):
    """What was typed cannot be taken as a whole; the message says why, and never what it was."""


def ask(prompt: str = "Password: ", stream: TextIO | None = None) -> str:
    """A line, as `getpass.getpass` asks for it.

    Raises
    ------
    CutLine
        If this is only the beginning of what was typed, or no text in UTF-8.
    EOFError
        If the input ends.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return _ordinary(prompt, stream)
    try:
        return read_hidden(terminal, prompt)
    finally:
        os.close(terminal)


def read_hidden(terminal: int, prompt: str) -> str:
    """A line of a terminal's descriptor, as `ask` asks for it.

    getpass leaves the echo on where a shell has stopped and continued the process, drops further lines that were
    pasted, and names the byte of a value that is not UTF-8.
    """
    before, hidden = termios.tcgetattr(terminal), termios.tcgetattr(terminal)
    hidden[3] &= ~termios.ECHO
    # A program that failed may have left the terminal in raw mode, in which neither Enter nor Ctrl-C ends a line.
    hidden[0] = (hidden[0] | termios.ICRNL) & ~(termios.IGNCR | termios.INLCR)
    hidden[3] |= termios.ICANON | termios.ISIG
    question = _START_OF_LINE + prompt.encode(errors="replace")
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
        os.write(terminal, question)
        line = _read_line(terminal, hidden, question)
        has_more = _has_more(terminal, hidden)
    finally:
        # A terminal that was closed has nothing to put back.
        with suppress(termios.error, OSError):
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            os.write(terminal, b"\n")
    if has_more:
        raise CutLine("has more than one line, and a terminal takes one")
    if len(line) + 1 >= (LONGEST_LINE if sys.platform == "linux" else os.fpathconf(terminal, "PC_MAX_CANON")):
        raise CutLine("is as long as a line of a terminal can be, so that its end may be lost")
    try:
        return line.replace(_PASTE_BEGIN, b"").replace(_PASTE_END, b"").decode()
    except UnicodeDecodeError:
        # The error would show a byte of the value.
        raise CutLine("is not UTF-8 text") from None


def _read_line(terminal: int, hidden: list[Any], question: bytes) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        while not select.select([terminal], [], [], LOOK_SECONDS)[0]:
            if termios.tcgetattr(terminal)[3] & termios.ECHO:
                # In the background this stops the process once more.
                termios.tcsetattr(terminal, termios.TCSANOW, hidden)
                os.write(terminal, question)
        part = _read_at_once(terminal)
        if part is None:
            continue
        if not part and not line:
            raise EOFError
        if not part:
            break
        line += part
    return line.removesuffix(b"\n")


def _read_at_once(terminal: int) -> bytes | None:
    """What can be read; None where nothing can any more.

    In the background this stops the process. What was there for the shell is gone when it is continued, and a wait here
    would leave the echo on.
    """
    os.set_blocking(terminal, False)
    try:
        return os.read(terminal, LONGEST_LINE)
    except BlockingIOError:
        return None
    finally:
        os.set_blocking(terminal, True)


def _has_more(terminal: int, hidden: list[Any]) -> bool:
    """Whether more than line ends and the mark of a paste came after the line, also without an end of its own."""
    raw, rest = [*hidden], b""
    raw[3] &= ~termios.ICANON
    termios.tcsetattr(terminal, termios.TCSANOW, raw)
    while select.select([terminal], [], [], NEXT_LINE_SECONDS)[0]:
        part = os.read(terminal, LONGEST_LINE)
        rest = (rest + part).strip()
        if not part or not _PASTE_END.startswith(rest):
            return bool(part)
    return rest not in (b"", _PASTE_END)
