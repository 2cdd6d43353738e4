"""Ways in which a developer's machine can be wrong, and healthy ones that look like it: a change to a checkout each."""

from __future__ import annotations

import getpass
import re
import secrets
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from support.platform_checkout import Platform

Change = Callable[[Platform], object]
HEX = secrets.token_hex
QUOTE = "'"


@dataclass(frozen=True)
class Case:
    """A change to a checkout with a healthy .env, the fault that it is ("" for none), and whether Settings tell it."""

    fault: str
    name: str
    change: Change
    deeply: bool = False

    def __str__(self) -> str:
        # Each worker of a test run has texts of its own, and all have to call a case alike.
        named = f"{self.fault or 'healthy'}: {self.name}".replace(A, "AAAA").replace(B, "BBBB")
        return re.sub(r"[0-9a-f]{16,}", lambda found: f"({len(found[0])} digits)", named)


def put(**values: str | None) -> Change:
    """Write other values, as they stand behind the =; None leaves the line out."""
    return lambda platform: platform.write_dotenv(**values)


def edit(change: Callable[[bytes], bytes]) -> Change:
    """Change the bytes of the .env."""
    return lambda platform: platform.dotenv.write_bytes(change(platform.dotenv.read_bytes()))


def swap(old: str, new: str) -> Change:
    """Put another text in the place of one that stands once in the .env."""
    return lambda platform: platform.edit(platform.dotenv, old, new)


def add(line: str) -> Change:
    """Add a line at the end."""
    return edit(lambda raw: raw + line.encode() + b"\n")


def compose(old: str, new: str) -> Change:
    """Change the compose file."""
    return lambda platform: platform.edit(platform.compose, old, new)


def _head(name: str, other: str) -> Change:
    return swap(f"\n{name}=", f"\n{other}")


def _move(folder: str) -> Change:
    return lambda platform: shutil.move(platform.dotenv, platform.root / folder / ".env")


def _rename(name: str) -> Change:
    return lambda platform: platform.dotenv.rename(platform.root / name)


def _settings(old: str, new: str) -> Change:
    def change(platform: Platform) -> None:
        before, mark, after = platform.config.read_text().partition("class Settings")
        assert old in after
        platform.config.write_text(before + mark + after.replace(old, new, 1))

    return change


def _bare_first(name: str) -> Callable[[bytes], bytes]:
    """Without comments, and with a byte order mark before this variable."""

    def change(raw: bytes) -> bytes:
        lines = [line for line in raw.splitlines(keepends=True) if line[:1].isalpha()]
        return b"\xef\xbb\xbf" + b"".join(sorted(lines, key=lambda line: not line.startswith(name.encode() + b"=")))

    return change


def _lower(raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    parts = (line.partition(b"=") if line[:1].isalpha() else (line, b"", b"") for line in lines)
    return b"".join(name.lower() + rest + value if rest else name for name, rest, value in parts)


def _colons(raw: bytes) -> bytes:
    lines = raw.splitlines(keepends=True)
    return b"".join(line.replace(b"=", b": ", 1) if line[:1].isalpha() else line for line in lines)


def _git(*commands: str) -> Change:
    def change(platform: Platform) -> None:
        for command in commands:
            platform.git(*command.split())

    return change


def _ignore(rules: str) -> Change:
    return lambda platform: (platform.root / ".gitignore").write_text(rules)


def _beside(name: str, line: str) -> Change:
    """Another file of variables, which git does not know."""

    def change(platform: Platform) -> None:
        (platform.root / name).write_text(f"{line}\n")
        (platform.root / ".gitignore").write_text(".env\n*.env\n.env.local\n")

    return change


def _code(expression: str) -> Change:
    """Another file of the application."""
    return lambda platform: (platform.root / "backend/app/queue.py").write_text(f"URL = {expression}\n")


def _publish(folder: str) -> Change:
    def change(platform: Platform) -> None:
        shutil.copy(platform.dotenv, platform.root / folder / ".env")
        platform.git("add", "--force", f"{folder}/.env")

    return change


def _tracked(name: str, line: str = "use {}", words: str = "commit -qm x", template: str = "", **values: str) -> Change:
    """A file beside the .env that has a value of it, what git does with the file, and what the template has of it."""

    def change(platform: Platform) -> None:
        (text,) = platform.write_dotenv(**values).keys() & values.keys()
        platform.template.write_text(platform.template.read_text() + template.format(values[text]))
        (platform.root / name).write_bytes(f"# Notes\n{line.format(values[text].strip(QUOTE))}\r\n".encode())
        (platform.root / ".gitignore").write_text(".env\nignored.md\n")
        for each in filter(None, (f"add --force {name}", words) if words else ()):
            platform.git(*each.split())

    return change


def _password_of_address(name: str, template: str = "") -> Change:
    """An address in the .env, its password in a tracked file, and what the template has of the address."""

    def change(platform: Platform) -> None:
        start, password = "postgresql://app:", HEX(16)
        add(f"DATABASE_URL={start}{password}%40@localhost:5432/app")(platform)
        platform.template.write_text(
            platform.template.read_text() + template.format(f"{start}{password}%40@db/app", password)
        )
        (platform.root / name).write_text(f"POSTGRES_PASSWORD={password}@\n")
        platform.git("add", "--force", name)
        platform.git("commit", "--quiet", "--message", "x")

    return change


def _passwords_of_list(name: str) -> Change:
    """A list of addresses in the .env, and the passwords of all of them in a tracked file."""

    def change(platform: Platform) -> None:
        passwords = HEX(16), HEX(16)
        add(f"DATABASE_URL={','.join(f'redis://:{each}@localhost:6379' for each in passwords)}")(platform)
        (platform.root / name).write_text("".join(f"A={each}\n" for each in passwords))
        platform.git("add", "--force", name)
        platform.git("commit", "--quiet", "--message", "x")

    return change


def _map(lines: str) -> Change:
    """The backend's environment as a mapping."""

    def change(platform: Platform) -> None:
        text = platform.compose.read_text()
        begin, end = text.index("    environment:\n      - DOMAIN"), text.index("\n  frontend:")
        platform.compose.write_text(f"{text[:begin]}    environment:\n      POSTGRES_SERVER: db\n{lines}{text[end:]}")

    return change


def _override(lines: str) -> Change:
    backend = '  backend:\n    restart: "no"\n'
    return lambda platform: platform.edit(platform.override, backend, f"{backend}    environment:\n{lines}")


def _conflict(name: str, base: str) -> Change:
    """A line that two branches have changed, as git leaves it."""
    former = f"{base}{name}=\n" if base else ""
    text = f"\n<<<<<<< HEAD\n{name}={HEX(32)}\n{former}=======\n{name}={HEX(32)}\n>>>>>>> side\n# Formerly {name}="
    return swap(f"\n{name}=", text)


EXTENDS = "services:\n  backend:\n    extends: {file: deploy/app.yml, service: base}\n"


def _apart(head: str, service: str, services: str) -> Change:
    """The backend in another file, which gives it a value of its own."""

    def change(platform: Platform) -> None:
        (platform.root / "deploy").mkdir()
        body = f"    build: ../backend\n    env_file: ../.env\n    environment:\n      OPENAI_API_KEY: {LITERAL}\n"
        (platform.root / "deploy/app.yml").write_text(f"services:\n  {service}:\n{body}")
        platform.compose.write_text(f"{head}{services}")
        platform.override.unlink()

    return change


def both(*changes: Change) -> Change:
    """One change after another."""

    def change(platform: Platform) -> None:
        for each in changes:
            each(platform)

    return change


def _link(platform: Platform) -> None:
    """The values in a file that git tracks, and .env a link to it."""
    platform.dotenv.rename(platform.root / "developer.env")
    platform.dotenv.symlink_to("developer.env")
    platform.git("add", "developer.env")


def _login(server: str, host: str) -> Change:
    """A .env with the database's URL, in which its password stands again, and compose with that of its own service."""
    password = HEX(16)
    url = f"DATABASE_URL=postgresql://postgres:{password}@localhost:5432/app"
    there = f"      - DATABASE_URL=postgresql://${{POSTGRES_USER}}:${{POSTGRES_PASSWORD}}@{host}:5432/app\n"
    return both(
        put(POSTGRES_PASSWORD=password),
        add(url),
        compose("      - POSTGRES_SERVER=db\n", f"      - POSTGRES_SERVER={server}\n{there}"),
        compose("    image: postgres:17\n", "    image: postgres:17\n    container_name: omc-db\n"),
    )


A, B = HEX(8), HEX(8)
IGNORES = "        env_ignore_empty=True,\n"
NAMES = 'Literal["local", "staging", "production"]'
ME = getpass.getuser()
LITERAL = f"sk-{HEX(12)}"
PASSWORD = "      - POSTGRES_PASSWORD="
DOLLARS = (
    *("pa$word", "pa${word}x", f"{A}$$x{B}", f'"{A} $x"', f'"{A}$word"', f"{A}$word{B}", f"{A}$_x", f"{A}${{word"),
    *(
        f"{A}$POSTGRES_USER",
        f"{A}${{POSTGRES_USER}}",
        f"{A}\\$x",
        f'"{A}\\$x"',
        f"'{A}${{word}}x'",
        "$secret",
        "${secret}",
    ),
)
HASHES = ("pass #word", f"{A} #{B}", f"{A} # {B}", "pass\t#word", " #word")
EMPTY = (None, "", '""', "''", "   ", '"  "', "# nothing yet", "   # nothing yet")
WEAK = (
    *("password", "123456", "changeme1", "qwerty", "qwertyuiop12", "postgres", "passwordpassword", "a" * 16, "ab1"),
    *("P@ssw0rd1234", "ohmycoins123", "ohmycoins-2024", "admin123", "Summer2024", "letmein1", f"{ME}-{ME}", f"{ME}123"),
)
WEAK_KEYS = ("a" * 64, "secret", "0123456789abcdef" * 2, "password" * 5, "supersecretkey" * 3, HEX(8))
RANDOM = (HEX(16), HEX(32), secrets.token_urlsafe(24), str(uuid.uuid4()))
BROKEN = (rf'"{HEX(6)}2718\n{HEX(6)}"', f"'{HEX(6)}1\n3141\n{HEX(6)}'")
STRONG = ("quarry lantern otter mosaic", "quarrylanternottermosaic", "Xk9-vB2mQ-77rTzPw", "T7!mQz9vLp@2x", HEX(12))
MISSPELT = (
    *(("OPENAI_API_KEY", "OPENAI_APIKEY"), ("OPENAI_API_KEY", "OPENAI_KEY"), ("OPENAI_API_KEY", "OPEN_AI_API_KEY")),
    *(("SECRET_KEY", "SECRETKEY"), ("SECRET_KEY", "SECRET-KEY"), ("SECRET_KEY", "SECRECT_KEY")),
    *(("POSTGRES_PASSWORD", "POSTGES_PASSWORD"), ("POSTGRES_PASSWORD", "POSTGRES_PASSWD")),
    *(("FIRST_SUPERUSER", "FIRST_SUPER_USER"), ("REDIS_DB", "REDIS-DB"), ("LLM_PROVIDER", "LLM_PROVDIER")),
)
WRONG = (
    *(
        ("POSTGRES_PORT", "abc"),
        ("REQUEST_TIMEOUT_SECONDS", "soon"),
        ("SENTRY_DSN", "nowhere"),
        ("LLM_TEMPERATURE", "9"),
    ),
    *(("FIRST_SUPERUSER", "nobody"), ("DATABASE_ECHO", "maybe"), ("POSTGRES_SSLMODE", "never")),
)
PLACEHOLDERS = (
    *(("SECRET_KEY", "your-secret-key-here"), ("POSTGRES_PASSWORD", "your-postgres-password")),
    *(("OPENAI_API_KEY", "sk-your-openai-api-key-here"), ("SMTP_PASSWORD", "your-app-password")),
    *(("SENTRY_DSN", "https://your-sentry-dsn@sentry.io/project-id"), ("SECRET_KEY", "<generate-with-openssl>")),
)
NO_LINES = (
    *("this is no assignment", "= x", "- A=b", '{"a": 1}', "<<<<<<< HEAD", "set MY_OWN=1", 'MY_OWN="Oh" my', "MY_OWN"),
)

ALIAS = both(
    _settings(
        "OPENAI_API_KEY: str",
        'OPENAI_API_KEY: str = Field(validation_alias=AliasChoices("OPENAI_API_KEY", "AGENT_KEY"))',
    ),
    _head("OPENAI_API_KEY", "AGENT_KEY="),
)

BACKEND = "  backend:\n"
UNGIVEN = compose("    env_file:\n      - .env\n    environment:\n      - DOMAIN", "    environment:\n      - DOMAIN")
"""Compose gives the backend no .env."""
AT_TOP = both(
    compose("context: ./backend", "context: ."),
    UNGIVEN,
)
"""The application's image is built of the whole checkout, and Compose gives it no .env."""

FAULTS = (
    Case("dotenv-missing", "none at all", lambda platform: platform.dotenv.unlink()),
    Case("dotenv-missing", "in backend/", _move("backend")),
    *(Case("dotenv-missing", f"called {name}", _rename(name)) for name in (".env.txt", "env", ".env.local")),
    Case("dotenv-missing", "above the checkout", _move("..")),
    Case("dotenv-missing", "Settings look further up", _settings('"../.env"', '"../../.env"'), True),
    Case(
        "dotenv-missing",
        "compose looks in another folder",
        lambda p: p.compose.write_text(p.compose.read_text().replace("- .env", "- backend/.env")),
        True,
    ),
    Case("dotenv-missing", "Settings look for another", _settings('"../.env"', '"../.env.local"'), True),
    Case("crlf", "whole", edit(lambda raw: raw.replace(b"\n", b"\r\n")), True),
    Case("crlf", "mixed", edit(lambda raw: raw.replace(b"\n", b"\r\n", 20))),
    Case("crlf", "one line", swap("\nSECRET_KEY", "\r\nSECRET_KEY")),
    *(
        Case(
            "crlf",
            f"{end!r} at one line",
            edit(lambda raw, end=end: raw.replace(b"\n# Database pass", end + b"# Database pass")),
        )
        for end in (b"\r", b"\r\r\n")
    ),
    Case("crlf", "old Macintosh", edit(lambda raw: raw.replace(b"\n", b"\r"))),
    Case("dotenv-bom", "before a comment", edit(lambda raw: b"\xef\xbb\xbf" + raw)),
    Case(
        "dotenv-bom",
        "as an older python-dotenv sees it",
        edit(lambda raw: b"\xef\xbb\xbf" + _bare_first("TAG")(raw)),
        True,
    ),
    *(
        Case("dotenv-bom", f"before {name}", edit(_bare_first(name)), True)
        for name in ("SECRET_KEY", "POSTGRES_SERVER")
    ),
    Case("dotenv-encoding", "UTF-16", edit(lambda raw: raw.decode().encode("utf-16")), True),
    Case("dotenv-encoding", "PowerShell's >", edit(lambda raw: raw.decode().replace("\n", "\r\n").encode("utf-16"))),
    Case("dotenv-encoding", "UTF-16 without a mark", edit(lambda raw: raw.decode().encode("utf-16-le"))),
    Case("dotenv-encoding", "Latin-1", edit(lambda raw: raw.replace(b"Oh My", "Öh My".encode("latin-1")))),
    Case("dotenv-encoding", "NUL", swap("\nREDIS_DB=0", "\nREDIS_DB=0\0")),
    *(Case("dollar", text, put(FIRST_SUPERUSER_PASSWORD=text), at < 2) for at, text in enumerate(DOLLARS)),
    Case("dollar", "in a provider's key", put(OPENAI_API_KEY=f"sk-{A}$abc{B}")),
    Case("dollar", "in an optional value", put(SMTP_PASSWORD=f"{A}$abc")),
    *(Case("hash", text, put(FIRST_SUPERUSER_PASSWORD=text), at < 1) for at, text in enumerate(HASHES)),
    Case("hash", "in a name", put(PROJECT_NAME="Oh #1 coins")),
    Case("hash", "a comment for a value", put(REDIS_PASSWORD=" # none here")),
    *(Case("colon", sign, _head("SECRET_KEY", f"SECRET_KEY{sign}"), sign == ": ") for sign in (": ", " : ", ":")),
    Case("colon", "before a number", _head("POSTGRES_PORT", "POSTGRES_PORT: ")),
    Case("colon", "in every line", edit(_colons), True),
    *(Case("lowercase", name, _head(name, f"{name.lower()}=")) for name in ("SECRET_KEY", "ENVIRONMENT", "TAG")),
    Case("lowercase", "mixed", _head("OPENAI_API_KEY", "OpenAI_API_Key="), True),
    Case(
        "lowercase",
        "where case counts",
        both(_head("SECRET_KEY", "secret_key="), _settings('extra="ignore"', 'extra="ignore", case_sensitive=True')),
        True,
    ),
    Case("lowercase", "every name", edit(_lower)),
    *(Case("unterminated", f"{sign} at the end", add(f"MY_LAST={sign}{A}")) for sign in ("'", '"')),
    *(Case("unterminated", f"{sign} in the middle", _head("SECRET_KEY", f"SECRET_KEY={sign}"), True) for sign in "'\""),
    Case("unterminated", "lost its end", swap('"Oh My Coins"', '"Oh My Coins')),
    Case("unterminated", "beside a good one", _head("TAG", "TAG='"), True),
    *(Case("required-empty", f"{text!r}", put(OPENAI_API_KEY=text), at < 2) for at, text in enumerate(EMPTY)),
    *(
        Case("required-empty", f"no {name}", put(**{name: None}), name == "POSTGRES_USER")
        for name in ("SECRET_KEY", "FIRST_SUPERUSER", "POSTGRES_USER", "PROJECT_NAME", "DOCKER_IMAGE_BACKEND")
    ),
    *(
        Case("environment-literal", text, put(ENVIRONMENT=text), text == "prod")
        for text in ("production", "staging", "prod", "Local", '"production"')
    ),
    *(
        Case("permissions", f"{mode:o}", lambda platform, mode=mode: platform.dotenv.chmod(mode))
        for mode in (0o644, 0o640, 0o666, 0o604)
    ),
    Case("committed", "staged", _git("add --force .env")),
    Case("committed", "tracked", _git("add --force .env", "commit -qm x"), True),
    Case("committed", "in history", _git("add -f .env", "commit -qm x", "rm -q --cached .env", "commit -qm y")),
    Case("committed", "not ignored", _ignore("node_modules/\n")),
    Case("committed", "ignored and not", _ignore(".env\n!.env\n")),
    Case("committed", "what a link leads to", _link),
    Case("committed", "another one, in backend/", _publish("backend")),
    Case("value-tracked", "in a commit", _tracked("README.md", SECRET_KEY=HEX(32))),
    Case("value-tracked", "in what Compose reads", _tracked("ci.yml", "- A={}", OPENAI_API_KEY=f"sk-{HEX(24)}")),
    Case("value-tracked", "the password of an address", _password_of_address("ci.sh")),
    Case("committed", "the password of an address", _password_of_address(".env.old")),
    Case(
        "value-tracked",
        "in a word of the template, which has no address",
        _tracked("README.md", template="SUPPORT=admin/{}\n", FIRST_SUPERUSER_PASSWORD=HEX(16)),
    ),
    Case("value-tracked", "with what patterns have", _tracked("notes.md", SECRET_KEY=f"'-{HEX(20)}.*[a'")),
    *(Case("weak", text, put(FIRST_SUPERUSER_PASSWORD=text), at < 1) for at, text in enumerate(WEAK)),
    *(Case("weak", text, put(SECRET_KEY=text)) for text in WEAK_KEYS),
    Case("weak", "a provider's key that none gave out", put(OPENAI_API_KEY="sk-" + "a" * 40)),
    Case("weak", "the login", put(POSTGRES_USER="coinmaster", POSTGRES_PASSWORD="coinmaster1234")),
    Case("weak", "the address", put(FIRST_SUPERUSER="j.harker@omc.test", FIRST_SUPERUSER_PASSWORD="j.harker")),
    Case("environment-wins", "list", compose("- REDIS_HOST=redis\n", f"- OPENAI_API_KEY={LITERAL}\n"), True),
    Case("environment-wins", "an included file", _apart("include: [deploy/app.yml]\n", "backend", "")),
    Case("environment-wins", "a service of another file", _apart("", "base", EXTENDS)),
    Case("environment-wins", "mapping", _map(f"      OPENAI_API_KEY: {LITERAL}\n")),
    Case("environment-wins", "empty", _map('      SECRET_KEY: ""\n')),
    Case("environment-wins", "override", _override(f"      OPENAI_API_KEY: {LITERAL}\n")),
    Case("environment-wins", "default", compose("${LOG_LEVEL:-INFO}", "${LEVEL:-DEBUG}"), True),
    Case(
        "environment-wins",
        "called as a service is",
        compose(
            "FIRST_SUPERUSER_PASSWORD=${FIRST_SUPERUSER_PASSWORD?Variable not set}", "FIRST_SUPERUSER_PASSWORD=redis"
        ),
        True,
    ),
    Case(
        "environment-wins",
        "another one's default",
        both(compose("- REDIS_HOST=redis\n", "- SMTP_PASSWORD=${OTHER:-x1}\n"), put(SMTP_PASSWORD="")),
    ),
    Case("environment-wins", "a server", compose("ENVIRONMENT=${ENVIRONMENT}", "ENVIRONMENT=production"), True),
    Case(
        "environment-wins",
        "the database's",
        compose(f"pgdata\n{PASSWORD}${{POSTGRES_PASSWORD?Variable not set}}", f"pgdata\n{PASSWORD}{A}{B}"),
    ),
    Case("duplicate-variable", "other value", add(f"SECRET_KEY={HEX(32)}")),
    Case("duplicate-variable", "empty", add("SECRET_KEY="), True),
    *(Case("misspelt", wrong, _head(right, f"{wrong}=")) for right, wrong in MISSPELT),
    *(Case("settings-refused", name, put(**{name: text}), True) for name, text in WRONG),
    Case("settings-refused", "forbidden", _settings('extra="ignore"', 'extra="forbid"'), True),
    *(Case("placeholder", text, put(**{name: text})) for name, text in PLACEHOLDERS),
    *(Case("changethis", name, put(**{name: "changethis"}), True) for name in ("SECRET_KEY", "POSTGRES_PASSWORD")),
    *(Case("unreadable-line", line, add(line)) for line in NO_LINES),
    Case("unreadable-line", "a blank for =", _head("SECRET_KEY", "SECRET_KEY "), True),
    *(
        Case(
            "unreadable-line",
            f"{head!r} before a required one",
            _head("POSTGRES_PASSWORD", f"{head}POSTGRES_PASSWORD="),
        )
        for head in ("set ", "- ", "$env:", "\ufeff", "\u200b")
    ),
    Case("unreadable-line", "an editor's command", add(":wq"), True),
    Case("unreadable-line", "a word and no line end", edit(lambda raw: raw + b"MY_OWN"), True),
    Case("unreadable-line", "a blank in a name", _head("REDIS_DB", "REDIS DB=")),
)

RAW = ("quote(self.POSTGRES_PASSWORD, safe='')", "self.POSTGRES_PASSWORD")
"""Settings that put the password into the URL as it is."""

SINGLE = (
    Case("committed", "the passwords of a list", _passwords_of_list(".env.old")),
    Case("url-chars", "Settings", both(_settings(*RAW), put(POSTGRES_PASSWORD=f"{HEX(16)}/x@y")), True),
    Case("url-chars", "a whole URL", add(f"CACHE_URL=redis://:{HEX(8)}@x#{HEX(8)}/y@localhost:6379/0")),
    Case(
        "url-chars",
        "Compose",
        both(
            compose("- REDIS_HOST=redis\n", "- REDIS_URL=redis://:${REDIS_PASSWORD}@redis:6379/0\n"),
            put(REDIS_PASSWORD=f"{HEX(16)}/x+y=="),
        ),
    ),
    Case(
        "url-chars",
        "an f-string elsewhere",
        both(_code('f"amqp://mq:{settings.REDIS_PASSWORD}@mq"'), put(REDIS_PASSWORD=f"{HEX(16)}@x")),
    ),
    Case(
        "lowercase",
        "a required one where case counts",
        both(
            _head("OPENAI_API_KEY", "openai_api_key="),
            _settings('extra="ignore"', 'extra="ignore", case_sensitive=True'),
        ),
        True,
    ),
    *(
        Case("duplicate-variable", line, add(line), True)
        for line in ("ENVIRONMENT=staging", "SECRET_KEY=changethis", "POSTGRES_PORT=abc", "SECRET_KEY=<one-more>")
    ),
    Case(
        "weak",
        "what Settings refuses too",
        both(
            _settings('"@" not in value', "len(value) < 12"),
            _settings('field_validator("FIRST_SUPERUSER")', 'field_validator("FIRST_SUPERUSER_PASSWORD")'),
            put(FIRST_SUPERUSER_PASSWORD="hunter2"),
        ),
        True,
    ),
    Case("settings-refused", "an empty text where none is taken", _settings(IGNORES, ""), True),
    *(
        Case("placeholder", text, put(SECRET_KEY=text))
        for text in ("generate-me", "{SECRET_KEY}", "???", "REQUIRED", "yoursecretkey", "add-your-key", "redacted")
    ),
    *(
        Case("placeholder", text, put(**{name: text}), True)
        for name, text in (
            ("SECRET_KEY", "$(python3 -c 'import secrets; print(secrets.token_hex(32))')"),
            ("POSTGRES_PASSWORD", "$(openssl rand -hex 32)"),
            ("FIRST_SUPERUSER_PASSWORD", '"$(uuidgen)"'),
            ("SECRET_KEY", "`openssl rand -hex 32`"),
        )
    ),
    *(
        Case("placeholder", text, put(**{name: text}), True)
        for name, text in (
            *(("SECRET_KEY", "op://development/omc/secret-key"), ("POSTGRES_PASSWORD", "vault:secret/data/omc#db")),
            ("OPENAI_API_KEY", "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:omc-openai-aB3dE5"),
            ("SENTRY_DSN", "{{resolve:secretsmanager:omc:SecretString:dsn}}"),
        )
    ),
    *(
        Case("placeholder", text, put(OPENAI_API_KEY=text), True)
        for text in (f"Bearer {LITERAL}", f"OPENAI_API_KEY={LITERAL}", "sk-proj-4f1c...8a2e", f"\"'{LITERAL}'\"")
    ),
    Case("placeholder", "with a remark", put(SECRET_KEY="CHANGE_ME  # by Friday"), True),
    *(
        Case("unreadable-line", f"a merge conflict, {base!r}", _conflict("SECRET_KEY", base), True)
        for base in ("", "||||||| merged common ancestors\n")
    ),
    Case("unreadable-line", "a blank in a required name", _head("SECRET_KEY", "SECRET KEY="), True),
    Case("unreadable-line", "an invisible character in a name", _head("SECRET_KEY", "SECRET\u200b_KEY="), True),
    *(
        Case("unreadable-line", f"{head!r} of another shell", _head("SECRET_KEY", f"{head}SECRET_KEY "), True)
        for head in ("set -gx ", "setenv ")
    ),
    Case("unreadable-line", "a name in quotes", _head("SECRET_KEY", '"SECRET_KEY"='), True),
    *(
        Case("odd-quotes", f"{text!r}", put(**{name: text}), True)
        for name, text in (
            *(("SECRET_KEY", f"“{HEX(32)}”"), ("ENVIRONMENT", "‘local’"), ("POSTGRES_PASSWORD", f"\u200b{HEX(24)}")),
            *(("POSTGRES_PORT", "“5432”"), ("SMTP_HOST", "mail.omc.test\u200b")),
        )
    ),
    *(
        Case("readers-differ", text, put(FIRST_SUPERUSER_PASSWORD=text), True)
        for text in (rf"'{A}\\{B}'", rf'"{A}\0123{B}"')
    ),
    *(
        Case("weak", text, put(SECRET_KEY=text))
        for text in ("my-very-secret-jwt-signing-key-123", "super-secret-key-for-local-development")
    ),
    *(
        Case(
            "second-dotenv",
            line,
            both(_settings('"../.env"', '("../.env", ".env")'), _beside("backend/.env", line)),
            True,
        )
        for line in ("ENVIRONMENT=staging", f"SECRET_KEY={HEX(32)}", "SMTP_PORT=25")
    ),
    Case(
        "second-dotenv",
        "of compose",
        both(
            compose(
                "- .env\n    environment:\n      - DOMAIN", "- .env\n      - app.env\n    environment:\n      - DOMAIN"
            ),
            _beside("app.env", f"OPENAI_API_KEY={LITERAL}"),
        ),
        True,
    ),
    Case("dotenv-missing", "compose gives it to nobody", UNGIVEN, True),
    Case(
        "dotenv-missing",
        "compose gives another one",
        both(
            compose("- .env\n    environment:\n      - DOMAIN", "- app.env\n    environment:\n      - DOMAIN"),
            _beside("app.env", "LOG_LEVEL=debug"),
        ),
    ),
    Case(
        "dotenv-missing",
        "the image of the whole checkout is built without it",
        both(AT_TOP, _beside("Dockerfile", "FROM python:3.13\nCOPY . ."), _beside(".dockerignore", ".env*")),
    ),
    Case("readers-differ", "a tab before a remark", put(POSTGRES_PORT="5432\t# mine"), True),
    Case("readers-differ", "a no-break space before a remark", put(POSTGRES_PORT="5432\u00a0# mine"), True),
    Case(
        "environment-literal",
        "empty, and taken as it is",
        both(put(ENVIRONMENT="", SENTRY_DSN=None), _settings(IGNORES, ""), _settings(NAMES, "str")),
        True,
    ),
    Case(
        "environment-literal",
        "a server, in a Settings that has no local",
        both(put(ENVIRONMENT="prod"), _settings(NAMES, 'Literal["dev", "prod"]')),
    ),
)
"""Faults that are only tried alone."""

HEALTHY = (
    Case("", "as it is", lambda platform: None, True),
    Case("", "a URL with all of it escaped", put(POSTGRES_PASSWORD=f"{HEX(16)}/x@y"), True),
    Case("", "a URL with a fit password", both(_settings(*RAW), put(POSTGRES_PASSWORD=f"{HEX(16)}-_x")), True),
    Case(
        "",
        "an f-string that escapes it",
        both(_code('f"amqp://mq:{quote(settings.REDIS_PASSWORD)}@mq"'), put(REDIS_PASSWORD=f"{HEX(16)}@x")),
    ),
    Case("", "a history with other values", both(_git("add -f .env", "commit -qm x", "rm -q --cached .env"), put())),
    Case("", "a value in a file that git does not have", _tracked("notes.md", words="", SECRET_KEY=HEX(32))),
    Case("", "a value in an ignored file", _tracked("ignored.md", words="", SECRET_KEY=HEX(32))),
    Case("", "the value of another key in a commit", _tracked("README.md", HEX(32), SECRET_KEY=HEX(32))),
    Case("", "the template's address in a commit", _password_of_address("ci.sh", "DATABASE_URL={}\n")),
    Case(
        "",
        "the template's query in a commit",
        _password_of_address("ci.sh", "DATABASE_URL=mysql://db?password={1}%40\n"),
    ),
    Case("", "the template's address in another .env", _password_of_address(".env.test", "DATABASE_URL={}\n")),
    Case("", "a short value in a commit", _tracked("README.md", FIRST_SUPERUSER_PASSWORD="Xk9-vB2mQ-7")),
    Case("", "the path of a key in a commit", _tracked("README.md", APP_CREDENTIALS="./secrets/service-account.json")),
    Case("", "a name called key in a commit", _tracked("README.md", CACHE_KEY="coins:collector:snapshot")),
    Case("", "no secret's value in a commit", _tracked("README.md", SMTP_HOST="mail.eu-west.coins.omc.test")),
    *(Case("", f"{q} quotes", put(SECRET_KEY=f"{q}{HEX(32)}{q}"), True) for q in ("'", '"')),
    *(Case("", f"# in {q}", put(FIRST_SUPERUSER_PASSWORD=f"{q}{A} #{B}{q}")) for q in ("'", '"')),
    Case("", "settings that mean none", add("SESSION_COOKIE_SAMESITE=None\nCACHE_BACKEND=dummy")),
    Case("", "# without a blank", put(FIRST_SUPERUSER_PASSWORD=f"{A}#{B}")),
    *(Case("", f"{d} in quotes", put(POSTGRES_PASSWORD=f"'{A}{d}{B}'"), d == "$x") for d in ("$x", "$$", "$")),
    Case("", "$ at the end", put(FIRST_SUPERUSER_PASSWORD=f"{A}$")),
    Case("", "$ before a digit", put(FIRST_SUPERUSER_PASSWORD=f"{A}$5{B}")),
    *(Case("", text, put(FIRST_SUPERUSER_PASSWORD=f"'{text}'")) for text in STRONG),
    Case("", "export", swap("\nSECRET_KEY=", "\nexport SECRET_KEY="), True),
    Case("", "blanks around =", swap("\nSECRET_KEY=", "\n  SECRET_KEY = ")),
    Case("", "blanks behind", swap("\nREDIS_PORT=6379\n", "\nREDIS_PORT=6379   \n")),
    Case("", "no final newline", edit(lambda raw: raw.rstrip(b"\n"))),
    Case("", "a remark", add("# with = and $x and \" and '")),
    Case("", "comment of mine", swap("\nREDIS_DB=0\n", "\nREDIS_DB=0 #first\n")),
    Case("", "by compose's name", put(POSTGRES_SERVER="db")),
    Case("", "a variable of mine", put(MY_OWN_TOOL="yes")),
    Case("", "another of mine", put(POSTGRES_PASSWORD_FILE="/run/x")),
    Case("", "an option", put(CRYPTOPANIC_API_KEY=HEX(20), SMTP_PASSWORD=f'"{HEX(4)} {HEX(4)}"')),
    *(Case("", f"{len(text)} random ones", put(SECRET_KEY=text)) for text in RANDOM),
    *(
        Case("", f"backslashes {text}", put(FIRST_SUPERUSER_PASSWORD=text), True)
        for text in (rf"{A}\{B}", rf"'{A}\{B}'", rf'"{A}\\{B}"', rf'"{A}\n{B}"')
    ),
    *(
        Case("", f"{name} {line}", both(_settings('"../.env"', names), _beside(name, line)), True)
        for name, names, line in (
            ("backend/.env", '(".env", "../.env")', f"SECRET_KEY={HEX(32)}"),
            ("backend/.env", '("../.env", ".env")', "MY_OWN=1"),
            (".env.local", '("../.env", "../.env.local")', "LOG_LEVEL=DEBUG"),
        )
    ),
    *(Case("", f"a line end, {at}", put(FIRST_SUPERUSER_PASSWORD=text), True) for at, text in enumerate(BROKEN)),
    Case("", "JSON", put(MY_OWN_FLAGS="'{\"paper\": true}'", MY_OWN_LIST="[1, 2]")),
    Case("", "umlauts", put(FIRST_SUPERUSER_PASSWORD=f"grün-Überfluß-{A}"), True),
    Case("", "the name of a secret", put(MY_SECRET_ARN="arn:aws:secretsmanager:eu-west-1:123456789012:secret:mine")),
    Case("", "a reference", put(SENTRY_RELEASE="${PROJECT_NAME}")),
    Case("", "an apostrophe", put(PROJECT_NAME="Dev's Coins")),
    Case("", "an image without it", both(_beside("Dockerfile", "FROM x\nCOPY . ."), _beside(".dockerignore", ".*"))),
    Case("", "an image of a folder", _beside("Dockerfile", "FROM x\nCOPY backend/ .")),
    Case(
        "", "an active profile", both(compose(BACKEND, f"{BACKEND}    profiles: [app]\n"), add("COMPOSE_PROFILES=app"))
    ),
    Case(
        "",
        "a secret of Compose",
        both(
            UNGIVEN,
            compose(BACKEND, f"{BACKEND}    secrets: [all]\n"),
            compose("volumes:\n  app-db", "secrets: {all: {file: .env}}\n\nvolumes:\n  app-db"),
        ),
    ),
    Case("", "an image that may have it", both(AT_TOP, _beside("Dockerfile", "FROM x\nARG A\nCOPY $A ."))),
    Case("", "no ENVIRONMENT", put(ENVIRONMENT=None), True),
    Case("", "a Settings that has no local", both(put(ENVIRONMENT="dev"), _settings(NAMES, 'Literal["dev", "pro"]'))),
    *(
        Case("", f"any text as ENVIRONMENT, {text}", both(put(ENVIRONMENT=text), _settings(NAMES, "str")))
        for text in ("LOCAL", "development")
    ),
    Case("", "another variable of the same field", ALIAS, True),
    Case("", "several lines", put(SENTRY_RELEASE="'one\ntwo: 2\nthree'")),
    Case("", "a ruler in a value", put(SENTRY_RELEASE="'one\n=======\nthree'")),
    Case("", "mode 400", lambda platform: platform.dotenv.chmod(0o400)),
    Case("", "two places", lambda platform: shutil.copy(platform.dotenv, platform.root / "backend/.env")),
    Case("", "the same in compose", _map("      USERS_OPEN_REGISTRATION: false\n      POSTGRES_PORT: 5433\n"), True),
    *(
        Case("", f"URLs of {host}", _login(server, host), True)
        for server, host in (("${DB:-db}", "db"), ("omc-db", "omc-db"))
    ),
    *(
        Case(
            "", f"its own default, {text}", both(compose("- REDIS_HOST=redis\n", f"- {text}\n"), put(SMTP_PASSWORD=""))
        )
        for text in ("SMTP_PASSWORD=${SMTP_PASSWORD:-mail}", "SMTP_PASSWORD=${SMTP_PASSWORD-mail}")
    ),
    Case("", "an override of mine", _override("      LOG_LEVEL: DEBUG\n      OPENAI_API_KEY:\n")),
)
