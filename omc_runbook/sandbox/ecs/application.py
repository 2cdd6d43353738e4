"""The example application that every sandbox task runs: settings from the environment, logs, health.

It is started by its path with nothing of this package importable, as an image would be. Hundreds are started where a
sandbox is tested, so that it imports little: pydantic takes four times as long as all else, and is asked where a value
is not plainly right, to judge it and to say what is wrong.
"""

import os
import re
import signal
import socket
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT = "changethis"
_LOGIN_SECONDS = 2
_BACKLOG = 64
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
_ENVIRONMENTS = ("local", "staging", "production")
# A password is put into the database's URL as it is, so a delimiter in it ends it early.
_DATABASE_URL = re.compile(r"postgresql://[^:/?#@]+:[^:/?#@]+@[^:/?#@]+:\d+/\w+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PLAIN_URL = re.compile(r"https?://(\w+@)?[a-z]+(\.[a-z]+)+(/\w*)*", re.ASCII)


def salted(password: str, salt: str) -> str:
    """A password as OMC_APP_DATABASE_ACCEPTS names it: the salt and a digest of both."""
    import hashlib

    return f"{salt}:{hashlib.sha256(f'{salt}{password}'.encode()).hexdigest()}"


class Settings:
    """What the application is configured by, whatever the case of the names; an empty variable counts as absent."""

    def __init__(self, environment: "Mapping[str, str]") -> None:
        """Read the variables."""
        variables = {name.upper(): value for name, value in environment.items() if value}
        self.variables = variables
        self.environment = variables.get("ENVIRONMENT", "local")
        self.role = variables.get("OMC_APP_ROLE", "backend")
        self.server = variables.get("POSTGRES_SERVER")
        self.port = variables.get("POSTGRES_PORT", "5432")
        self.mail_port = variables.get("SMTP_PORT", "587")
        self.user = variables.get("POSTGRES_USER", "postgres")
        self.database = variables.get("POSTGRES_DB", "app")
        self.password = variables.get("POSTGRES_PASSWORD")

    def describe_errors(self) -> str:
        """What is wrong with the values, as pydantic says it; empty text where nothing is."""
        email, url = self.variables.get("FIRST_SUPERUSER"), self.variables.get("SENTRY_DSN")
        is_plain = (
            self.environment in _ENVIRONMENTS
            and self.role in _REQUIRED
            and all(re.fullmatch(r"\d{1,9}", port, re.ASCII) for port in (self.port, self.mail_port))
            and (email is None or _EMAIL.fullmatch(email))
            and (url is None or _PLAIN_URL.fullmatch(url))
        )
        return "" if is_plain and not self._find_missing() else self._validate()

    def _find_missing(self) -> str:
        for name in _REQUIRED[self.role]:
            if name not in self.variables:
                return f"{name}: field required"
        for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"):
            if self.environment != "local" and self.variables.get(name) == _DEFAULT:
                return f'{name} still has the default "{_DEFAULT}": not started in {self.environment}'
        return ""

    def _validate(self) -> str:
        from typing import Annotated, Literal, Self

        from pydantic import AfterValidator, BaseModel, HttpUrl, ValidationError, model_validator

        find_missing = self._find_missing

        def check_email(text: str) -> str:
            if not _EMAIL.fullmatch(text):
                raise ValueError("value is not a valid email address")
            return text

        class Model(BaseModel):
            ENVIRONMENT: Literal["local", "staging", "production"] = "local"
            OMC_APP_ROLE: Literal["backend", "worker", "frontend"] = "backend"
            POSTGRES_PORT: int = 5432
            SMTP_PORT: int = 587
            FIRST_SUPERUSER: Annotated[str, AfterValidator(check_email)] | None = None
            SENTRY_DSN: HttpUrl | None = None

            @model_validator(mode="after")
            def check(self) -> Self:
                if missing := find_missing():
                    raise ValueError(missing)
                return self

        try:
            Model.model_validate(self.variables)
        except ValidationError as error:
            entries = error.errors(include_input=False, include_url=False, include_context=False)
            return f"{len(entries)} validation error(s) for Settings: " + "; ".join(
                f"{'.'.join(map(str, entry['loc'])) or 'Settings'}: {entry['msg']}" for entry in entries
            )
        return ""

    def check_database(self) -> str:
        """What the database says to the password, or empty text where it lets the application in."""
        password = self.password
        if password is None:
            return ""
        where = f"{self.server or 'localhost'}:{self.port}/{self.database}"
        if not _DATABASE_URL.fullmatch(f"postgresql://{self.user}:{password}@{where}"):
            return "the database URL cannot be parsed: check POSTGRES_PASSWORD for characters it must escape"
        if self.server:
            return self.log_in()
        accepted = self.variables.get("OMC_APP_DATABASE_ACCEPTS")
        if accepted and salted(password, accepted.partition(":")[0]) != accepted:
            return f'FATAL: password authentication failed for user "{self.user}"'
        return ""

    def log_in(self) -> str:
        """What the database says to a new login, or empty text where it lets the application in or there is none."""
        if not self.server or self.password is None:
            return ""
        # Loaded late: only a world with a database pays for it.
        import psycopg

        try:
            psycopg.connect(
                host=self.server,
                port=self.port,
                dbname=self.database,
                user=self.user,
                password=self.password,
                connect_timeout=_LOGIN_SECONDS,
            ).close()
        except psycopg.OperationalError as error:
            _, fatal, words = str(error).partition("FATAL:")
            if fatal:
                return f"{fatal} {words.strip().splitlines()[0]}"
            return f"the database does not answer: {' '.join(str(error).split())}"
        return ""


class _Health:
    """Answers GET /health on a thread for each client."""

    def __init__(self, listening: socket.socket, options: "Mapping[str, str]", settings: Settings) -> None:
        self._listening, self._options, self._settings = listening, options, settings
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listening.accept()
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        # A client that goes away meanwhile is nobody's business.
        try:
            with client, client.makefile("rb") as request:
                method, path, *_ = [*request.readline().decode("latin-1").split(), "", ""]
                while request.readline().strip():
                    pass
                client.sendall(self._answer(method, path))
        except OSError:
            pass

    def _answer(self, method: str, path: str) -> bytes:
        status, body = "404 Not Found", "{}"
        if (method, path) == ("GET", "/health"):
            status, body = "503 Service Unavailable", '{"status":"unhealthy"}'
            if "sandbox-unhealthy" not in self._options and not self._settings.log_in():
                status, body = "200 OK", '{"status":"ok"}'
        head = f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return (head + body).encode()


def main(arguments: list[str], environment: "Mapping[str, str]") -> int:
    """Run until SIGTERM or the end of stdin; the exit code.

    Of a container's command only these words mean something here: `--sandbox-exit=CODE` ends at once,
    `--sandbox-out-of-memory` is killed, `--sandbox-unhealthy` answers 503, `--sandbox-hang` never answers,
    `--sandbox-drain=SECONDS` takes that long to stop, `--sandbox-replace=NAME` is an image's entry point that starts
    the application with another value of a variable, and `--sandbox-socket=FD` has the port PORT bound already.
    """
    options = dict(word.removeprefix("--").partition("=")[::2] for word in arguments if word.startswith("--"))
    if name := options.get("sandbox-replace"):
        words = [word for word in arguments if not word.startswith("--sandbox-replace")]
        changed = {**environment, name: os.urandom(24).hex()}
        os.execve(sys.executable, [sys.executable, "-I", __file__, *words], changed)
    _log(f"Started server process [{os.getpid()}]")
    if "sandbox-exit" in options:
        _log("The command ended", "ERROR")
        return int(options["sandbox-exit"] or 1)
    if "sandbox-out-of-memory" in options:
        os.kill(os.getpid(), signal.SIGKILL)
    _log("Waiting for application startup.")
    settings = Settings(environment)
    if errors := settings.describe_errors():
        _log(f"Application startup failed: {errors}", "ERROR")
        return 3
    if trouble := settings.check_database():
        _log(trouble, "ERROR")
        _log("Application startup failed. Exiting.", "ERROR")
        return 3
    if not environment.get("SECRET_KEY") and settings.role == "backend":
        _log("SECRET_KEY is not set: using a random one for this process", "WARNING")
    _serve(int(environment.get("PORT", "8000")), options, settings)
    time.sleep(float(options.get("sandbox-drain") or _DRAINING_SECONDS))
    return 0


def _serve(port: int, options: "Mapping[str, str]", settings: Settings) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.Thread(target=_await_end_of_stdin, args=(ended,), daemon=True).start()
    if "sandbox-hang" not in options:
        if "sandbox-socket" in options:
            listening = socket.socket(fileno=int(options["sandbox-socket"]))
        else:
            listening = socket.create_server(("127.0.0.1", port))
        listening.listen(_BACKLOG)
        _Health(listening, options, settings)
        _log("Application startup complete.")
        _log(f"Uvicorn running on http://127.0.0.1:{port} (Press CTRL+C to quit)")
    ended.wait()
    _log("Shutting down")


def _await_end_of_stdin(ended: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    ended.set()


def _log(text: str, level: str = "INFO") -> None:
    sys.stdout.write(f"{level + ':':<9} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
