"""What a person types at a terminal: hidden, whole, or refused without a part of it."""

from __future__ import annotations

import os
import pty
import secrets
import select
import termios
import tty
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from omc_runbook.changes.values import sources
from omc_runbook.masking import kernel, terminal_prompt
from omc_runbook.masking.terminal_prompt import CutLine
from omc_runbook.model.catalogue import default_keys
from omc_runbook.model.errors import UsageError


class Screen:
    """A terminal at which a prompt waits for somebody."""

    def __init__(self, pool: ThreadPoolExecutor, is_raw: bool = False) -> None:
        self._screen, self.terminal = pty.openpty()
        if is_raw:
            tty.setraw(self.terminal)
        self.before = termios.tcgetattr(self.terminal)
        self.shown = b""
        self.answer: Future[str] = pool.submit(terminal_prompt.read_hidden, self.terminal, "Value: ")
        self.wait_for_prompt()

    def wait_for_prompt(self) -> None:
        """Read until the prompt is on the screen."""
        prompts = self.shown.count(b"Value: ")
        while self.shown.count(b"Value: ") == prompts:
            assert select.select([self._screen], [], [], 10)[0], self.shown
            self.shown += os.read(self._screen, 1024)

    def type(self, text: bytes) -> str:
        """Type a text, and what the prompt makes of it."""
        os.write(self._screen, text)
        try:
            return self.answer.result(10)
        finally:
            while select.select([self._screen], [], [], 0)[0]:
                self.shown += os.read(self._screen, 65536)

    def echo(self) -> None:
        """Turn the echo on, as a shell does that stops the process."""
        mode = termios.tcgetattr(self.terminal)
        mode[3] |= termios.ECHO
        termios.tcsetattr(self.terminal, termios.TCSANOW, mode)

    def close(self) -> None:
        """Close both ends."""
        os.close(self._screen)
        os.close(self.terminal)


@pytest.fixture
def screen() -> Iterator[Screen]:
    """A prompt that waits."""
    with ThreadPoolExecutor(1) as pool:
        one = Screen(pool)
        yield one
        one.close()


@pytest.mark.parametrize("form", ["{}", "  {}'\"\\n$`", "ä{}🔑", "{}\t\x16\x00"])
def test_a_line_arrives_to_the_byte_and_is_not_shown(screen: Screen, form: str) -> None:
    """With blanks, quotes, other alphabets and control characters; afterwards the terminal shows what is typed."""
    text = form.format(secrets.token_hex(12))
    assert screen.type(f"{text}\r".encode()) == text.replace("\x16", "")
    assert screen.shown.count(b"\n") == 1 and screen.shown.split(b"Value: ")[1].strip() == b""
    assert termios.tcgetattr(screen.terminal)[3] & termios.ECHO


@pytest.mark.parametrize("end", ["\r\n", "\n\n \n"])
def test_line_ends_that_were_copied_with_a_value_do_not_count(screen: Screen, end: str) -> None:
    """As of a file with Windows' line ends."""
    text = secrets.token_hex(12)
    assert screen.type(f"{text}{end}".encode()) == text


def test_a_shell_that_stops_and_continues_the_process_shows_no_value(screen: Screen) -> None:
    """By Ctrl-Z and fg: the echo is off again and the prompt repeated before anything can be typed."""
    screen.echo()
    screen.wait_for_prompt()
    text = secrets.token_hex(12)
    assert screen.type(f"{text}\n".encode()) == text
    assert text.encode() not in screen.shown


PASTED = ("\x1b[200~{}\x1b[201~\n", "\x1b[200~{}\n\x1b[201~", "\x1b[200~{}\r\n\x1b[201~\r")


@pytest.mark.parametrize("form", PASTED)
def test_what_a_terminal_puts_around_a_pasted_text_is_no_part_of_it(screen: Screen, form: str) -> None:
    """Where a program that ended has left bracketed paste on; the end of a pasted line stands within it."""
    text = secrets.token_hex(12)
    assert screen.type(form.format(text).encode()) == text


def test_a_terminal_in_raw_mode_takes_a_line_and_is_put_back() -> None:
    """As a program leaves it that failed: Enter is no line end there, and Ctrl-C does nothing."""
    text = secrets.token_hex(12)
    with ThreadPoolExecutor(1) as pool:
        screen = Screen(pool, is_raw=True)
        assert screen.type(f"{text}\r".encode()) == text
        assert termios.tcgetattr(screen.terminal) == screen.before
        screen.close()


def test_what_was_typed_for_the_shell_leaves_no_echo_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """By Ctrl-Z, bg and fg: a background process sees what is typed, is stopped as it reads, and finds it gone."""
    answers = iter([([0], [], [])])
    chosen = SimpleNamespace(select=lambda *places: next(answers, None) or select.select(*places))
    monkeypatch.setattr(terminal_prompt, "select", chosen)
    text = secrets.token_hex(12)
    with ThreadPoolExecutor(1) as pool:
        screen = Screen(pool)
        screen.echo()
        screen.wait_for_prompt()
        assert screen.type(f"{text}\n".encode()) == text and text.encode() not in screen.shown
        screen.close()


CUT = {
    "lines": (b"%s\n%s\n%s\n", "more than one line"),
    "pasted lines": (b"\x1b[200~%s\n%s\x1b[201~\n", "more than one line"),
    "no end": (b"%s\n%s%s", "more than one line"),
    "too long": (b"%s%s" * 2 + b"x" * 5000 + b"\n", "end may be lost"),
    "Latin-1": (b"%s\xe4%s\n", "not UTF-8"),
}


@pytest.mark.parametrize("case", CUT)
def test_a_value_that_is_cut_is_refused_without_a_part_of_it(screen: Screen, case: str) -> None:
    """Several lines pasted at once, a line that the terminal cut, another encoding."""
    form, reason = CUT[case]
    text = secrets.token_hex(12).encode()
    with pytest.raises(CutLine, match=reason) as refused:
        screen.type(form % ((text,) * form.count(b"%s")))
    assert text.decode() not in repr(refused.value) and text not in screen.shown
    assert refused.value.__cause__ is None and "xe4" not in str(refused.value)


def test_an_input_that_ends_is_no_value(screen: Screen) -> None:
    """By Ctrl-D."""
    with pytest.raises(EOFError):
        screen.type(b"\x04")


def test_a_cut_value_is_a_sentence_that_names_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What, where, what next."""

    def cut(prompt: str) -> str:
        raise CutLine("has more than one line, and a terminal takes one")

    monkeypatch.setattr(kernel, "allows_input", lambda: True)
    monkeypatch.setattr("getpass.getpass", cut)
    with pytest.raises(UsageError) as refused:
        sources.gather("prompt", ["SMTP_PASSWORD"], default_keys(), ["SMTP_PASSWORD"])
    assert str(refused.value) == (
        "What was typed for SMTP_PASSWORD has more than one line, and a terminal takes one: take it from file:PATH."
        " Nothing was written."
    )
