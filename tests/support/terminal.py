"""A command line run in this process, and a terminal that it prints on."""

from __future__ import annotations

import io

import pytest

from omc_runbook import cli


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def ended_with(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code of a command line, and what it printed on both streams."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*words])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err
