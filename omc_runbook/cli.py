"""The command line: run a runbook headlessly, open the lab, handle the sandbox."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from omc_runbook import __name__ as package
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.sandbox.cli import sandbox

ENDED, USED_WRONGLY = 2, 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="omc-runbook")
def cli() -> None:
    """Runbooks that run: the Oh My Coins secrets guide as notebooks."""


cli.add_command(sandbox)


@cli.command()
@click.argument("name")
@click.option("-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter of the notebook.")
@click.option("--record", type=click.Path(path_type=Path), default=Path("records"), show_default=True)
@click.option("--sandbox", "in_sandbox", is_flag=True, help="Run against a sandbox started for this run alone.")
@click.option(
    "--summary/--quiet", default=None, help="Say how it ended; by default on a terminal, or when not all is well."
)
@click.pass_context
def run(
    context: click.Context,
    name: str,
    parameters: tuple[tuple[str, str], ...],
    record: Path,
    in_sandbox: bool,
    summary: bool | None,
) -> None:
    """Run a runbook without a person: exit 0 nothing wrong, 1 findings, 2 could not look, 3 used wrongly."""
    from omc_runbook.headless import run as headless_run
    from omc_runbook.model.handover import FAILED

    is_watched = sys.stderr.isatty()

    def tell(line: str) -> None:
        """Say on standard error what happens: all of it to whoever watches, else only why something failed."""
        if summary or is_watched or line.startswith(FAILED):
            click.echo(line, err=True)

    world = _private_sandbox() if in_sandbox else None
    ended = headless_run.run(name, parameters, record, is_watched, tell, world)
    # Without a record it stands nowhere else.
    if summary or not ended.is_recorded or (summary is None and (sys.stdout.isatty() or ended.exit_code)):
        click.echo(ended.text)
    context.exit(ended.exit_code)


@cli.command()
@click.option("--sandbox", "in_sandbox", is_flag=True, help="Against a sandbox started for this session.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(in_sandbox: bool, options: tuple[str, ...]) -> None:
    """Open JupyterLab on the notebooks; OPTIONS after -- go to JupyterLab."""
    from omc_runbook.headless import run as headless_run
    from omc_runbook.model.handover import FOLDER_VARIABLE

    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        raise UsageError("JupyterLab is not installed: pip install 'omc-runbook[lab]'.") from None
    os.environ[FOLDER_VARIABLE] = str(Path.cwd())
    with _private_sandbox() if in_sandbox else nullcontext():
        LabApp.launch_instance([f"--ServerApp.root_dir={headless_run.notebooks()}", *options])


@contextmanager
def _private_sandbox() -> Iterator[None]:
    """Start a sandbox, point this process at it, and take it down in any case."""
    from omc_runbook.sandbox import lifecycle

    before = dict(os.environ)
    started = lifecycle.up("healthy")
    try:
        os.environ.pop("AWS_PROFILE", None)
        os.environ.pop("AWS_SESSION_TOKEN", None)
        os.environ.update(started.variables)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        lifecycle.down(started)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the contract's codes."""
    # A scheduler that ends us gets its kernel, its sandbox and its temporary files cleared up all the same.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        code = cli.main(arguments, package.replace("_", "-"), standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"{error.format_message()}", err=True)
        sys.exit(USED_WRONGLY)
    except RunbookError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        # Never 1, which means findings.
        click.echo(f"This machine refused: {error}.", err=True)
        sys.exit(ENDED)
    sys.exit(code if isinstance(code, int) else 0)


def _end(number: int, frame: object) -> None:
    raise SystemExit(ENDED)


if __name__ == "__main__":
    main()
