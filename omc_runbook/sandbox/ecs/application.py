"""The example application that every sandbox task runs: settings from the environment, logs, health.

It is started by its path with nothing of this package importable, as an image would be. Hundreds are started where a
sandbox is tested, so that it imports little: `re`, `signal`, `socket` and `threading` take longer than the interpreter
itself, unlike the C modules under them. So does pydantic, whose core is asked where a value has not plainly the form
that it should have, to judge it and to say what is wrong.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import _thread
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_DEFAULT = "changethis"
OPTIONS = ("-I", "-S")
"""How the interpreter is started: alone, and without packages until one is needed."""
_LOGIN_SECONDS = 2
_BACKLOG = 64
# A load balancer may still send requests to a task that has just been told to stop.
_DRAINING_SECONDS = 0.3
_REQUIRED = {
    "backend": ("POSTGRES_PASSWORD", "FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD", "OPENAI_API_KEY"),
    "worker": ("POSTGRES_PASSWORD", "OPENAI_API_KEY"),
    "frontend": (),
}
_ENVIRONMENTS = ("local", "staging", "production")
# A password is put into the database's URL as it is, so a delimiter in it ends it early.
_DELIMITERS = frozenset(":/?#@")
_REQUEST_BYTES = 65536
_URL_CHARACTERS = 2083
_FAILED = "{} validation error(s) for Settings: "


def hash_password(password: str, salt: str) -> str:
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
            and all(_is_number(port) for port in (self.port, self.mail_port))
            and (email is None or _is_email(email))
            and (url is None or _is_plain_url(url))
        )
        if not is_plain:
            return self.validate()
        missing = self._find_missing()
        # As pydantic puts it.
        return f"{_FAILED.format(1)}Settings: Value error, {missing}" if missing else ""

    def _find_missing(self) -> str:
        for name in _REQUIRED[self.role]:
            if name not in self.variables:
                return f"{name}: field required"
        for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"):
            if self.environment != "local" and self.variables.get(name) == _DEFAULT:
                return f'{name} still has the default "{_DEFAULT}": not started in {self.environment}'
        return ""

    def validate(self) -> str:
        """What `describe_errors` says, with pydantic's judgement of all values."""
        _enable_packages()
        # Its core judges: the package around it, for models as classes, takes twice as long to import.
        from pydantic_core import SchemaValidator, ValidationError

        schemas: Mapping[str, Any] = {
            "ENVIRONMENT": {"type": "literal", "expected": list(_ENVIRONMENTS)},
            "OMC_APP_ROLE": {"type": "literal", "expected": list(_REQUIRED)},
            "POSTGRES_PORT": {"type": "int"},
            "SMTP_PORT": {"type": "int"},
            "FIRST_SUPERUSER": _checked_by(_check_email, {"type": "str"}),
            "SENTRY_DSN": {"type": "url", "max_length": _URL_CHARACTERS, "allowed_schemes": ["http", "https"]},
        }
        fields = {
            name: {"type": "typed-dict-field", "schema": schema, "required": False} for name, schema in schemas.items()
        }
        try:
            SchemaValidator(_checked_by(self._check_missing, {"type": "typed-dict", "fields": fields})).validate_python(
                self.variables
            )
        except ValidationError as error:
            entries = error.errors(include_input=False, include_url=False, include_context=False)
            return _FAILED.format(len(entries)) + "; ".join(
                f"{'.'.join(map(str, entry['loc'])) or 'Settings'}: {entry['msg']}" for entry in entries
            )
        return ""

    def _check_missing(self, values: "Mapping[str, object]") -> "Mapping[str, object]":
        if missing := self._find_missing():
            raise ValueError(missing)
        return values

    def check_database(self) -> str:
        """What the database says to the password, or empty text where it lets the application in."""
        password = self.password
        if password is None:
            return ""
        names = (self.user, password, self.server or "localhost")
        is_plain = all(name and _DELIMITERS.isdisjoint(name) for name in names) and _is_word(self.database)
        if not is_plain or not _is_number(self.port):
            return "the database URL cannot be parsed: check POSTGRES_PASSWORD for characters it must escape"
        if self.server:
            return self.log_in()
        accepted = self.variables.get("OMC_APP_DATABASE_ACCEPTS")
        if accepted and hash_password(password, accepted.partition(":")[0]) != accepted:
            return f'FATAL: password authentication failed for user "{self.user}"'
        return ""

    def log_in(self) -> str:
        """What the database says to a new login, or empty text where it lets the application in or there is none."""
        if not self.server or self.password is None:
            return ""
        # Loaded late: only a world with a database pays for it.
        _enable_packages()
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


def _enable_packages() -> None:
    """Let installed packages be imported, if the interpreter was started without."""
    if sys.flags.no_site:
        import site

        site.main()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _is_word(text: str) -> bool:
    return text.replace("_", "a").isalnum()


def _is_email(text: str) -> bool:
    name, _, domain = text.partition("@")
    return bool(name) and "@" not in domain and "." in domain[1:-1] and text.split() == [text]


def _check_email(text: str) -> str:
    if not _is_email(text):
        raise ValueError("value is not a valid email address")
    return text


def _checked_by(function: "Callable[[Any], object]", schema: "Any") -> "Any":
    """A schema of pydantic's core, whose values a function judges after it."""
    return {"type": "function-after", "function": {"type": "no-info", "function": function}, "schema": schema}


def _is_plain_url(text: str) -> bool:
    scheme, _, rest = text.partition("://")
    address, _, path = rest.partition("/")
    user, at, host = address.rpartition("@")
    labels = host.split(".")
    return (
        text.isascii()
        and scheme in ("http", "https")
        and (not at or _is_word(user))
        and len(labels) > 1
        and all(label.isalnum() and label.islower() for label in labels)
        # The last label decides whether it is an address.
        and labels[-1].isalpha()
        and (not path or _is_word(path.replace("/", "_")))
    )


class _Health:
    """Answers GET /health on a thread for each client."""

    def __init__(self, listening: _socket.socket, options: "Mapping[str, str]", settings: Settings) -> None:
        self._listening, self._options, self._settings = listening, options, settings
        _thread.start_new_thread(self._serve, ())

    def _serve(self) -> None:
        while True:
            client, _ = self._listening._accept()  # type: ignore[attr-defined]
            _thread.start_new_thread(self._handle, (client,))

    def _handle(self, client: int) -> None:
        # A client that disconnects is no error.
        try:
            request = b""
            while b"\r\n\r\n" not in request and len(request) < _REQUEST_BYTES:
                part = os.read(client, _REQUEST_BYTES)
                if not part:
                    return
                request += part
            method, path, *_ = [*request.partition(b"\r\n")[0].decode("latin-1").split(), "", ""]
            os.write(client, self._answer(method, path))
        except OSError:
            pass
        finally:
            os.close(client)

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
        os.execve(sys.executable, [sys.executable, *OPTIONS, __file__, *words], changed)  # noqa: S606 - itself
    _log(f"Started server process [{os.getpid()}]")
    if "sandbox-exit" in options:
        _log("The command ended", "ERROR")
        return int(options["sandbox-exit"] or 1)
    if "sandbox-out-of-memory" in options:
        os.kill(os.getpid(), _signal.SIGKILL)
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


class _Ended(Exception):
    """It was asked to end."""


def _end(*_: object) -> None:
    _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
    raise _Ended


def _serve(port: int, options: "Mapping[str, str]", settings: Settings) -> None:
    _signal.signal(_signal.SIGTERM, _end)
    try:
        if "sandbox-hang" not in options:
            if "sandbox-socket" in options:
                listening = _socket.socket(fileno=int(options["sandbox-socket"]))
            else:
                listening = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
                listening.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
                listening.bind(("127.0.0.1", port))
            listening.listen(_BACKLOG)
            _Health(listening, options, settings)
            _log("Application startup complete.")
            _log(f"Uvicorn running on http://127.0.0.1:{port} (Press CTRL+C to quit)")
        while os.read(0, 1024):
            pass
    except _Ended:
        pass
    _log("Shutting down")


def _log(text: str, level: str = "INFO") -> None:
    sys.stdout.write(f"{level + ':':<9} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # What is left to say is flushed, and taking the interpreter down takes time.
    os._exit(main(sys.argv[1:], os.environ))
