"""What a line says of an error at a terminal."""

import click
import pytest
from click.testing import CliRunner

from omc_runbook.model.command_errors import show_error


@pytest.mark.parametrize(("variable", "is_colored"), [("", True), ("1", False)], ids=["unset", "set"])
def test_an_error_has_a_color_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, variable: str, is_colored: bool
) -> None:
    """An empty NO_COLOR counts as none."""
    monkeypatch.setenv("NO_COLOR", variable)

    @click.command()
    def command() -> None:
        show_error("Nothing was written.")

    output = CliRunner().invoke(command, color=True).stderr
    assert click.unstyle(output) == "error: Nothing was written.\n"
    assert ("\x1b[" in output) is is_colored
