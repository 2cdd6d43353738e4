"""The notebooks, and what each says of itself: what it is for, what it changes, its permissions and parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.model import time_limits
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.handover import CONFIRMED
from omc_runbook.model.parameters import PASTED, PLACES, convert, literal, quoted
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import expand, nearest

_PARAMETER = re.compile(r"^(?P<name>\w+): (?P<kind>\w+) = (?P<default>.*?)  # (?P<meaning>.*)$", re.MULTILINE)

_FORMAT = 4
_CELLS = frozenset({"code", "markdown", "raw"})


@dataclass(frozen=True)
class NotebookParameter:
    """A parameter as its cell declares it; `default` is Python source."""

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Description:
    """What a notebook says of itself: Markdown of its first cell, and its parameters."""

    name: str
    title: str
    text: str
    notes: str
    """What it says of its parameters beyond their comments, in Markdown."""
    parameters: tuple[NotebookParameter, ...]

    @property
    def purpose(self) -> str:
        """Its title without its name: "do the secrets reach the tasks?"."""
        return self.title.partition(": ")[2] or self.title

    @property
    def can_change(self) -> bool:
        """Whether it changes something when it is told to."""
        return any(parameter.name == "apply" for parameter in self.parameters)

    @property
    def changes_aws(self) -> bool:
        """Whether it changes something in AWS when it is told to, by the permissions that it needs."""
        return self.can_change and "**Permissions it needs:** none" not in self.text

    @property
    def deploys(self) -> bool:
        """Whether it starts new tasks when it is told to change something, by the permissions that it needs."""
        return "`UpdateService`" in self.text

    @property
    def markdown(self) -> str:
        """All of it in Markdown, for a terminal."""
        lines = [f"- `{each.name}={each.default}` — {each.meaning}" for each in self.parameters]
        times = " ".join(time_limits.sentences(self.can_change, self.changes_aws, self.deploys))
        parts = [f"# {self.title}", self.text, "## Time", times, "## Parameters", "\n".join(lines), self.notes]
        return "\n\n".join(filter(None, parts))


def folder() -> Path:
    """The folder of the notebooks, in the installed package or in the checkout."""
    package = Path(__file__).parents[1]
    return next(each for each in (package / "notebooks", package.parent / "notebooks") if each.is_dir())


def paths() -> dict[str, Path]:
    """The notebooks by the names of their runbooks."""
    return {path.stem: path for path in sorted(folder().glob("*.ipynb"))}


def find(name: str) -> Path:
    """A runbook's notebook; raises UsageError, with the nearest name, where there is none."""
    notebooks = paths()
    if name not in notebooks:
        raise UsageError(
            f"There is no runbook {quoted(name)}{nearest(name, notebooks)}", "omc-runbook list shows what each is for."
        )
    return notebooks[name]


def find_usable(name: str) -> Path:
    """A runbook's notebook, read once; raises as `describe` does."""
    path = find(name)
    _read(path)
    return path


def _read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """A notebook's cells, and which of them has the parameters; raises CouldNotLook where it is broken."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        cells = body["cells"]
        (at,) = (number for number, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", ()))
        is_whole = all(cell["cell_type"] in _CELLS and isinstance(cell["source"], str | list) for cell in cells)
        if not (is_whole and body["nbformat"] == _FORMAT and isinstance(body["metadata"], dict)):
            raise ValueError
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        expected = f"it is not a notebook of format {_FORMAT} with one cell of parameters"
        reason = error.strerror if isinstance(error, OSError) else expected
        raise CouldNotLook(
            f"The notebook {path} cannot be used: {reason}. Undo what changed it, or install omc-runbook again."
            " Nothing was read."
        ) from None
    return cells, at


def declared_parameters(source: str) -> tuple[NotebookParameter, ...]:
    """The parameters that a cell declares."""
    return tuple(NotebookParameter(**match.groupdict()) for match in _PARAMETER.finditer(source))


def describe(name: str) -> Description:
    """Read what a runbook's notebook says of itself.

    Raises UsageError where there is no such runbook, and CouldNotLook where its notebook is broken.
    """
    cells, at = _read(find(name))
    sources = ["".join(cell["source"]) for cell in cells]
    head, _, text = sources[0].partition("\n")
    parameters = declared_parameters(sources[at])
    notes = sources[at - 1].partition("\n")[2].strip()
    return Description(name, head.removeprefix("# "), text.strip(), notes, parameters)


def applying_command(name: str, parameters: Mapping[str, str], options: Iterable[str] = ()) -> str:
    """The command line that applies the plan of a run with these parameters, from its file where that is written.

    A text that was pasted is not repeated: it decides what is read first, and no plan is made of it. Beside a plan's
    file, a parameter at its default chooses nothing.
    """
    others = {key: text for key, text in parameters.items() if key not in {"apply", "confirm", *PASTED}}
    names = {others.get("environment", ""), *others.get("environments", "").replace(",", " ").split()}
    if path := others.get("plan_to") or others.get("plan_from"):
        declared = describe(name).parameters if others.get("plan_from") else ()
        chosen = {each.name for each in declared if each.default != literal(others.get(each.name, ""))} & PLACES
        others = {"plan_from": path, **{each: text for each, text in others.items() if each in chosen and text}}
    confirm = {"confirm": CONFIRMED} if CONFIRMED in names else {}
    words = (word for pair in (others | {"apply": "true"} | confirm).items() for word in ("-p", *pair))
    return command("omc-runbook", "run", name, *words, *options)


def with_confirmation(line: str, word: str) -> str:
    """A command line that applies a plan, with the word that has to be in `confirm`; "" for none."""
    is_whole = not line or not word or f"-p confirm {word}" in line
    return line if is_whole else f"{line} -p confirm {word}"


def with_plan(name: str, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """A run's parameters, with those of the plan's file that `plan_from` names.

    Raises UsageError as `plan_file.read`, `refuse_other` and `parameters_with` do.
    """
    pairs = tuple(pairs)
    path = dict(pairs).get("plan_from", "")
    if not path or len(dict(pairs)) < len(pairs):
        return pairs
    from omc_runbook.report.archive import plan_file

    plan = plan_file.read(expand(path))
    plan.refuse_other(name)
    chosen = {key: text for key, text in pairs if key in plan.parameters}
    values = plan.parameters_with(chosen)
    rest = ((key, str(value).lower() if isinstance(value, bool) else value) for key, value in values.items())
    return (*pairs, *((key, text) for key, text in rest if key not in chosen))


def with_parameters(source: str, parameters: Mapping[str, str]) -> str:
    """The source of a parameters cell with these values; raises UsageError as `parameters.convert` does."""

    def declare(match: re.Match[str]) -> str:
        """The line of a parameter, with its new value where it has one."""
        name, kind = match["name"], match["kind"]
        value = literal(convert(name, parameters[name], kind)) if name in parameters else match["default"]
        return f"{name}: {kind} = {value}  # {match['meaning']}"

    return _PARAMETER.sub(declare, source)


def overview() -> Iterable[Description]:
    """Each runbook's description, in the order of their names."""
    return map(describe, paths())
