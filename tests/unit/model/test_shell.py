"""Printed commands: whatever names hold, a shell runs the one program that is meant, with the words that are meant."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.snapshots import healthy, service, task_definition

import omc_runbook
from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.checks import remedies
from omc_runbook.checks.definition_source import DefinitionSource
from omc_runbook.model import letters
from omc_runbook.model.aws_names import Names
from omc_runbook.model.catalogue import default_keys
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import Remedy, is_sentence
from omc_runbook.model.shell import command
from omc_runbook.report import add_key, create, verify

PACKAGE = Path(omc_runbook.__file__).parent
HOSTILE = st.text(st.sampled_from("aB9-_./: \t\n$(){}[]`;&|<>'\"\\*?~#!=%^é…"), min_size=1, max_size=12).map(
    "x{}".format
)
PROGRAMS = ("aws", "omc-runbook", "jq", "git", "terraform")
AS_TEXT = ("register", "rename", "grant_name", "grant_document")
"""They take or give a text that is no command."""
REMEDIES = {
    name: function
    for name, function in inspect.getmembers(remedies, inspect.isfunction)
    if function.__module__ == remedies.__name__ and not name.startswith("_") and name not in AS_TEXT
}


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs that write down their words and do nothing."""
    folder = tmp_path_factory.mktemp("programs")
    for name in PROGRAMS:
        program = folder / name
        program.write_text('#!/bin/sh\nprintf "%s\\0" "${0##*/}" "$@" > "$WORDS/$$"\n')
        program.chmod(0o700)
    return folder


def run(line: str, stubs: Path) -> list[list[str]]:
    """Let bash run a line where no other programs than the stubs are to be found; gives the words of each."""
    with TemporaryDirectory() as words, TemporaryDirectory() as folder:
        process = subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=folder,
            env={"PATH": str(stubs), "WORDS": words, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            check=False,
        )
        assert (process.returncode, process.stdout, process.stderr) == (0, b"", b""), (line, process)
        assert not list(Path(folder).iterdir()), f"{line} wrote a file"
        return [path.read_text(encoding="utf-8").split("\0")[:-1] for path in Path(words).iterdir()]


run_harmless = cache(run)
"""The same for a plain line, which stays the same for each text."""


def names_of(text: str) -> Names:
    """Names of which each that is text is this one."""
    # A copy is not validated: quoting must not depend on what a region or an account's id may look like.
    return Names().model_copy(update={name: text for name, value in Names() if isinstance(value, str)})


def environment_of(text: str) -> Environment:
    return Environment(name=text, project=text, names=names_of(text), keys=default_keys(), source=text)


FILLED: dict[str, Callable[[str], Any]] = {
    "str": lambda text: text,
    "Sequence[str]": lambda text: (text,),
    "int": lambda text: 7,
    "Names": names_of,
    "Environment": environment_of,
    "Service": lambda text: replace(service("backend"), name=text),
    "Sequence[Service]": lambda text: (replace(service("backend"), name=text),),
    "Mapping[str, str] | None": lambda text: {text: text},
    "Replica": lambda text: Replica(text, "Failed"),
    "Secret": lambda text: replace(healthy().secret, name=text, stages={text: (text,)}),
    "Remedy": lambda text: Remedy(command("aws", text), "update", {"keys": text}),
    "Iterable[TaskDefinition]": lambda text: (replace(task_definition("backend", ()), family=text, status="INACTIVE"),),
    "Sequence[Remedy]": lambda text: [Remedy(command("aws", text))],
}
"""What a parameter is, by its annotation, with a text in each place that has one."""


def invoke(function: Callable[..., Any], text: str) -> tuple[str, ...]:
    """The command lines of a remedy, all of whose parameters are this text."""
    parameters = inspect.signature(function).parameters.values()
    arguments = [FILLED[each.annotation](text) for each in parameters if each.kind is not each.VAR_KEYWORD]
    more = {"keys": text} if any(each.kind is each.VAR_KEYWORD for each in parameters) else {}
    answer = function(*arguments, **more)
    return answer.ways if isinstance(answer, Remedy) else (answer,)


def words_of(line: str, has_jq: bool) -> list[list[str]]:
    """The words of each command of a line before jq's, and of one whose output another takes."""
    if inner := re.search(r'"\$\((aws .*)\)" --', line, re.DOTALL):
        return words_of(inner[1], has_jq) + words_of(line.replace(f"$({inner[1]})", ""), has_jq)
    calls: list[list[str]] = [[]]
    for word in shlex.split(line.partition(" | jq")[0] if has_jq else line):
        if word == "&&":
            calls.append([])
        else:
            calls[-1].append(word)
    return calls


@pytest.mark.parametrize("name", REMEDIES)
@settings(max_examples=12, deadline=None)
@given(text=HOSTILE)
def test_a_remedy_runs_the_program_that_it_names_and_nothing_else(name: str, text: str, stubs: Path) -> None:
    """As it does for a plain name, with that in the same places."""
    plain, hostile = invoke(REMEDIES[name], "NAME"), invoke(REMEDIES[name], text)
    assert len(plain) == len(hostile) > 0
    for harmless, line in zip(plain, hostile, strict=True):
        calls = run(line, stubs)
        expected = run_harmless(harmless, stubs)
        called, meaning = (words_of(each, "jq" in harmless) for each in (line, harmless))
        assert sorted(called) == sorted(call for call in calls if call[0] != "jq")
        assert sorted(call[0] for call in calls) == sorted(call[0] for call in expected)
        before = ""
        for word, template in zip(chain(*called), chain(*meaning), strict=True):
            # A key that is to be removed can have characters that nobody sees.
            argument, before = letters.number(text) if before == "remove" else text, template
            if template.startswith("{"):
                assert json.loads(word) == json.loads(template.replace("NAME", json.dumps(text)[1:-1]))
            elif template.startswith(("read-", "decrypt-")):
                assert re.fullmatch(r"[\w+=,.@-]+", word)
            else:
                assert word == template.replace("NAME", argument)


def test_every_remedy_is_a_command_or_a_sentence() -> None:
    """What is left out of the test above is no command."""
    guides = DefinitionSource(names=names_of("name"))
    for source in (guides, replace(guides, stack="platform"), replace(guides, family="nightly")):
        assert is_sentence(source.register("arn").command)
        assert is_sentence(source.rename("old", "new").command)
    assert len(REMEDIES) > 20


@settings(max_examples=15, deadline=None)
@given(text=HOSTILE)
@pytest.mark.long
def test_tables_by_hand_are_quoted(text: str, stubs: Path) -> None:
    """The guide's own commands, with names that a file may set."""
    environment = environment_of(text)
    for table in (verify.by_hand(environment), create.by_hand(environment, text), add_key.by_hand(environment, text)):
        for entry in table.entries:
            if entry.command.startswith(("aws ", "omc-runbook ")):
                assert {call[0] for call in run(entry.command, stubs)} <= {"aws", "omc-runbook", "jq"}
            elif entry.command.startswith("cd "):
                # There is no such folder, so that nothing after && runs.
                assert shlex.split(entry.command)[0] == "cd"
                assert shlex.split(entry.command)[2] == "&&"


@given(words=st.lists(HOSTILE | st.just(""), min_size=1))
def test_words_stay_words(words: list[str]) -> None:
    """The one function that all are built by."""
    assert shlex.split(command(*words)) == words


SHELLS = {"dash": ("-c",), "bash": ("-c",), "zsh": ("-f", "-c"), "fish": ("--no-config", "-c")}
"""What people paste into, each with the options that run a line without anybody's settings."""


@pytest.mark.parametrize(
    "shell",
    [pytest.param(name, marks=pytest.mark.skipif(not which(name), reason=f"There is no {name}.")) for name in SHELLS],
)
@settings(max_examples=20, deadline=None)
@given(words=st.lists(st.text("aB9-_./: \t\n$(){}[]`;&|<>'\"\\*?~#!=%^@é…", max_size=8), min_size=1))
@example(words=["=x", "==", ":=x", "%self", "%1", "~x", "-x", "a=~x"])
@example(words=["\\", "a\\", "a\\\\b", "\\'", "\\\\'", "'\\", "a\\\nb", r"s/\r\n?/\n/g", '{"a": "b\\\\c\\"d"}'])
def test_each_shell_reads_the_same_words(shell: str, words: list[str]) -> None:
    """zsh expands =x and fish %self, and fish knows escapes within single quotes."""
    line = f"printf '%s\\0' {command(*words)}"
    process = subprocess.run(
        [shell, *SHELLS[shell], line],
        env={"HOME": "/", "PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, b""), line
    assert process.stdout.decode().split("\0")[:-1] == words


def test_a_plain_command_stays_readable() -> None:
    """Nothing is quoted that needs no quotes."""
    line = "aws secretsmanager put-secret-value --secret-id a-b --secret-string file://secrets.json --region eu-west-1"
    assert command(*line.split()) == line
    assert command("omc-runbook", "run", "restore", "-p", "version", "VERSION").endswith("VERSION")


PROGRAM = re.compile(
    r"(^|[\s&;|])(aws [a-z0-9-]+ [a-z]|git (-C|config|rm|switch|apply|commit|add) |terraform (-chdir|import|state)"
    r"|docker compose -|omc-runbook run |(chmod|cd|cp|mv|rm|unset|sed|printf) [^ ]*$|(chmod|sed|printf) )"
)


def sources() -> list[Path]:
    """The runbooks' own code: the sandbox prints nothing of anybody's."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in path.relative_to(PACKAGE).parts]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_command_is_put_together_by_hand(path: Path) -> None:
    """A text into which names are put holds no command: that is built from its words."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
            for part, after in pairwise(node.values):
                if isinstance(part, ast.Constant) and isinstance(after, ast.FormattedValue):
                    is_built = isinstance(after.value, ast.Call) and "command" in ast.unparse(after.value)
                    assert is_built or not PROGRAM.search(str(part.value)), f"{path}:{node.lineno}"
