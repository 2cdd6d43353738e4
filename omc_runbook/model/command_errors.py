"""Errors of a command: what a line says of one, without a secret, and for a person at a terminal what helps."""

from __future__ import annotations

import os
import re
import sys

import click

from omc_runbook.model.letters import in_a_line, printable, shorten
from omc_runbook.model.parameters import looks_secret, quoted


def hint_of(error: click.ClickException, program: str) -> str:
    """What to type instead of words that click refuses; "" where that is not known."""
    context: click.Context | None = getattr(error, "ctx", None)
    if isinstance(error, click.BadOptionUsage) and error.option_name == "-p":
        return "-p takes two words, as in -p environment staging."
    if isinstance(error, click.MissingParameter) and error.param and error.param.name == "name":
        return f"{program} list shows the runbooks."
    if isinstance(error, click.NoSuchOption) and not error.possibilities and context and context.info_name == "lab":
        return f"options of JupyterLab stand after --, as in {program} lab -- --port=9000."
    if isinstance(error, click.NoSuchOption) and not error.possibilities and context and context.info_name == "run":
        return f"a parameter has no --, as in environment=staging; {context.command_path} --help shows the options."
    has_assignment = re.search(r"^Got unexpected extra argument.*\(\w+=", error.message)
    if has_assignment and context and any(each.name == "parameters" for each in context.command.params):
        return "a parameter stands after -p here, as in -p environment staging."
    return f"{context.command_path} --help shows its usage." if context else ""


def without_secrets(message: str, words: list[str]) -> str:
    """click's message in one line, which repeats no word of the command line that looks like a secret."""
    parts = {part for word in words for part in (word, *word.split("="))}
    for word in sorted(parts, key=len, reverse=True):
        if word in message and looks_secret(word):
            message = message.replace(word, quoted(word))
    return " ".join(message.split())


def colored(text: str, color: str, is_bold: bool = True) -> str:
    """A text in a color, unless the variable NO_COLOR is set: see https://no-color.org."""
    return text if os.environ.get("NO_COLOR") else click.style(text, color, bold=is_bold or None)


def show_error(message: str, hint: str = "") -> None:
    """Print what is wrong in a line, and for a person at a terminal what helps."""
    click.echo(f"{colored('error:', 'red')} {shorten(in_a_line(message))}", err=True)
    if hint and sys.stderr.isatty():
        click.echo(f"{colored('hint:', 'cyan', is_bold=False)} {printable(hint)}", err=True)
