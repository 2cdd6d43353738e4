"""The command line: find names, run a runbook, open JupyterLab, list records, manage the sandbox."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from omc_runbook import __name__ as package
from omc_runbook.masking import cell_threads, coredump
from omc_runbook.model import ending, streams
from omc_runbook.model.command_errors import colored, hint_of, show_error, without_secrets
from omc_runbook.model.commands import WORDS, StrictGroup
from omc_runbook.model.errors import OUT_OF_FILES, OUT_OF_MEMORY, CouldNotLook, RunbookError, UsageError
from omc_runbook.model.letters import on_one_line, printable
from omc_runbook.model.parameters import first_name, or_empty, refuse_secrets, without_spaces
from omc_runbook.model.suggestions import at_home, exists, nearest
from omc_runbook.sandbox.cli import sandbox

if TYPE_CHECKING:
    from omc_runbook.headless.completion import Completions

F = TypeVar("F", bound=Callable[..., Any])

CANNOT_FINISH, WRONG_USAGE = 2, 3
_READ_FIRST = frozenset({"environment", "environments", "runbook_toml", "plan_from", "plan_to"})
DAY = 86_400
"""Seconds; nobody waits longer for an environment."""
PROGRAM = package.replace("_", "-")
_ASSIGNMENT = re.compile(r"\w+=")
_GARBAGE = 500_000
"""New objects that a run makes before a garbage collection."""


class _Commands(StrictGroup):
    """The commands; a runbook's name among them is a common slip."""

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names; raises UsageError for the name of a runbook."""
        from omc_runbook.headless import notebooks

        if words[0] not in self.commands and words[0] in notebooks.paths():
            raise UsageError(f"{words[0]} is a runbook, not a command: {PROGRAM} run {words[0]}.")
        return super().resolve_command(context, words)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="omc-runbook")
def cli() -> None:
    """Executable runbooks for the secrets of the Oh My Coins platform."""


cli.add_command(sandbox)


class _Seconds(click.IntRange):
    """A number of seconds, as errors call it."""

    name = "number of seconds"


def _parameters_option(text: str, *names: str) -> Callable[[F], F]:
    """The option -p NAME VALUE with its help, and the names that it knows; without any those of the runbook."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> Completions:
        from omc_runbook.headless import completion

        return completion.pair(names or _names_of_runbook(context), context.meta[WORDS], incomplete)

    metavar = "NAME VALUE"
    return click.option("-p", "parameters", nargs=2, multiple=True, metavar=metavar, help=text, shell_complete=complete)


def _assignments_argument(*names: str) -> Callable[[F], F]:
    """The words NAME=VALUE, and the names that they know; without any those of the runbook."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> Completions:
        from omc_runbook.headless import completion

        words = context.params["assignments"] or ()
        return completion.assignments(names or _names_of_runbook(context), words, incomplete)

    metavar = "[NAME=VALUE]..."
    return click.argument("assignments", nargs=-1, metavar=metavar, type=click.UNPROCESSED, shell_complete=complete)


def _names_of_runbook(context: click.Context) -> list[str]:
    """The parameters of the runbook that a command line names, or that is the command."""
    from omc_runbook.headless import completion

    # Of an option whose words are not complete, click leaves all arguments unparsed.
    runbook = context.params.get("name") or next(iter(context.args), "")
    return completion.parameters(runbook if "name" in context.params else str(context.info_name))


def _to_folder(word: str) -> Path:
    """The folder that an option names; an empty name, as of a variable that is not set, is none."""
    if not word.strip():
        raise click.BadParameter("the folder's name is empty.")
    return at_home(word)


def _place_option(text: str) -> Callable[[F], F]:
    """The option --record, which names where records are kept."""
    return click.option(
        "--record", default="records", metavar="PLACE", show_default=True, help=text, shell_complete=_complete_paths
    )


def _complete_paths(context: click.Context, parameter: click.Parameter, incomplete: str) -> Completions:
    from omc_runbook.headless import completion

    return completion.paths(incomplete)


def _complete_runbooks(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from omc_runbook.headless import completion

    return completion.runbooks(incomplete)


def _complete_environments(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from omc_runbook.headless import completion

    return completion.environments(incomplete)


def _pairs(parameters: tuple[tuple[str, str], ...], assignments: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The pairs of -p, and NAME=VALUE words as pairs; raises UsageError for others, without repeating a word.

    It may be a value.
    """
    for number, (name, _) in enumerate(parameters, 1):
        if not re.fullmatch(r"\w+", name):
            raise UsageError(f"-p number {number} is not two words, NAME and VALUE, as in -p environment staging.")
    for number, word in enumerate(assignments, 1):
        if not _ASSIGNMENT.match(word):
            raise UsageError(
                f"Word {number} after the runbook's name is not NAME=VALUE, as in environment=staging, with no space."
            )
    words = (*parameters, *((name, value) for name, _, value in (word.partition("=") for word in assignments)))
    # A run's record is named after its environment, or several.
    own = {name: without_spaces if name == "environment" else str for name, _ in words}
    return tuple((name, own[name](or_empty(value))) for name, value in words)


def _values(
    parameters: tuple[tuple[str, str], ...], assignments: tuple[str, ...], defaults: dict[str, str], command: str
) -> dict[str, str]:
    """A command's parameters with their defaults; raises UsageError for an unknown one, and one that is set twice."""
    values: dict[str, str] = {}
    for name, value in _pairs(parameters, assignments):
        if name not in defaults:
            raise UsageError(f"{command} has no parameter {name}{nearest(name, defaults)}")
        if name in values or (defaults[name] and name == "repository"):
            raise UsageError(f"{name} is set twice: set it once.")
        values[name] = value
    return defaults | values


@cli.command(name="list")
def list_() -> None:
    """List the runbooks, and which can write."""
    from omc_runbook.headless import notebooks

    for each in notebooks.overview():
        click.echo(f"{each.name:<14} {'plans, applies' if each.can_change else 'only reads':<14}  {each.purpose}")


@cli.command()
@click.argument("name", shell_complete=_complete_runbooks)
def show(name: str) -> None:
    """Show what a runbook is for.

    Also what it changes, the permissions it needs, and its parameters.
    """
    from omc_runbook.headless import notebooks, terminal

    terminal.print_markdown(notebooks.describe(name).markdown)


def _run_options(command: F) -> F:
    """The options of a run, whatever the runbook: those of `_run_notebook`."""
    options = (
        _place_option("Where the record is kept: a folder, or s3://BUCKET/PREFIX."),
        click.option("--sandbox", "in_sandbox", is_flag=True, help="Run in a new sandbox that lasts for this run."),
        click.option(
            "--summary/--quiet",
            default=None,
            help="Print a summary; by default on a terminal, or when the exit code is not 0.",
        ),
        click.option("--kernel", "in_kernel", is_flag=True, help="Run the notebook in a kernel, a process of its own."),
        click.option(
            "--export",
            "exports",
            multiple=True,
            metavar="FORMAT=PATH",
            help="Also write the outcome as junit, prometheus or emf.",
        ),
        click.option(
            "--notify/--no-notify",
            "notifies",
            default=None,
            help="Notify as runbook.toml says; by default without a terminal.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@click.argument("name", shell_complete=_complete_runbooks)
@_assignments_argument()
@_parameters_option("The same as NAME=VALUE; may be repeated.")
@_run_options
@click.pass_context
def run(
    context: click.Context,
    /,
    name: str,
    assignments: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    **options: Any,
) -> None:
    """Run a runbook.

    Parameters are those of its notebook, such as environment=staging. With plan_to=PATH a plan is written for somebody
    else, who applies exactly that with plan_from=PATH apply=true.

    Exit code: 0 no problem, 1 findings, 2 could not read or finish, 3 wrong usage.
    """
    context.exit(_run_notebook(name, _pairs(parameters, assignments), **options))


@cli.command()
@click.argument("environments", nargs=-1, metavar="[ENVIRONMENT]...", shell_complete=_complete_environments)
@_parameters_option("A parameter of fleet.ipynb, such as runbook_toml; may be repeated.")
@click.option("--timeout", type=_Seconds(1, DAY), metavar="SECONDS", help="How long each may take, by default 120.")
@_run_options
@click.pass_context
def fleet(
    context: click.Context,
    /,
    environments: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    timeout: int | None,
    **options: Any,
) -> None:
    """Run verify on several environments at once.

    Without ENVIRONMENT, on all of runbook.toml. NAME=VALUE sets a parameter, as for run.

    Exit code: 0 no problem, 1 findings, 2 an environment could not be read, 3 wrong usage.
    """
    from omc_runbook.headless import workers

    if not all(name.strip() for name in environments):
        raise UsageError("An environment's name is empty: write it, or name none to read all. Nothing was read.")
    # It imports meanwhile what this process imports, too.
    workers.prepare()
    assignments = tuple(word for word in environments if _ASSIGNMENT.match(word))
    names = [word for word in environments if word not in assignments]
    own = {"environments": ",".join(names), "timeout": str(timeout or "")}
    pairs = [(name, value) for name, value in own.items() if value]
    context.exit(_run_notebook("fleet", (*pairs, *_pairs(parameters, assignments)), **options))


def _run_notebook(
    name: str,
    pairs: tuple[tuple[str, str], ...],
    record: str,
    in_sandbox: bool,
    summary: bool | None,
    in_kernel: bool,
    exports: tuple[str, ...],
    notifies: bool | None,
) -> int:
    """Run a runbook, print its progress and summary, and return its exit code."""
    ending.prepare_run()
    # Nothing of what is imported becomes garbage: to search it again and again takes a tenth of a run.
    gc.set_threshold(_GARBAGE)

    from omc_runbook.headless import notebooks, overview, places, publishing, terminal
    from omc_runbook.headless import run as headless_run
    from omc_runbook.headless.exports import parse
    from omc_runbook.model.handover import FAILED, WARNING, was_told

    # These are read, and repeated by errors, before the notebook is.
    refuse_secrets((parameter, text) for parameter, text in pairs if parameter in _READ_FIRST)
    # A variable that holds values is in memory before any of them is read.
    coredump.forbid()
    is_watched = sys.stderr.isatty()

    def print_line(line: str) -> None:
        """Print progress on standard error; without a terminal, only why something failed."""
        if was_told(line):
            return
        if summary or is_watched or line.startswith((FAILED, WARNING)):
            terminal.print_event(line, errors)

    pairs = notebooks.with_plan(name, pairs)
    temporary = _temporary_sandbox() if in_sandbox else None
    targets, notifies = [parse(word) for word in exports], not is_watched if notifies is None else notifies
    parameters = dict(pairs)
    toml = parameters.get("runbook_toml", "")
    environment = parameters.get("environment", "staging")
    with publishing.exported_failures(name, environment, targets):
        record_place = places.find(record, places.signs_in(name, parameters), toml)
        publish = publishing.publisher(name, parameters, record_place.bucket or record_place.folder, targets, notifies)
    with terminal.own_errors() as errors:
        bar = errors if is_watched else None
        result = headless_run.run(
            name, pairs, record_place.folder, bar, print_line, temporary, in_kernel, publish, record_place.bucket
        )
    # Without a record, the summary is the only report.
    tells = summary or not result.is_recorded or (summary is None and (sys.stdout.isatty() or result.exit_code))
    # An export or a message that failed is told in any case.
    try:
        terminal.print_lines(result.summary, warnings_alone=not tells)
    finally:
        # The index page has each record, also where the terminal was closed meanwhile.
        if result.is_recorded and not record_place.bucket:
            terminal.print_lines(overview.after_run(record_place.folder, toml), warnings_alone=not tells)
    return result.exit_code


@cli.command()
@click.option(
    "--repository",
    default="",
    metavar="PATH",
    help="A checkout of the platform, with its Terraform files.",
    shell_complete=_complete_paths,
)
@_parameters_option(
    "environment, repository or runbook_toml; by default all environments that are found.",
    *("environment", "repository", "runbook_toml"),
)
@click.option("--yes", "has_consent", is_flag=True, help="Change an existing runbook.toml; the former one is kept.")
@click.pass_context
def init(context: click.Context, repository: str, parameters: tuple[tuple[str, str], ...], has_consent: bool) -> None:
    """Write runbook.toml with the platform's names.

    It finds them in Terraform's files and in AWS.

    Exit code 0: written, or nothing to change; 1: a name that runbooks need is not known or not in AWS; 2: nothing was
    found; 3: wrong usage, or a change that needs --yes.
    """
    from omc_runbook.runbooks import init as runbook

    defaults = {"environment": "", "repository": repository, "runbook_toml": ""}
    values = _values(parameters, (), defaults, "init")
    found = runbook.find(**values)
    plan = runbook.plan(found, values["runbook_toml"])
    click.echo(printable(runbook.text(found, plan)))
    if not plan.is_empty:
        is_asked = not plan.is_new and not has_consent and sys.stdin.isatty()
        if is_asked and not click.confirm(f"Change {plan.path}?"):
            click.echo(f"{plan.path} stays as it is.")
        else:
            runbook.write(plan, has_consent or is_asked)
            former = "" if plan.is_new else f" The former one is kept as {plan.former.name}."
            click.echo(f"Wrote {plan.path}.{former}")
    problems = [problem for each in found if not each.is_empty for problem in each.problems]
    for problem in problems:
        click.echo(f"Not usable yet: {printable(problem)}", err=True)
    context.exit(1 if problems else 0)


@cli.command()
@click.argument("name", shell_complete=_complete_runbooks)
@_assignments_argument("environment", "runbook_toml")
@_parameters_option("environment or runbook_toml; the same as NAME=VALUE.", "environment", "runbook_toml")
@_place_option("Where records are kept: s3://BUCKET/PREFIX needs a permission.")
@click.option(
    "--apply/--no-apply",
    "applies",
    default=None,
    help="Whether it also allows applying the plan; by default yes, except for troubleshoot.",
)
def policy(
    name: str, assignments: tuple[str, ...], parameters: tuple[tuple[str, str], ...], applies: bool | None, record: str
) -> None:
    """Print the IAM policy that a runbook needs.

    It is the least that the runbook needs in one environment, as JSON. Where runbook.toml names a role, the role's
    policy comes first, then the caller's. Without a sign-in it is made of names alone: use it to ask for access.

    Exit code: 2 where AWS could not be read, 3 wrong usage.
    """
    from omc_runbook.headless import places, publishing
    from omc_runbook.model.environment import load
    from omc_runbook.runbooks.policy import least_policy, with_notifications, with_records

    values = _values(parameters, assignments, {"environment": "staging", "runbook_toml": ""}, "policy")
    record_place = places.find(record, values["environment"], values["runbook_toml"])
    least = least_policy(name, values["environment"], values["runbook_toml"], applies)
    settings = load(first_name(values["environment"]), values["runbook_toml"], calls_aws=False)
    if record_place.bucket:
        least = with_records(least, record_place.bucket, publishing.remembers(name, settings))
    least = with_notifications(least, publishing.topics(name, settings))
    for each in least.policies:
        if len(least.policies) > 1:
            click.echo(f"The policy of {each.principal}:", err=True)
        click.echo(each.document)
    for sentence in least.notes:
        click.echo(sentence, err=True)
    if least.unread:
        raise CouldNotLook(least.unread)


@cli.command()
@click.option("--sandbox", "in_sandbox", is_flag=True, help="Use a new sandbox that lasts for this session.")
@click.option(
    "--folder",
    type=_to_folder,
    metavar="PATH",
    default="runbooks",
    show_default=True,
    help="Where copies are kept.",
    shell_complete=_complete_paths,
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- JUPYTERLAB_OPTIONS]")
def lab(in_sandbox: bool, folder: Path, options: tuple[str, ...]) -> None:
    """Open copies of the notebooks in JupyterLab.

    Arguments after -- are passed to JupyterLab.
    """
    from omc_runbook.headless.lab import OPTIONS, configure, copy_notebooks, refuse_unwritable
    from omc_runbook.model.handover import FOLDER_VARIABLE

    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        raise UsageError("JupyterLab is not installed: pip install 'omc-runbook[lab]'.") from None
    refuse_unwritable()
    for sentence in copy_notebooks(folder):
        click.echo(sentence, err=True)
    os.environ[FOLDER_VARIABLE] = str(Path.cwd())
    configure(os.environ)
    with _temporary_sandbox() if in_sandbox else nullcontext():
        LabApp.launch_instance([f"--ServerApp.root_dir={folder.resolve()}", *OPTIONS, *options])


@cli.command()
@click.argument("place", required=False, shell_complete=_complete_paths)
@_place_option("Where the records are: a folder, or s3://BUCKET/PREFIX; the same as PLACE.")
@_parameters_option("runbook_toml, the file that says what is kept and scheduled.", "runbook_toml")
@click.option("--open", "opens", is_flag=True, help="Open the index page of the records in a browser.")
@click.option("--check", "checks", is_flag=True, help="Compare each record with its seal.")
@click.option("--prune", "prunes", is_flag=True, help="List the records that runbook.toml does not keep.")
@click.option("--apply", "applies", is_flag=True, help="With --prune, remove them.")
@click.pass_context
def records(
    context: click.Context,
    place: str | None,
    record: str,
    parameters: tuple[tuple[str, str], ...],
    opens: bool,
    checks: bool,
    prunes: bool,
    applies: bool,
) -> None:
    """List the records of runs, newest first.

    Each with how its run ended; then runbook.toml's schedules.

    Exit code: 1 where a scheduled run is overdue. With --check: 1 where a record was changed or is not complete, 2
    where one could not be read.
    """
    from omc_runbook.headless import overview, places, schedules, terminal

    if place and context.get_parameter_source("record") is not click.core.ParameterSource.DEFAULT:
        raise UsageError("PLACE and --record mean the same: name one of them.")
    address = place or record
    if place and _ASSIGNMENT.match(place) and not exists(at_home(place)):
        # It may have a value.
        name = place.partition("=")[0]
        raise UsageError(f"{name}=… is no folder: a parameter stands after -p here, as in -p runbook_toml PATH.")
    toml = _values(parameters, (), {"runbook_toml": ""}, "records")["runbook_toml"]
    found = places.find(address, runbook_toml=toml)
    if opens + checks + prunes > 1 or (applies and not prunes):
        raise UsageError("Use --open, --check and --prune one at a time, and --apply with --prune.")
    if found.bucket and (opens or prunes):
        raise UsageError("--open and --prune are for a folder: in S3, a lifecycle rule of the bucket removes records.")
    if checks:
        context.exit(terminal.print_check(found))
    if prunes:
        for sentence in overview.prune(found.folder, applies, toml):
            click.echo(sentence)
        return
    newest, are_hidden = terminal.print_records(found)
    expected = schedules.read(found.bucket or found.folder, runbook_toml=toml)
    if not newest and not expected:
        reason = f"No record in {address} can be shown" if are_hidden else f"There is no record in {address}"
        raise UsageError(f"{reason}: name {'another folder' if are_hidden else 'its folder'} with --record.")
    for state in expected:
        overdue = colored("OVERDUE", "red")
        click.echo(f"{overdue if state.is_overdue else 'on time'}  {on_one_line(state.sentence)}")
    if newest:
        click.echo(f"The newest: {newest}")
    if opens:
        try:
            page = overview.write(found.folder, runbook_toml=toml)
        except OSError as error:
            raise UsageError(f"The index page of {found.folder} cannot be written: {error.strerror}.") from None
        terminal.open_page(page)
    context.exit(1 if any(state.is_overdue for state in expected) else 0)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    It completes runbooks, parameters, environments and faults.

    In ~/.bashrc: eval "$(omc-runbook completion bash)"; for zsh in ~/.zshrc, after compinit, and for fish in
    ~/.config/fish/config.fish, with its name instead of bash.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, PROGRAM, f"_{package.upper()}_COMPLETE").source())


@contextmanager
def _temporary_sandbox() -> Iterator[None]:
    """Start a sandbox, point this process at it, and always stop it at the end."""
    from omc_runbook.sandbox import lifecycle

    before = dict(os.environ)
    sandbox = lifecycle.up("healthy")
    try:
        os.environ.pop("AWS_PROFILE", None)
        os.environ.pop("AWS_SESSION_TOKEN", None)
        os.environ.update(sandbox.variables)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        lifecycle.down(sandbox)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code: 0, 1, 2 or 3."""
    streams.open_standard()
    ending.begin()
    # A scheduler that ends this process must not leave a kernel, a sandbox or temporary files.
    for number in ending.handled_signals():
        signal.signal(number, _end)
    atexit.register(ending.ignore)
    code = None
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else CANNOT_FINISH
    finally:
        ending.decide()
        if code is None:
            # A bug, which Python would end with 1: that means findings.
            from omc_runbook.masking import registry

            sys.stderr.write(registry.mask(traceback.format_exc()))
        cell_threads.end(CANNOT_FINISH if code is None else code)


def _run(words: list[str]) -> int:
    """Run the command line, print what went wrong, and return the exit code."""
    try:
        code = cli.main(words, PROGRAM, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo(ending.interrupted(), err=True)
        return CANNOT_FINISH
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return WRONG_USAGE
    except click.ClickException as error:
        show_error(without_secrets(error.format_message(), words), hint_of(error, PROGRAM))
        return WRONG_USAGE
    except RunbookError as error:
        show_error(str(error), error.hint)
        for note in getattr(error, "__notes__", ()):
            click.echo(f"{colored('warning:', 'yellow')} {printable(note)}", err=True)
        return error.exit_code
    except MemoryError:
        show_error(OUT_OF_MEMORY)
        return CANNOT_FINISH
    except OSError as error:
        # Not 1, which means findings.
        known = OUT_OF_FILES if error.errno == errno.EMFILE else _why_no_folder()
        show_error(known or f"Operating system error: {error}.")
        return CANNOT_FINISH
    return code if isinstance(code, int) else 0


def _why_no_folder() -> str:
    """Why the working folder cannot be used; "" where it can."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return "The working folder was removed: change to another one."
    return ""


def _end(number: int, frame: object) -> None:
    is_new = ending.note(number)
    if ending.comes_too_late():
        return
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if is_new:
        click.echo(ending.interrupted(), err=True)
    raise SystemExit(CANNOT_FINISH)


if __name__ == "__main__":
    main()
