"""Workflows of continuous integration: what a merge makes them apply or deploy, and the variables that they set."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from yaml.nodes import Node

from omc_runbook.model.errors import UsageError
from omc_runbook.model.secretive import is_secret
from omc_runbook.repository import yaml_nodes
from omc_runbook.repository.variable_lists import ENV, VariableList
from omc_runbook.textfile.file import SourceFile, is_inside, read_first, read_source

FOLDER = ".github/workflows"
JENKINS = "Jenkinsfile"
PIPELINES = (
    *(".gitlab-ci.yml", ".circleci/config.yml", "bitbucket-pipelines.yml", "azure-pipelines.yml"),
    *("buildspec.yml", JENKINS),
)
"""Files of other systems, whose rules are not read."""

_COMMANDS = re.compile(
    r"""(?mx)
    ^ [^\n\#]*? (?<![\w/.-]) (?P<verb>
      (?: terraform | tofu | terragrunt ) \b
        (?: (?! \s (?: terraform | tofu | terragrunt ) \s ) (?: [^\n;&|\#] | (?<=\S) \# ) | \\\n ){0,4000}?
        (?: [ \t] | \\\n ) ["']? apply (?: -all )? (?![\w.-])
    | aws (?: \s | \\\n )+ (?: --[\w-]+ (?: [= ] (?: \$\{\{ [^}\n]{0,80} \}\} | [^\s-]\S* ) )? (?: \s | \\\n )+ ){0,5}
        ecs (?: \s | \\\n )+
        (?: update-service | register-task-definition | run-task ) \b
    | (?: cdk | sam | serverless | copilot (?: (?: \s | \\\n )+ svc )? ) (?: \s | \\\n )+ deploy \b
    | pulumi (?: \s | \\\n )+ up \b
    | docker (?: (?: [ ] | \\\n )+ | - ) compose \b (?: [^\n;&|] | \\\n ){0,500}? \b up \b
    | docker (?: \s | \\\n )+ stack (?: \s | \\\n )+ deploy \b
    | atlassian/aws-ecs-deploy \b | AWS/Deploy-ECS \b
    | (?: aws-ecs | (?<=-[ ]) ecs ) /
        (?: deploy [_-] (?: service [_-] update | update [_-] service ) | (?: update | run ) [_-] [\w-]+ ) (?![\w./-])
    | ansible-playbook \b | ssh \s | rsync \s | kubectl (?: \s | \\\n )+ (?: apply | rollout ) \b
    )"""
)
_TERRAFORM = re.compile(r"(?i)terraform|tofu|terragrunt")
_ACTIONS = re.compile(r"(?i)ecs-deploy|terraform-apply|apply-run|ssh-action|cdk-deploy|deploy-task-definition")
_SCRIPT = re.compile(r"(?<![\w$/])(?:\./)?([\w.-]+(?:/[\w.-]+)*\.sh)\b")
_COMMENT = re.compile(r"#.*")
_AUTO = re.compile(r"-auto-approve\b")
_FOLDER = r"""["']?((?:\$\{\{[^}\n]{0,80}\}\}|\$\(\w+\)|[^\s;&"')])+)"""
_FOLDER_OPTION = re.compile(rf"-(?:chdir|-terragrunt-working-dir|-working-dir)[= ]{_FOLDER}")
_FOLDER_BEFORE = re.compile(rf"\bcd\s+{_FOLDER}")
_MAKE = re.compile(r"(?<![\w.-])make[ \t]+(?P<words>(?:\\\n|[^\n;&|)])*)")
_MAKE_FOLDER = re.compile(rf"(?<!\S)-(?:-directory[= ]|\w*C)\s*{_FOLDER}")
_MAKE_FILE = re.compile(rf"(?<!\S)-(?:-(?:make)?file[= ]|\w*f)\s*{_FOLDER}")
_TARGET = re.compile(r"""(?<![^\s"'])[a-z][\w-]*(?![\w./=-])""")
_RULE = re.compile(r"(?m)^([a-z%][^\n:=#]*):(?!=)((?:\\\n|[^\n#])*+).*\n((?:\t.*\n?|[ ]*(?:#.*)?\n)*)")
"""The targets of a rule of a Makefile, its prerequisites, and its recipe."""
_MOST_PATTERNS, _MOST_MADE = 50, 1000
"""How many patterns of a Makefile are read, and how many names are made by them: `%: %.in` alone never ends."""
_RECIPE_PREFIX = re.compile(r"(?m)^\t[ \t]*[@+-]+")
_PRINTED = re.compile(r"""(?<![\w.-])(?:echo|printf)\b(?:"[^"\n]*"|'[^'\n]*'|\\\n|[^\n;&|])*""")
_ANYTHING = ("ssh", "rsync")
"""Programs that deploy where a target is for that, and else may do anything."""
_MAKE_VARIABLE = re.compile(
    r"(?m)^[ ]*(?:export[ ]+)?(\w+)[ \t]*[:?]{0,3}=[ \t]*((?:terraform|tofu|terragrunt|aws)\b(?:\\\n|[^\n#])*)"
)
"""A variable of a Makefile that begins a command, as in TF = terraform -chdir=infra."""
_JENKINS_COMMENT = re.compile(r"(?ms)(?<![^\s{});])//[^\n]*|^[ \t]*/\*.*?(?:\*/|\Z)")
_STEP = re.compile(r"(?m)^(?:[\w.-]+|[ ]*-[ ]+(?:run|step|script|bash)):")
"""The beginning of a job of GitLab, or of a step of CircleCI, Bitbucket or Azure."""
_JENKINS_STEP = re.compile(r"""(?<![\w./-])sh\b(?=[ \t]*(?:[("']|\w+:))""")
_JENKINS_BLOCK = re.compile(r"""\bdir[ \t]*\([ \t]*["'](?P<folder>[^"'\n]+)["'][ \t]*\)[ \t\n]*\{|[{}]""")
"""The beginning of a block, which dir() runs in a folder, or the end of one."""
_MOST_CHANGES = 20
"""How many changes of the folder before a command are followed."""
_DOTENV = re.compile(r"(?<!\w)\.env\b")
_DOTENV_ENTRY = re.compile(r"(?m)^[^\n#]*?\b(?P<name>[A-Za-z_]\w*)=[\"']?\$\{\{\s*secrets\.\w+\s*\}\}")
_ECHO = re.compile(
    r"""(?mx) ^ [ \t]* (?:-[ ]+)? (?P<echo> (?: echo | printf (?=.*\\n) ) [ ]+ ["']?) (?P<name> [A-Za-z_]\w*)
    (?P<is> (?: =["']? | =%s (?:\\n)? ["'][ ]+["']? ) \$[{(]?) (?P<source> \w+) (?P<end> [})]? (?:\\n)? ["']{0,2})
    [ ]* >>? [ ]* (?P<file> ["']?(?>[\w./${}-]*\.env)[\w.]*["']?) [ \t]* \r? $"""
)
"""A line that appends a variable of a pipeline to a .env, as GitLab and others have it; printf ends none by itself."""
_HEREDOC = re.compile(
    r"""(?x) [ \t]* (?:-[ ]+)? cat [ ] (?= .* > [ ]* ["']?[\w./${}-]*\.env) .* <<-?[ ]* (?P<end> \w+)"""
)
"""A line below which is what a pipeline writes to a .env; with a quoted end the shell would put in no variable."""
_HEREDOC_LINE = re.compile(
    r"""(?x) [ \t]* (?P<name> [A-Za-z_]\w*) (?P<is> =["']?\$[{(]?) (?P<source> \w+) (?P<end> [})]?["']?) [ \t]* \r? $"""
)
_REFERENCE = re.compile(
    r"(?m)^[ \t]+(?P<name>[A-Za-z_]\w*)=(?P<base>(?:arn:aws[\w-]*:secretsmanager:|\$\{\{)[^\n:]*(?::[^\n:]+)*)"
    r":(?P<key>[\w.@/+=-]+):\w*:[\w-]*[ \t]*\r?$"
)
"""A line of the action that renders a task definition, which gives a container a key of a secret."""
_BEGINNING = re.compile(r"(?m)^[ \t]*(?:-[ ]|secrets:)")
"""The beginning of a step, and of such lines in one."""
_NOT_ON_PUSH = re.compile(r"event_name\s*==\s*'(?:pull_request|schedule|workflow_dispatch)'")


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something that a workflow runs which changes what is deployed."""

    file: str
    line: int
    verb: str
    """As in terraform apply, without its arguments."""
    folder: str = ""
    """Where it runs, as in the file; "" for the checkout's top."""
    called_from: str = ""
    """File and line of the workflow that runs the script or the Makefile's target; "" where it is in the workflow."""

    @property
    def location(self) -> str:
        """Its file and line, and those of the workflow that runs the file."""
        called = f" (run by {self.called_from})" if self.called_from else ""
        return f"{self.file}, line {self.line}{called}"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """An event that starts a workflow, with its filters."""

    event: str
    branches: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    ignored_paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    """The names of the workflows that it follows."""
    has_tags_only: bool = False

    def starts_on_merge(self, files: Collection[str]) -> bool:
        """Whether a merge that changes these files starts it, for all that its filters show."""
        if self.event == "push":
            is_ignored = bool(self.ignored_paths) and all(_matches(self.ignored_paths, file) for file in files)
            is_named = not self.paths or any(_matches(self.paths, file) for file in files)
            return not self.has_tags_only and is_named and not is_ignored
        return self.event in ("pull_request", "pull_request_target") and "closed" in self.types

    @property
    def description(self) -> str:
        """When it starts, in words."""
        if self.event == "workflow_run":
            return f"after the workflow {' or '.join(self.workflows)}"
        branches = f" to {', '.join(self.branches)}" if self.branches else ""
        paths = f" that touches {', '.join(self.paths)}" if self.paths else ""
        return f"a push{branches}{paths}" if self.event == "push" else "a merged pull request"


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A workflow's file: its name, what starts it, what it deploys, and the variables that it sets."""

    file: SourceFile = field(repr=False)
    name: str
    triggers: tuple[Trigger, ...]
    commands: tuple[Command, ...]
    variable_lists: tuple[VariableList, ...]

    def mentions(self, variable: str) -> bool:
        """Whether a variable is named anywhere but as an entry of an `env:`."""
        name = re.escape(variable)
        entry = re.compile(rf"(?m)^\s*{name}:.*$")
        return re.search(rf"\b{name}\b", entry.sub("", self.file.text)) is not None

    def dotenv_line(self, variables: Collection[str]) -> int:
        """The last line that gives a .env one of these variables, from a secret of GitHub; 0 where none does."""
        if not _DOTENV.search(self.file.text):
            return 0
        entries = (match for match in _DOTENV_ENTRY.finditer(self.file.text) if match["name"] in variables)
        return max((self.file.text.count("\n", 0, match.end()) + 1 for match in entries), default=0)

    def find_echo(self, variables: Collection[str], name: str) -> tuple[int, str]:
        """The last line that gives a .env one of these variables, and the same for another; (0, "") for none."""
        text = self.file.text
        entries = (*_ECHO.finditer(text), *_heredoc_entries(text))
        for match in sorted(entries, key=re.Match.end, reverse=True):
            if (former := match["name"]) in variables:
                source = match["source"].replace(former, name) if former in match["source"] else name
                entry = f"{name}{match['is']}{source}{match['end']}"
                added = f"{match['echo']}{entry} >> {match['file']}" if match.re is _ECHO else entry
                return text.count("\n", 0, match.end()) + 1, added
        return 0, ""

    def find_references(self, variables: Collection[str], name: str) -> Iterator[tuple[int, str]]:
        """Yield each step's last line that gives a container one of these variables from a secret, and another such.

        Not of a step that gives it the other one already.
        """
        text, entry = self.file.text, re.compile(rf"(?m)^[ \t]+{re.escape(name)}=")
        for start, end in pairwise([0, *map(re.Match.start, _BEGINNING.finditer(text)), len(text)]):
            lines = _REFERENCE.finditer(text, start, end)
            own = [each for each in lines if each["name"] in variables and each["key"] == each["name"]]
            if own and not entry.search(text, start, end):
                # A version that the line names may not have the other key.
                yield text.count("\n", 0, own[-1].start()) + 1, f"{name}={own[-1]['base']}:{name}::"

    def passes_on(self, variables: VariableList) -> bool:
        """Whether Docker Compose gets a list as a whole: it runs where the list applies, and nothing names a secret."""
        first, last = variables.lines
        is_run = any(
            each.file == self.file.name and first <= each.line <= last and each.verb.startswith("docker")
            for each in self.commands
        )
        return is_run and not any(self.mentions(name) for name in variables.variables if is_secret(name))


def _heredoc_entries(text: str) -> Iterator[re.Match[str]]:
    """Yield the lines of heredocs that give a .env a variable."""
    end, start = "", 0
    for line in text.split("\n"):
        if line.strip() == end:
            end = ""
        elif end and (entry := _HEREDOC_LINE.match(text, start, start + len(line))):
            yield entry
        elif not end and (opening := _HEREDOC.match(line)):
            end = opening["end"]
        start += len(line) + 1


@dataclass(frozen=True)
class Workflows:
    """All workflows of a checkout, and a sentence on each file that could not be read."""

    files: tuple[Workflow, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def variables(self) -> frozenset[str]:
        """Every variable that an `env:` sets."""
        return frozenset(name for each in self.files for listed in each.variable_lists for name in listed.variables)

    def find(self, file: str) -> Workflow | None:
        """The workflow of a file."""
        return next((each for each in self.files if each.file.name == file), None)

    def on_merge(self, files: Collection[str]) -> tuple[tuple[Command, str], ...]:
        """What a merge that changes these files applies or deploys, each with what starts it, in words."""
        started = {
            each.name: trigger.description
            for each in self.files
            for trigger in each.triggers
            if trigger.starts_on_merge(files)
        }
        for each in self.files:
            for trigger in each.triggers:
                if trigger.event == "workflow_run" and started.keys() & {*trigger.workflows}:
                    started.setdefault(each.name, trigger.description)
        running = (each for each in self.files if each.name in started)
        return tuple((command, started[each.name]) for each in running for command in each.commands)


def read_workflows(repository: Path) -> Workflows:
    """Read the workflows of GitHub Actions, and search the files of other systems for the same commands."""
    workflows, unreadable = [], []
    folder = repository / FOLDER
    names = sorted(path.name for path in folder.glob("*.y*ml")) if folder.is_dir() else []
    for name in (*(f"{FOLDER}/{each}" for each in names), *PIPELINES):
        try:
            file = read_source(repository, name)
            if file:
                workflows.append(_read(repository, file) if name.startswith(FOLDER) else _search(file))
        except UsageError as error:
            unreadable.append(str(error))
    return Workflows(tuple(workflows), tuple(unreadable))


def _read(repository: Path, file: SourceFile) -> Workflow:
    tree = yaml_nodes.read_mapping(file)
    name = yaml_nodes.texts(tree, "name")
    return Workflow(
        file=file,
        name=name[0] if name else file.name,
        triggers=tuple(_triggers(yaml_nodes.find(tree, "on"))),
        commands=tuple(dict.fromkeys(_commands(repository, file, tree))),
        variable_lists=tuple(_variable_lists(file, tree)),
    )


def _search(file: SourceFile) -> Workflow:
    """A pipeline of another system: its commands by text, started by any push as far as is known."""
    is_jenkins = file.name == JENKINS
    text = _blank(_JENKINS_COMMENT, file.text) if is_jenkins else file.text
    # Each step begins in the same folder.
    steps = (_JENKINS_STEP if is_jenkins else _STEP).finditer(text)
    parts = pairwise([0, *(step.start() for step in steps), len(text)])
    changes: list[tuple[int, str]] = [(0, ""), *(_jenkins_folders(text) if is_jenkins else ())]

    def folder_at(position: int) -> str:
        return changes[bisect(changes, position, key=lambda change: change[0]) - 1][1]

    commands = tuple(each for start, end in parts for each in _in_text(file, text[start:end], start, folder_at(start)))
    trigger = Trigger(event="push")
    return Workflow(file=file, name=file.name, triggers=(trigger,), commands=commands, variable_lists=())


def _jenkins_folders(text: str) -> Iterator[tuple[int, str]]:
    """Yield each position from which another folder is that of the steps, by the blocks of dir() around them."""
    blocks = [""]
    for match in _JENKINS_BLOCK.finditer(text):
        if match[0] != "}":
            blocks.append(posixpath.join(blocks[-1], match["folder"] or ""))
        elif len(blocks) > 1:
            blocks.pop()
        yield match.end(), blocks[-1].rstrip("/")


def _triggers(node: Node | None) -> Iterator[Trigger]:
    for event in yaml_nodes.texts(node):
        yield Trigger(event=event)
    for key, value in yaml_nodes.members(node):
        yield Trigger(
            event=str(key.value),
            branches=yaml_nodes.texts(value, "branches"),
            paths=yaml_nodes.texts(value, "paths"),
            ignored_paths=yaml_nodes.texts(value, "paths-ignore"),
            types=yaml_nodes.texts(value, "types"),
            workflows=yaml_nodes.texts(value, "workflows"),
            has_tags_only=_has_any(value, "tags", "tags-ignore") and not _has_any(value, "branches", "branches-ignore"),
        )


def _has_any(node: Node, *keys: str) -> bool:
    return any(yaml_nodes.texts(node, key) for key in keys)


def _commands(repository: Path, file: SourceFile, tree: Node, depth: int = 0) -> Iterator[Command]:
    actions: set[tuple[str, str]] = set()
    everywhere = yaml_nodes.texts(tree, "defaults", "run", "working-directory")
    for _, job in yaml_nodes.members(tree, "jobs"):
        if _is_for_other_events(job):
            continue
        called = yaml_nodes.texts(job, "uses")
        other = _read_own(repository, called[0].removeprefix("./")) if called and called[0][:2] == "./" else None
        if other and not depth:
            yield from _commands(repository, other, yaml_nodes.read_mapping(other), depth + 1)
        elif called and not other and _ACTIONS.search(called[0]):
            node = yaml_nodes.find(job, "uses")
            yield Command(file=file.name, line=yaml_nodes.line_of(node or job), verb=called[0].partition("@")[0])
        usual = yaml_nodes.texts(job, "defaults", "run", "working-directory") or everywhere
        for step in yaml_nodes.items(job, "steps"):
            if not _is_for_other_events(step):
                folder = yaml_nodes.texts(step, "working-directory") or usual
                yield from _in_step(repository, file, step, folder[0] if folder else "", actions)


def _in_step(
    repository: Path, file: SourceFile, step: Node, folder: str, read: set[tuple[str, str]]
) -> Iterator[Command]:
    """The commands of a step, and of the checkout's own action that it uses, unless it was `read` for its folder."""
    action, run = yaml_nodes.find(step, "uses"), yaml_nodes.find(step, "run")
    inputs = (text for _, value in yaml_nodes.members(step, "with") for text in yaml_nodes.texts(value))
    is_apply = any(re.search(r"\bapply\b", text) for text in inputs)
    for name in yaml_nodes.texts(action):
        if action and (_ACTIONS.search(name) or (is_apply and _TERRAFORM.search(name))):
            yield Command(file=file.name, line=yaml_nodes.line_of(action), verb=name.partition("@")[0], folder=folder)
        actions = (f"{name.removeprefix('./')}/action.{ending}" for ending in ("yml", "yaml"))
        own = _read_own(repository, *actions) if name[:2] == "./" else None
        if own and (own.name, folder) not in read:
            read.add((own.name, folder))
            for each in yaml_nodes.items(yaml_nodes.read_mapping(own), "runs", "steps"):
                yield from _in_step(repository, own, each, folder, read)
    if run is None:
        return
    start = run.start_mark.index
    text = file.text[start : run.end_mark.index]
    if getattr(run, "style", "") == ">":
        # YAML folds its lines into one.
        text = text.replace("\n", " \\\n")
    yield from _in_text(file, text, start, folder)
    location = f"{file.name}, line {yaml_nodes.line_of(run)}"
    for script in dict.fromkeys(_SCRIPT.findall(text)):
        other = _read_own(repository, posixpath.normpath(posixpath.join(folder, script)), script)
        yield from _in_text(other, other.text, 0, folder, location) if other else ()
    yield from _by_make(repository, text, folder, location)


def _by_make(repository: Path, text: str, folder: str, called_from: str) -> Iterator[Command]:
    """The commands of each target of a Makefile that a text runs, and of what it needs and runs by make again."""
    read: set[tuple[str, int, bool]] = set()
    waiting = [(text, folder)]
    for each, at in waiting:
        for file, own, targets in _makes(repository, each, at):
            makefile = _parse_makefile(file.text)
            needed, targets = makefile.with_needs(targets), targets.union(map(makefile.pattern_of, targets))
            for rule in makefile.rules:
                is_target = not targets.isdisjoint(rule.targets)
                key = (file.name, rule.start, is_target)
                if needed.isdisjoint(rule.targets) or key in read:
                    continue
                read.add(key)
                found = _in_text(file, rule.recipe, rule.start, own, called_from)
                yield from (command for command in found if is_target or command.verb not in _ANYTHING)
                waiting.append((rule.recipe, own))


def _makes(repository: Path, text: str, folder: str) -> Iterator[tuple[SourceFile, str, frozenset[str]]]:
    """Yield the Makefile that each command make in a text reads, the folder that it runs in, and its targets."""
    changes = [(each.start(), each[1]) for each in _FOLDER_BEFORE.finditer(text)]
    for match in _MAKE.finditer(_blank(_COMMENT, _blank(_PRINTED, text))):
        end = bisect(changes, (match.start(), ""))
        before = [name for _, name in changes[max(0, end - _MOST_CHANGES) : end]]
        inner, (name, *_) = _MAKE_FOLDER.findall(match["words"]), [*_MAKE_FILE.findall(match["words"]), "Makefile"]
        # What went before may have been undone since, as by a subshell's end.
        starts = ([folder, *before], [folder, *before[-1:]], *([] if inner else [[""]]))
        folders = [posixpath.normpath(posixpath.join(*each, *inner)) for each in starts]
        files = ((each, _read_own(repository, posixpath.normpath(posixpath.join(each, name)))) for each in folders)
        own, makefile = next(((each, file) for each, file in files if file), ("", None))
        targets = frozenset(_TARGET.findall(_blank(_MAKE_FOLDER, _blank(_MAKE_FILE, match["words"]))))
        if makefile and targets:
            yield makefile, "" if own == "." else own, targets


@dataclass(frozen=True)
class _Rule:
    """A rule of a Makefile."""

    targets: frozenset[str]
    needs: tuple[str, ...]
    start: int
    """The position of its recipe."""
    recipe: str
    """With make, and the variables that begin a command, in the place of their names."""


@dataclass(frozen=True)
class _Makefile:
    """The rules of a Makefile, and what each target needs."""

    rules: tuple[_Rule, ...]
    needs: Mapping[str, Sequence[str]]
    with_recipe: frozenset[str]
    """The targets with a recipe."""
    patterns: tuple[str, ...]
    """Those of them with a %."""

    def with_needs(self, targets: Collection[str]) -> set[str]:
        """Some targets, and those that they need, directly or through others; also the patterns of their rules."""
        needed, waiting, count = {*targets}, [*targets], 0
        while waiting:
            target = waiting.pop()
            pattern = self.pattern_of(target)
            own, by_pattern = self.needs.get(target, ()), self.needs.get(pattern, ()) if count < _MOST_MADE else ()
            count += len(by_pattern)
            new = {*own, *(each.replace("%", _stem(pattern, target) or "", 1) for each in by_pattern)} - needed
            needed |= {pattern, *new}
            waiting += new
        return needed

    def pattern_of(self, target: str) -> str:
        """The pattern, as in deploy-%, of the rule for a target without a recipe: the closest one, "" for none."""
        patterns = () if target in self.with_recipe else self.patterns
        stems = {each: stem for each in patterns if (stem := _stem(each, target)) is not None}
        return min(stems, key=lambda each: len(stems[each]), default="")


@lru_cache(maxsize=16)
def _parse_makefile(text: str) -> _Makefile:
    variables = [
        ("MAKE", "make"),
        *((name, lines.replace("\\\n", " ")) for name, lines in _MAKE_VARIABLE.findall(text)),
    ]
    rules, needs = [], dict[str, list[str]]()
    for match in _RULE.finditer(text):
        recipe = _blank(_RECIPE_PREFIX, match[3])
        for name, value in variables if "$" in recipe else ():
            recipe = recipe.replace(f"$({name})", value).replace(f"${{{name}}}", value)
        rules.append(_Rule(frozenset(match[1].split()), tuple(match[2].split()), match.start(3), recipe))
        for target in rules[-1].targets:
            needs.setdefault(target, []).extend(rules[-1].needs)
    with_recipe = frozenset(target for rule in rules if rule.recipe.strip() for target in rule.targets)
    patterns = tuple(sorted(each for each in with_recipe if "%" in each)[:_MOST_PATTERNS])
    return _Makefile(tuple(rules), needs, with_recipe, patterns)


def _stem(pattern: str, target: str) -> str | None:
    """What the % of a pattern stands for in a target, "" also where only the shell knows it; None without a match."""
    head, _, tail = pattern.partition("%")
    is_match = target.startswith(head) and target.endswith(tail) and len(target) >= len(head) + len(tail)
    return target[len(head) : len(target) - len(tail)] if is_match else None


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """A text of the same length, with blanks where a pattern matches."""
    return pattern.sub(lambda match: " " * len(match[0]), text)


def _read_own(repository: Path, *names: str) -> SourceFile | None:
    """Read the first file that exists, of several by their paths; one that leads out of the checkout is not read."""
    return read_first(repository, filter(is_inside, names))


def _in_text(file: SourceFile, text: str, start: int, folder: str, called_from: str = "") -> Iterator[Command]:
    """The commands in a part of a file's text that begins at a position; it may have other words, but all lines."""
    for match in _COMMANDS.finditer(text):
        end = text.find("\n", match.end())
        full_text = text[match.start() : end if end >= 0 else len(text)]
        own = _FOLDER_OPTION.search(full_text)
        before = _FOLDER_BEFORE.findall(text[: match.start("verb")])
        words = [word for each in match["verb"].split() if (word := each.strip("\"',\\"))]
        # Options may stand between its words.
        last = 2 if words[0] == "aws" else 1 if _TERRAFORM.match(words[0]) else len(words)
        verb = " ".join((words[0], *words[1:][-last:]))
        inner = own[1] if own else before[-1] if before else ""
        yield Command(
            file=file.name,
            line=file.text.count("\n", 0, start) + text.count("\n", 0, match.start("verb")) + 1,
            verb=f"{verb} -auto-approve" if _AUTO.search(_following(text, match.end())) else verb,
            folder=posixpath.normpath(posixpath.join(folder, inner)) if inner or folder else "",
            called_from=called_from,
        )


def _following(text: str, start: int) -> str:
    """The rest of a command from a position, over lines that end in a backslash."""
    match = re.compile(r"(?:[^\n\\]|\\\n|\\.)*").match(text, start)
    return match[0] if match else ""


def _is_for_other_events(node: Node) -> bool:
    """Whether the `if:` of a job or step excludes a push, by a single comparison."""
    condition = " ".join(yaml_nodes.texts(node, "if"))
    return bool(_NOT_ON_PUSH.search(condition)) and "||" not in condition and "push" not in condition


def _variable_lists(file: SourceFile, node: Node) -> Iterator[VariableList]:
    """Every `env:` of a workflow, of its jobs, their steps and services."""
    for key, value in yaml_nodes.members(node):
        if key.value == "env":
            names = tuple(str(name.value) for name, _ in yaml_nodes.members(value))
            yield VariableList(
                file=file.name,
                line=yaml_nodes.line_of(key),
                owner=ENV,
                variables=names,
                is_map=True,
                lines=(yaml_nodes.line_of(node), int(node.end_mark.line) + 1),
            )
        else:
            yield from _variable_lists(file, value)
    for item in yaml_nodes.items(node):
        yield from _variable_lists(file, item)


def _matches(patterns: Collection[str], file: str) -> bool:
    """Whether a path matches the filters of a workflow; a later pattern that begins with "!" excludes it again."""
    is_matched = False
    for pattern in patterns:
        if _glob(pattern.removeprefix("!")).fullmatch(file):
            is_matched = not pattern.startswith("!")
    return is_matched


def _glob(pattern: str) -> re.Pattern[str]:
    """https://docs.github.com/actions/reference/workflow-syntax#filter-pattern-cheat-sheet"""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\+|\[[^\]]*\])", pattern)
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    text = "".join(special.get(part) or (part if part[:1] in "?+[" else re.escape(part)) for part in parts)
    try:
        return re.compile(text)
    except re.error:
        # GitHub refuses it too, such as [user-name], whose range goes backwards.
        return re.compile(re.escape(pattern))
