"""New values tried where they were issued, against a mail server and a web server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from secrets import token_urlsafe
from socket import create_server
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.ports import free_port
from support.runs import sign_in
from support.snapshots import healthy, with_values
from support.web_server import serving

from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan, plan_update
from omc_runbook.changes.values import live_check
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.environment import Environment, load
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.report import changes
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.sandbox.lifecycle import Sandbox

pytestmark = pytest.mark.usefixtures("own_registry")

USER = "noreply@ohmycoins.test"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key in one file, made for these tests."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.touch(0o600)
    encoding, none = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        signed.public_bytes(encoding) + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, none)
    )
    return path


@contextmanager
def mail_server(password: str, certificate: Path | None = None, answer: str = "535 5.7.8 No") -> Iterator[int]:
    """A mail server that lets USER in with this password; without a certificate it offers no STARTTLS."""

    def judge(server: Any, session: Any, envelope: Any, mechanism: str, login: LoginPassword) -> AuthResult:
        is_right = (login.login.decode(), login.password.decode()) == (USER, password)
        message = answer.replace("PASSWORD", login.password.decode())
        return AuthResult(success=True) if is_right else AuthResult(success=False, handled=False, message=message)

    context = SSLContext(PROTOCOL_TLS_SERVER) if certificate else None
    if context:
        context.load_cert_chain(str(certificate))
    server = Controller(
        Sink(),
        hostname="localhost",
        port=free_port(),
        ready_timeout=60,
        tls_context=context,
        authenticator=judge,
        auth_required=False,
        auth_require_tls=True,
    )
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@contextmanager
def web_server(status: int, authorizations: list[str]) -> Iterator[str]:
    """A web server that answers one status and keeps the Authorization headers."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorizations.append(str(self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with serving(Answer) as port:
        yield f"http://127.0.0.1:{port}/v1/key?full=1"


def plan_of(host: str, **new: str) -> SecretPlan:
    """A plan of these values for a secret whose mail server is `host`."""
    snapshot = with_values(healthy(), {"SMTP_HOST": host, "SMTP_USER": USER, "SMTP_PASSWORD": token_urlsafe(20)})
    return plan_update(snapshot, {key: NewValue(Masked(text, key), "a test") for key, text in new.items()})


def environment_with(**checks: str) -> Environment:
    """Staging, whose keys have these checks."""
    environment = healthy().environment
    own = {name: environment.keys[name].model_copy(update={"check": how}) for name, how in checks.items()}
    return replace(environment, keys={**environment.keys, **own})


MAIL = environment_with(SMTP_PASSWORD="smtp")


def test_a_password_that_the_mail_server_takes_passes(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host comes from the current document, or with the new values; the port from either of two places."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(password := token_urlsafe(20), certificate) as port:
        live_check.check(plan_of(f"localhost:{port}", SMTP_PASSWORD=password), MAIL)
        live_check.check(plan_of("old.test", SMTP_PASSWORD=password, SMTP_HOST="localhost", SMTP_PORT=str(port)), MAIL)


def test_a_password_that_the_mail_server_refuses_is_told(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the server's answer, masked where that repeats the value; a passing trouble is another."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    wrong = token_urlsafe(20)
    with mail_server(token_urlsafe(20), certificate, "535 5.7.8 PASSWORD is wrong") as port:
        with pytest.raises(UsageError) as error:
            live_check.check(plan_of(f"localhost:{port}", SMTP_PASSWORD=wrong), MAIL)
        message = str(error.value)
        assert "SMTP_PASSWORD from a test was refused by the mail server" in message and "535 5.7.8" in message
        assert wrong not in message and "Nothing was written" in message
    with (
        mail_server(token_urlsafe(20), certificate, "454 4.7.0 Later") as port,
        pytest.raises(CouldNotLook, match=r"could not be tested at the mail server .*: 454 4\.7\.0 Later"),
    ):
        live_check.check(plan_of(f"localhost:{port}", SMTP_PASSWORD=wrong), MAIL)


def test_no_password_is_sent_without_a_trusted_connection(certificate: Path) -> None:
    """A certificate that nobody vouches for, no STARTTLS, nobody there, no host, no login: it could not be tried."""
    password = token_urlsafe(20)
    with mail_server(password, certificate) as port, pytest.raises(CouldNotLook, match="certificate"):
        live_check.check(plan_of(f"localhost:{port}", SMTP_PASSWORD=password), MAIL)
    with mail_server(password) as port, pytest.raises(CouldNotLook, match="no STARTTLS"):
        live_check.check(plan_of(f"localhost:{port}", SMTP_PASSWORD=password), MAIL)
    with pytest.raises(CouldNotLook, match="Connection refused"):
        live_check.check(plan_of(f"localhost:{port}", SMTP_PASSWORD=password), MAIL)
    with pytest.raises(CouldNotLook, match="has no SMTP_HOST"):
        live_check.check(plan_of("", SMTP_PASSWORD=password), MAIL)
    with pytest.raises(CouldNotLook, match="has no SMTP_USER"):
        live_check.check(plan_of("localhost:1", SMTP_PASSWORD=password, SMTP_USER=""), MAIL)


@pytest.mark.parametrize("address", [{"SMTP_HOST": "smtp..a.test"}, {"SMTP_HOST": "a.test", "SMTP_PORT": "mail"}])
def test_an_address_that_is_none_is_not_the_passwords_fault(address: dict[str, str]) -> None:
    """Nobody can be reached there, whatever the password; its text is in no error."""
    with pytest.raises(CouldNotLook, match=r": SMTP_HOST or SMTP_PORT is not valid\. Nothing was written") as error:
        live_check.check(plan_of("old.test", SMTP_PASSWORD=token_urlsafe(20), **address), MAIL)
    assert "smtp..a" not in str(error.value)


def test_a_password_that_smtp_cannot_send_is_unknown(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own message would have it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        mail_server(token_urlsafe(20), certificate) as port,
        pytest.raises(CouldNotLook, match="a character that is not allowed in a login"),
    ):
        live_check.check(plan_of(f"localhost:{port}", SMTP_PASSWORD=f"{token_urlsafe(20)}\u20ac"), MAIL)


@pytest.mark.parametrize(
    ("greeting", "reason"), [(b"421 4.3.2 Busy\r\n", "421 4.3.2 Busy"), (b"", "it did not answer within 0 s")]
)
def test_a_restored_value_that_cannot_be_tried_is_unknown(
    greeting: bytes, reason: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the port of SMTP over TLS, which has no STARTTLS: a server that is busy, and one that sends nothing."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(live_check, "TIMEOUT", 0.3)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate))

    def answer() -> None:
        client, _ = listening.accept()
        with context.wrap_socket(client, server_side=True) as safe:
            safe.sendall(greeting)
            # Until the other side has closed.
            safe.recv(1)

    with create_server(("localhost", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(live_check, "SMTPS", port)
        thread = Thread(target=answer)
        thread.start()
        [finding] = live_check.find_refused(MAIL, plan_of(f"localhost:{port}", SMTP_PASSWORD=token_urlsafe(20)))
        thread.join()
    assert finding.status == "unknown" and finding.evidence[0].endswith(f": {reason}.")


ANSWERS = {
    200: None,
    204: None,
    401: UsageError,
    403: UsageError,
    302: CouldNotLook,
    404: CouldNotLook,
    500: CouldNotLook,
}


@pytest.mark.parametrize("status", ANSWERS)
def test_a_token_is_tried_once_at_its_provider(status: int) -> None:
    """2xx passes, 401 and 403 refuse it, all else is no answer; a redirect is not followed."""
    token, authorizations = f"sk-{token_urlsafe(20)}", []  # type: tuple[str, list[str]]
    with web_server(status, authorizations) as address:
        plan, environment = plan_of("a.test", OPENAI_API_KEY=token), environment_with(OPENAI_API_KEY=address)
        expected = ANSWERS[status]
        if expected is None:
            live_check.check(plan, environment)
        else:
            with pytest.raises(expected, match=f"127.0.0.1: it answered {status}") as error:
                live_check.check(plan, environment)
            assert token not in str(error.value)
    assert authorizations == [f"Bearer {token}"]


@pytest.mark.parametrize("variables", [{}, {"keys.OPENAI_API_KEY.check": "OMC_KEYS"}])
def test_a_check_that_cannot_run_names_what_sets_it(variables: dict[str, str]) -> None:
    """A file, or the variable that overrides it: it is what is to be changed."""
    environment = replace(environment_with(OPENAI_API_KEY="http://127.0.0.1:9/"), variables=variables)
    plan, place = plan_of("a.test", OPENAI_API_KEY=f"sk-{token_urlsafe(20)}"), variables and "OMC_KEYS"
    with pytest.raises(CouldNotLook) as error:
        live_check.check(plan, environment)
    assert str(error.value).endswith(f"remove check in [keys.OPENAI_API_KEY] of {place or 'runbook.toml'}.")


def test_only_what_changes_and_has_a_check_is_tried() -> None:
    """Other keys, the same value again, a removed key, and a version that was in force before."""
    authorizations: list[str] = []
    with web_server(401, authorizations) as address:
        environment = environment_with(OPENAI_API_KEY=address)
        live_check.check(plan_of("a.test", SECRET_KEY=token_urlsafe(40)), environment)
        live_check.check(plan_of("a.test", OPENAI_API_KEY=f"sk-{token_urlsafe(20)}"), healthy().environment)
        snapshot = replace(healthy(), services=())
        live_check.check(plan_update(snapshot, {}, ("OPENAI_API_KEY",)), environment)
        back = replace(plan_of("a.test", OPENAI_API_KEY=f"sk-{token_urlsafe(20)}"), exists=True)
        live_check.check(back, environment)
    assert authorizations == []


def test_a_value_that_no_header_can_hold_is_in_no_error() -> None:
    """The library's own message would have it."""
    value = f"sk-{token_urlsafe(20)}\u20ac{token_urlsafe(20)}"
    with pytest.raises(CouldNotLook) as error:
        plan = plan_of("a.test", FIRST_SUPERUSER_PASSWORD=value)
        live_check.check(plan, environment_with(FIRST_SUPERUSER_PASSWORD="http://127.0.0.1:9/"))
    message = str(error.value)
    assert "not allowed in a header" in message and value[:12] not in message


@pytest.mark.parametrize("how", ["http://example.com/", "ftp://a.test", "imap", "https://me:pass@a.test/", "https://"])
def test_a_check_that_would_show_the_value_is_refused(how: str, tmp_path: Path) -> None:
    """An address has to be https:// or on this machine itself; one sentence says so."""
    path = tmp_path / "runbook.toml"
    path.write_text(f'[keys.OPENAI_API_KEY]\ncheck = "{how}"\n')
    with pytest.raises(UsageError, match=r'OPENAI_API_KEY\.check must be "smtp" or an https:// address'):
        load("staging", str(path))


def test_a_dry_run_tries_nothing_and_an_apply_does_before_it_writes(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused value leaves the secret as it was."""
    sign_in(sandbox, monkeypatch)
    authorizations: list[str] = []
    with web_server(401, authorizations) as address:
        path = tmp_path / "runbook.toml"
        path.write_text(f'[keys.OPENAI_API_KEY]\ncheck = "{address}"\n')
        run = runbooks_run.begin("update", "staging", str(path))
        before = run.look()
        new = {"OPENAI_API_KEY": NewValue(Masked(f"sk-{token_urlsafe(20)}", "OPENAI_API_KEY"), "a test")}
        plan = secret_change.plan(run, before, NewValues(new))
        assert secret_change.apply(run, plan, False) is None and authorizations == []
        (sentence,) = (
            each for each in plan.sentences if each.startswith("OPENAI_API_KEY would be tried at 127.0.0.1, ")
        )
        assert f"[keys.OPENAI_API_KEY] of {path} says so" in sentence and sentence in changes.plan(plan).notes
        with pytest.raises(UsageError, match=r"was refused by 127\.0\.0\.1"):
            secret_change.apply(run, plan, True)
    after = run.look()
    assert len(authorizations) == 1 and before.secret and after.secret and after.secret.stages == before.secret.stages
    assert reveal(new["OPENAI_API_KEY"].value) in reveal(plan.text) and parse(plan.text).keys
