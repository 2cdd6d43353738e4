"""Whether the image that a Dockerfile makes contains the .env of its build context, by the text alone."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from omc_runbook.model.errors import UsageError
from omc_runbook.textfile.file import read_first, read_source

DOCKERFILE = "Dockerfile"
_DOTENV, _IGNORE = ".env", ".dockerignore"
_FROM = re.compile(r"(?i)^(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?")
_HEREDOC = re.compile(r"<<-?[\"']?(\w+)")
_ENV = re.compile(r"(?:^|\s)([A-Za-z_]\w*)(?==)|^([A-Za-z_]\w*)\s")
_MOST_STARS = 8
_OPTION = re.compile(r"--(\w+)(?:=(\S*))?\s+")


@dataclass(frozen=True)
class BuiltImage:
    """What an image has of its build context's files and sets itself."""

    has_dotenv: bool | None = None
    """Whether it contains the .env; None where that is unknown."""
    variables: frozenset[str] = frozenset()
    """The variables that the Dockerfile sets itself."""


@dataclass
class _Stage:
    """What one stage of a Dockerfile copies from the build context."""

    base: str
    names: tuple[str, ...]
    sources: list[str] = field(default_factory=list)
    """The sources of each COPY and ADD."""
    variables: set[str] = field(default_factory=set)
    is_clear: bool = True
    """Whether nothing else can bring a file of the context in."""


def read_image(root: Path, context: str, dockerfile: str = "", target: str = "") -> BuiltImage:
    """What is known of the image that is built of a context.

    `context` is the path of the context within the checkout, `dockerfile` that of the file as seen from it, and
    `target` the stage that is built, "" for the last.
    """
    try:
        return _read_image(root, posixpath.normpath(context), dockerfile or DOCKERFILE, target)
    except UsageError:
        return BuiltImage()


def _read_image(root: Path, folder: str, dockerfile: str, target: str) -> BuiltImage:
    path = posixpath.normpath(posixpath.join(folder, dockerfile))
    if any("$" in each or "://" in each or each.startswith(("/", "..", "~")) for each in (folder, path)):
        return BuiltImage()
    file = read_source(root, path)
    if file is None:
        return BuiltImage()
    ignores = (f"{path}{_IGNORE}", posixpath.normpath(posixpath.join(folder, _IGNORE)))
    ignore = read_first(root, ignores)
    stages = _chain(list(_stages(file.text)), target)
    variables = frozenset(name for stage in stages for name in stage.variables)
    is_clear = bool(stages) and all(stage.is_clear for stage in stages)
    if ignore and is_ignored(ignore.text, _DOTENV):
        has_dotenv: bool | None = False
    elif any(map(_takes, (source for stage in stages for source in stage.sources))):
        has_dotenv = True
    else:
        has_dotenv = False if is_clear else None
    return BuiltImage(has_dotenv, variables)


def _chain(stages: Sequence[_Stage], target: str) -> list[_Stage]:
    """The stage that is built, and those that it begins with."""
    by_name = {name.casefold(): stage for stage in stages for name in stage.names}
    stage = by_name.get(target.casefold()) if target else next(reversed(stages), None)
    chain = list[_Stage]()
    while stage and stage not in chain:
        chain.append(stage)
        stage = by_name.get(stage.base.casefold())
    return chain


def _stages(text: str) -> Iterator[_Stage]:
    stage = None
    for instruction, rest in _instructions(text):
        if instruction == "FROM" and (match := _FROM.match(rest)):
            if stage:
                yield stage
            is_plain = "$" not in match[1] and "onbuild" not in match[1]
            stage = _Stage(match[1], (match[2],) if match[2] else (), is_clear=is_plain)
        elif stage and instruction in ("COPY", "ADD"):
            options, sources = _split(rest)
            if "from" in options or "exclude" in options or "$" in "".join(sources):
                # What another stage has of the context, and what is left out of it, is not followed.
                stage.is_clear = False
            else:
                stage.sources.extend(sources)
        elif stage and instruction == "ENV":
            stage.variables.update(one or other for one, other in _ENV.findall(rest))
        elif stage and instruction == "RUN" and "type=bind" in rest:
            stage.is_clear = False
    if stage:
        yield stage


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction with its words, without heredocs; one may go on after a backslash."""
    words, end = "", ""
    for line in text.splitlines():
        if end:
            end = "" if line.strip() == end else end
            continue
        if line.lstrip().startswith("#") or (words and not line.strip()):
            continue
        words += line.rstrip().removesuffix("\\") + " "
        if not line.rstrip().endswith("\\"):
            instruction, _, rest = words.strip().partition(" ")
            heredoc = _HEREDOC.search(rest)
            end = heredoc[1] if heredoc else ""
            if instruction:
                yield instruction.upper(), rest.strip()
            words = ""


def _split(rest: str) -> tuple[frozenset[str], Sequence[str]]:
    """The options of a COPY or ADD, and its sources."""
    options = set()
    while match := _OPTION.match(rest):
        options.add(match[1])
        rest = rest[match.end() :]
    try:
        words = json.loads(rest) if rest.startswith("[") else rest.split()
    except json.JSONDecodeError:
        words = rest.split()
    return frozenset(options), tuple(map(str, words[:-1]))


def _takes(source: str) -> bool:
    """Whether a source of a COPY contains the .env at the top of the context."""
    path = posixpath.normpath(source.lstrip("/") or ".")
    return path == "." or _matches(path, _DOTENV)


def is_ignored(text: str, name: str) -> bool:
    """Whether a .dockerignore keeps a file out, by its path from there.

    The last pattern that matches it, or a folder of it, decides.
    """
    is_left_out, names = False, [name, *map(str, PurePosixPath(name).parents)][:-1]
    for line in text.splitlines():
        words = line.strip()
        if line.startswith("#"):
            continue
        glob = posixpath.normpath(words.removeprefix("!").strip().lstrip("/") or ".")
        # One with more stars than people write might take long.
        if glob.count("*") <= _MOST_STARS and any(_matches(glob, each) for each in names):
            is_left_out = not words.startswith("!")
    return is_left_out


def _matches(glob: str, name: str) -> bool:
    """Whether a pattern, as Docker matches it, is a file's; ** is any folders or none, at the end any name."""
    parts = re.split(r"(\*\*/?|\*|\?|\[[^\]]*\])", re.sub(r"\*\*(?=[^/])", "**/", glob))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pattern = "".join(words.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts)
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return False
