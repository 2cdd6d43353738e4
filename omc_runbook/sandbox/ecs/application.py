"""The example application that every sandbox task runs: settings from the environment, logs, health.

It is started by its path with nothing of this package importable, as an image would be. Hundreds are started where a
sandbox is tested, so that it imports only what it needs: pydantic-settings and http.server would double what a start
takes.
"""

import hashlib
import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, HttpUrl, ValidationError, model_validator

_DEFAULT = "changethis"
_LOGIN_SECONDS = 2
# A load balancer may still send requests to a task that has just been told to stop.
_DRAINING_SECONDS = 0.3
_REQUIRED = {
    "backend": (
        "POSTGRES_PASSWORD",
        "FIRST_SUPERUSER",
        "FIRST_SUPERUSER_PASSWORD",
        "OPENAI_API_KEY",
    ),
    "worker": ("POSTGRES_PASSWORD", "OPENAI_API_KEY"),
    "frontend": (),
}
# A password is put into the database's URL as it is, so a delimiter in it ends it early.
_DATABASE_URL = re.compile(r"postgresql://[^:/?#@]+:[^:/?#@]+@[^:/?#@]+:\d+/\w+")


def _check_email(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError("value is not a valid email address")
    return text


def salted(password: str, salt: str) -> str:
    """A password as OMC_APP_DATABASE_ACCEPTS names it: the salt and a digest of both."""
    return f"{salt}:{hashlib.sha256(f'{salt}{password}'.encode()).hexdigest()}"


class ApplicationSettings(BaseModel):
    """What the application is configured by; an empty variable counts as absent."""

    model_config = ConfigDict(validate_default=True, hide_input_in_errors=True)

    ENVIRONMENT: Literal["local", "staging", "production"] = "local"
    OMC_APP_ROLE: Literal["backend", "worker", "frontend"] = "backend"
    OMC_APP_DATABASE_ACCEPTS: str | None = None
    SECRET_KEY: str = secrets.token_urlsafe(32)
    POSTGRES_SERVER: str | None = None
    POSTGRES_PORT: int = 5432
    POSTGRES_USER: str = "postgres"
    POSTGRES_DB: str = "app"
    POSTGRES_PASSWORD: str | None = None
    FIRST_SUPERUSER: Annotated[str, AfterValidator(_check_email)] | None = None
    FIRST_SUPERUSER_PASSWORD: str | None = None
    OPENAI_API_KEY: str | None = None
    SMTP_HOST: str | None = None
    SMTP_USER: str | None = None
    SMTP_PASSWORD: str | None = None
    SENTRY_DSN: HttpUrl | None = None

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables, whatever the case of their names; raises ValidationError."""
        variables = {name.upper(): value for name, value in environment.items() if value}
        return cls.model_validate({name: variables[name] for name in cls.model_fields if name in variables})

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in _REQUIRED[self.OMC_APP_ROLE]:
            if not getattr(self, name):
                raise ValueError(f"{name}: field required")
        for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"):
            if self.ENVIRONMENT != "local" and getattr(self, name) == _DEFAULT:
                raise ValueError(f'{name} still has the default "{_DEFAULT}": not started in {self.ENVIRONMENT}')
        return self

    def check_database(self) -> str:
        """What the database says to the password, or empty text where it lets the application in."""
        password = self.POSTGRES_PASSWORD
        if password is None:
            return ""
        where = f"{self.POSTGRES_SERVER or 'localhost'}:{self.POSTGRES_PORT}/{self.POSTGRES_DB}"
        if not _DATABASE_URL.fullmatch(f"postgresql://{self.POSTGRES_USER}:{password}@{where}"):
            return "the database URL cannot be parsed: check POSTGRES_PASSWORD for characters it must escape"
        if self.POSTGRES_SERVER:
            return self.log_in()
        accepted = self.OMC_APP_DATABASE_ACCEPTS
        if accepted and salted(password, accepted.partition(":")[0]) != accepted:
            return f'FATAL: password authentication failed for user "{self.POSTGRES_USER}"'
        return ""

    def log_in(self) -> str:
        """What the database says to a new login, or empty text where it lets the application in or there is none."""
        if not self.POSTGRES_SERVER or self.POSTGRES_PASSWORD is None:
            return ""
        # Loaded late: only a world with a database pays for it.
        import psycopg

        try:
            psycopg.connect(
                host=self.POSTGRES_SERVER,
                port=self.POSTGRES_PORT,
                dbname=self.POSTGRES_DB,
                user=self.POSTGRES_USER,
                password=self.POSTGRES_PASSWORD,
                connect_timeout=_LOGIN_SECONDS,
            ).close()
        except psycopg.OperationalError as error:
            _, fatal, words = str(error).partition("FATAL:")
            if fatal:
                return f"{fatal} {words.strip().splitlines()[0]}"
            return f"the database does not answer: {' '.join(str(error).split())}"
        return ""


class _Health(StreamRequestHandler):
    """Answers GET /health."""

    is_well: Callable[[], bool]

    def handle(self) -> None:
        method, path, *_ = [*self.rfile.readline().decode("latin-1").split(), "", ""]
        while self.rfile.readline().strip():
            pass
        if (method, path) != ("GET", "/health"):
            self._answer("404 Not Found", b"{}")
        elif type(self).is_well():
            self._answer("200 OK", b'{"status":"ok"}')
        else:
            self._answer("503 Service Unavailable", b'{"status":"unhealthy"}')

    def _answer(self, status: str, body: bytes) -> None:
        head = f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


class _Server(ThreadingTCPServer):
    """Listens; a client that goes away meanwhile is nobody's business."""

    allow_reuse_address = daemon_threads = True

    def handle_error(self, request: object, _: object) -> None:
        """Keep it out of the log."""


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run until SIGTERM or the end of stdin; the exit code.

    Of a container's command only these words mean something here: `--sandbox-exit=CODE` ends at once,
    `--sandbox-out-of-memory` is killed, `--sandbox-unhealthy` answers 503, `--sandbox-hang` never answers,
    `--sandbox-replace=NAME` is an image's entry point that starts the application with another value of a variable, and
    `--sandbox-socket=FD` has the port PORT bound already.
    """
    options = dict(word.removeprefix("--").partition("=")[::2] for word in arguments if word.startswith("--"))
    if name := options.get("sandbox-replace"):
        words = [word for word in arguments if not word.startswith("--sandbox-replace")]
        changed = {**environment, name: secrets.token_urlsafe(32)}
        os.execve(sys.executable, [sys.executable, "-I", __file__, *words], changed)
    _log(f"Started server process [{os.getpid()}]")
    if "sandbox-exit" in options:
        _log("The command ended", "ERROR")
        return int(options["sandbox-exit"] or 1)
    if "sandbox-out-of-memory" in options:
        os.kill(os.getpid(), signal.SIGKILL)
    _log("Waiting for application startup.")
    try:
        settings = ApplicationSettings.load(environment)
    except ValidationError as error:
        _log(f"Application startup failed: {_describe(error)}", "ERROR")
        return 3
    if trouble := settings.check_database():
        _log(trouble, "ERROR")
        _log("Application startup failed. Exiting.", "ERROR")
        return 3
    if not environment.get("SECRET_KEY") and settings.OMC_APP_ROLE == "backend":
        _log("SECRET_KEY is not set: using a random one for this process", "WARNING")
    _serve(int(environment.get("PORT", "8000")), options, settings)
    return 0


def _serve(port: int, options: Mapping[str, str], settings: ApplicationSettings) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.Thread(target=_await_end_of_stdin, args=(ended,), daemon=True).start()
    if "sandbox-hang" not in options:
        _Health.is_well = lambda: "sandbox-unhealthy" not in options and not settings.log_in()
        given = options.get("sandbox-socket")
        server = _Server(("127.0.0.1", port), _Health, bind_and_activate=given is None)
        if given is not None:
            server.socket.close()
            server.socket = socket.socket(fileno=int(given))
            server.server_activate()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _log("Application startup complete.")
        _log(f"Uvicorn running on http://127.0.0.1:{port} (Press CTRL+C to quit)")
    ended.wait()
    _log("Shutting down")
    time.sleep(_DRAINING_SECONDS)


def _await_end_of_stdin(ended: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    ended.set()


def _describe(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return f"{len(found)} validation error(s) for Settings: " + "; ".join(
        f"{'.'.join(map(str, entry['loc'])) or 'Settings'}: {entry['msg']}" for entry in found
    )


def _log(text: str, level: str = "INFO") -> None:
    sys.stdout.write(f"{level + ':':<9} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
