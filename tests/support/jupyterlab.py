"""JupyterLab in a real browser, on a copy of a notebook."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from support.forked_command import Forked
from support.ports import free_port
from support.runs import Desk

from omc_runbook.headless.lab import OPTIONS as LAB_OPTIONS
from omc_runbook.headless.lab import configure
from omc_runbook.headless.notebooks import folder as notebooks

PROGRAM, KERNELS = "jupyter-lab", 2
WITHOUT_LANGUAGE_SERVERS = "--LanguageServerManager.autodetect=False"
"""To look for them, each start would run npm."""
SECONDS = 60
"""How long it may take to end: a thread of AnyIO's that outlives its event loop may keep it without kernels."""
PATIENCE = 180_000
"""Milliseconds for which a page waits for whatever has to come."""
SLOW, FAST = 600.0, 0.5
"""Seconds that a minute of a bake time lasts: while a person acts, and while a test waits for the end."""
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The one without windows takes half of the other's time."""
POLLING = 100
"""Milliseconds until a page is asked again; at each frame, as else, it would be drawn sixty times a second for that."""
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
READY = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return !!kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle';
}"""
CLOSE_ALL = """async isAnew => {
    for (const widget of [...jupyterapp.shell.widgets('main')]) widget.dispose();
    delete window.isAsked;
    if (isAnew) await jupyterapp.serviceManager.sessions.shutdownAll();
}"""
SHOWS = "path => window.jupyterapp.shell.currentWidget?.context?.path === path"
OPENS = """path => {
    const button = document.querySelector('.jp-Dialog .jp-mod-accept');
    button?.click();
    if (button || !window.isAsked) {
        window.isAsked = true;
        void jupyterapp.commands.execute('docmanager:open', {path});
    }
    return jupyterapp.shell.currentWidget?.context?.path === path;
}"""
"""Asks for a notebook, and again once a dialog is closed, such as of a kernel that restarts: it takes the focus."""
INDEX_OF = """text => jupyterapp.shell.currentWidget.content.widgets
    .findIndex(cell => cell.model.sharedModel.source.includes(text))"""
HAS_RUN = """() => {
    const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
    return cells.filter(cell => cell.type === 'code').every(cell => cell.executionCount !== null);
}"""


@contextmanager
def lab(
    desk: Desk, log: Path, name: str = "verify", *, is_fork: bool = True, kernels: int = KERNELS, **parameters: str
) -> Iterator[str]:
    """JupyterLab on a copy of a notebook, talking of everything that it does; yields the notebook's address.

    Its first kernels are forks too. Where it is no fork, it and its kernels are started as a person's are, and import
    all by themselves.
    """
    folder = put(desk, name, **parameters)
    settings = desk.root / "settings"
    news = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    write_settings(news, {"fetchNews": "false"})
    # What widgets hold is saved too, which it is not unless a person wants it.
    write_settings(
        settings / "@jupyter-widgets" / "jupyterlab-manager" / "plugin.jupyterlab-settings", {"saveState": True}
    )
    port, token = free_port(), secrets.token_hex(8)
    options = ["--no-browser", "--allow-root", "--debug", f"--port={port}"]
    options += [*LAB_OPTIONS, "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", "--ip=127.0.0.1"]
    options += [f"--ServerApp.root_dir={folder}", f"--LabApp.user_settings_dir={settings}"]
    options += [f"--LabApp.workspaces_dir={desk.root / 'workspaces'}"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    variables = dict(desk.variables)
    configure(variables)
    run = partial(_fork, kernels=kernels) if is_fork else _start
    with run(options, variables, desk.work, log):
        await_answer(f"http://127.0.0.1:{port}/api?token={token}")
        yield f"http://127.0.0.1:{port}/lab/tree/{name}.ipynb?token={token}&reset"


@contextmanager
def _fork(options: list[str], variables: dict[str, str], folder: Path, log: Path, kernels: int) -> Iterator[None]:
    server = Forked([PROGRAM, *options, WITHOUT_LANGUAGE_SERVERS], variables, folder, kernels, log)
    try:
        yield
    finally:
        server.end(SECONDS)


@contextmanager
def _start(options: list[str], variables: dict[str, str], folder: Path, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "jupyterlab", *options]
    with log.open("wb") as file:
        server = subprocess.Popen(
            command, env=variables, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            yield
        finally:
            server.terminate()
            try:
                server.wait(SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def put(desk: Desk, name: str, **parameters: str) -> Path:
    """Put a fresh copy of a notebook on the desk; gives its folder."""
    folder = desk.work / "notebooks"
    folder.mkdir(exist_ok=True)
    nbformat.write(fresh(notebooks() / f"{name}.ipynb", parameters), folder / f"{name}.ipynb")
    return folder


def fresh(path: Path, parameters: dict[str, str]) -> Any:
    """A notebook as it is before its first run, so that what it shows comes from that run; with some parameters set."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        for name, text in parameters.items():
            cell.source = cell.source.replace(f'{name}: str = ""', f"{name}: str = {text!r}")
    return notebook


def open_notebook(page: Any, address: str) -> None:
    """Open a notebook on a page, which from now on waits as long as a busy machine may take."""
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    wait_until(page, READY)


def show(page: Any, path: str, *, is_anew: bool = False) -> None:
    """Open a notebook alone on a page that JupyterLab runs in, which takes far less than a new page.

    Its kernel is the one that it has, unless all is to be anew: then every kernel ends first.
    """
    page.evaluate(CLOSE_ALL, is_anew)
    wait_until(page, OPENS, path)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    wait_until(page, READY)


def wait_until(page: Any, condition: str, argument: object = None) -> None:
    """Wait until JavaScript's expression holds on a page, or its function of the argument."""
    page.wait_for_function(condition, arg=argument, polling=POLLING)


def run_all(page: Any, address: str) -> None:
    """Open a notebook and run all of its cells."""
    open_notebook(page, address)
    run_cells(page)


def run_cells(page: Any) -> None:
    """Run all cells of the notebook that a page shows."""
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    wait_until(page, READY)


def outputs_of(page: Any, source: str) -> Any:
    """The outputs of the cell whose source has a text: to look for anything on all of a page takes far longer."""
    index = page.evaluate(INDEX_OF, source)
    assert index >= 0, f"no cell has {source}"
    return page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-Cell-outputWrapper")


def shown_by(notebook: Any) -> str:
    """The plain text of all outputs."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)


def write_settings(path: Path, settings: dict[str, str | bool]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))


def await_answer(address: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def processes(mark: str) -> list[str]:
    """Command lines of running processes that hold a text."""
    return [line for line in _command_lines() if mark in line]


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
