"""Former values, tried after a rotation: at a provider's API and at a real PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support import snapshots
from support.provider import provider
from support.snapshots import PREVIOUS, healthy, with_values

from omc_runbook.aws.secretsmanager import Version
from omc_runbook.aws.session import Clients
from omc_runbook.changes.database import rotation
from omc_runbook.changes.secret.new_values import NewValues, UnfinishedChange
from omc_runbook.changes.secret.plan import SecretPlan, document_of, plan_update
from omc_runbook.changes.values import former_values
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import default_keys
from omc_runbook.model.findings import Finding
from omc_runbook.report import changes
from omc_runbook.report.audit import Snapshots
from omc_runbook.runbooks import audit
from omc_runbook.sandbox import postgres
from omc_runbook.sandbox.postgres import Database
from omc_runbook.snapshot.audit.state import Audit
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

pytestmark = pytest.mark.usefixtures("own_registry", "no_aws")

KEY, PASSWORD = "OPENAI_API_KEY", "POSTGRES_PASSWORD"


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS refuses every call: what was read before has to do."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")


def token() -> str:
    return f"sk-{secrets.token_hex(16)}"


def with_check(snapshot: Snapshot, address: str) -> Snapshot:
    """The same environment, with an address at which the provider answers."""
    keys = default_keys()
    keys[KEY] = keys[KEY].model_copy(update={"check": address})
    return replace(snapshot, environment=replace(snapshot.environment, keys=keys))


def plan_of(snapshot: Snapshot, new: Mapping[str, str]) -> SecretPlan:
    return plan_update(snapshot, {name: NewValue(Masked(text, name), "a test") for name, text in new.items()})


def attempt(snapshot: Snapshot, plan: SecretPlan, new: NewValues | None = None) -> tuple[Finding, ...]:
    return former_values.judge(Clients(snapshots.REGION), snapshot, plan, new or NewValues({}))


def text_of(findings: tuple[Finding, ...]) -> str:
    return changes.former(findings).to_text()


def test_a_former_token_that_still_works_is_found_and_a_revoked_one_is_clear() -> None:
    """With the page where to revoke it, and the command that asks again."""
    former, new = token(), token()
    with provider(former, new) as issuer:
        snapshot = with_check(with_values(healthy(), {KEY: former}), issuer.address)
        plan = plan_of(snapshot, {KEY: new})
        [alive] = findings = attempt(snapshot, plan)
        assert (alive.check, alive.status, alive.subject, alive.is_problem) == ("old-value-alive", "found", KEY, True)
        assert "127.0.0.1 still accepts" in alive.evidence[0]
        assert "https://platform.openai.com/api-keys" in alive.remedy.command
        assert f"-p keys {KEY} -p values_from keep -p apply true" in alive.remedy.command
        assert "still works" in text_of(findings) and former not in text_of(findings)
        issuer.accepted.remove(former)
        [dead] = attempt(snapshot, plan)
        assert (dead.status, dead.evidence) == (
            "clear",
            (f"127.0.0.1 refused the former value of {KEY} (it answered 401) and accepted the current one.",),
        )
        assert issuer.asked == [former, former, new]


@pytest.mark.parametrize(("accepted", "status"), [((), 401), ((), 403), (("new",), 500), (("new",), 404)])
def test_a_refusal_that_proves_nothing_is_unknown(accepted: tuple[str, ...], status: int) -> None:
    """A provider that refuses the current value too, as it does beyond a limit, or that answers anything else."""
    former, new = token(), token()
    with provider(*(new for _ in accepted), status=status) as issuer:
        snapshot = with_check(with_values(healthy(), {KEY: former}), issuer.address)
        [finding] = attempt(snapshot, plan_of(snapshot, {KEY: new}))
    assert finding.status == "unknown" and f"it answered {status}" in finding.evidence[0]


def test_a_provider_that_does_not_answer_is_unknown() -> None:
    """Nobody listens there."""
    snapshot = with_check(healthy(), "http://127.0.0.1:9/")
    [finding] = attempt(snapshot, plan_of(snapshot, {KEY: token()}))
    assert finding.status == "unknown" and "could not be tried at 127.0.0.1" in finding.evidence[0]


def test_only_what_the_run_changed_or_was_asked_for_is_tried() -> None:
    """Other keys are not; a key that a run without a change names is, with the value of AWSPREVIOUS."""
    former, current = token(), token()
    with provider(former, current) as issuer:
        snapshot = with_check(with_values(healthy(), {KEY: current}), issuer.address)
        assert attempt(snapshot, plan_of(snapshot, {"SECRET_KEY": secrets.token_hex(32)})) == ()
        keep = plan_of(snapshot, {})
        before = with_values(healthy(), {KEY: former}).current
        assert before and keep.is_empty
        later = replace(snapshot, contents={**snapshot.contents, PREVIOUS: replace(before, version_id=PREVIOUS)})
        assert attempt(later, keep) == () and issuer.asked == []
        [finding] = attempt(later, keep, NewValues({}, keys=(KEY,)))
        assert finding.status == "found" and issuer.asked == [former]
        moved_back = replace(later, versions=tuple(replace(v, created=later.taken) for v in later.versions))
        assert attempt(moved_back, keep, NewValues({}, keys=(KEY,))) == ()


def test_a_killed_runs_former_value_is_tried_by_the_run_that_finishes_it() -> None:
    """Its plan is empty: the values that were in force before are those of the unfinished change."""
    former, current = token(), token()
    with provider(former, current) as issuer:
        snapshot = with_check(with_values(healthy(), {KEY: current}), issuer.address)
        before = document_of(with_values(healthy(), {KEY: former}))
        unfinished = UnfinishedChange(snapshot.current_id, PREVIOUS, True, document_of(snapshot), before)
        [finding] = attempt(snapshot, plan_of(snapshot, {}), NewValues({}, unfinished=unfinished))
    assert finding.status == "found" and issuer.asked == [former]


def test_a_former_version_that_cannot_be_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission is named, and nothing is clear."""
    from botocore.exceptions import ClientError

    def deny(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")

    monkeypatch.setattr("omc_runbook.aws.secretsmanager.get_value", deny)
    with provider() as issuer:
        snapshot = with_check(healthy(), issuer.address)
        [finding] = attempt(snapshot, plan_of(snapshot, {}), NewValues({}, keys=(KEY,)))
    assert finding.status == "unknown" and "secretsmanager:GetSecretValue is missing" in finding.evidence[0]


def test_a_database_password_without_the_databases_url_is_unknown() -> None:
    """It may have been changed there by hand."""
    snapshot = healthy()
    [finding] = attempt(snapshot, plan_of(snapshot, {PASSWORD: secrets.token_urlsafe(24)}))
    assert finding.status == "unknown" and "database_url_from" in finding.evidence[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A PostgreSQL server with an empty database."""
    if not postgres.is_installed():
        pytest.skip("needs PostgreSQL's server: pip install 'omc-runbook[sandbox]'")
    home = tmp_path_factory.mktemp("postgres")
    started = postgres.start(home)
    try:
        execute(started.database, f'CREATE DATABASE "{started.database.dbname}"', "postgres")
        yield started.database
    finally:
        started.stop()
        postgres.clear(home)


def execute(server: Database, statement: str, dbname: str = "") -> None:
    import psycopg

    options = {"dbname": dbname} if dbname else {}
    with psycopg.connect(server.administrator_url, autocommit=True, **options) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def rotation_of(server: Database, role: str, in_secret: bool) -> tuple[Snapshot, SecretPlan, NewValues]:
    """A role of the secret's, with the plan that gave it, or its partner, a new password; and the new values."""
    former, password = secrets.token_urlsafe(24), Masked(secrets.token_urlsafe(24), PASSWORD)
    execute(server, f"CREATE ROLE {role} LOGIN PASSWORD '{former}'")
    snapshot = with_values(healthy(), {PASSWORD: former})
    url = Masked(server.administrator_url, "DATABASE_URL")
    address = f"{server.host}:{server.port}"
    role_rotation = rotation.plan_rotation(url, role if in_secret else "", address, "" if in_secret else role)
    rotation.set_password(role_rotation, password)
    values = {PASSWORD: NewValue(password, "a test")}
    return snapshot, plan_update(snapshot, values), NewValues(values, rotation=role_rotation, password=password)


def test_a_single_roles_former_password_is_dead_and_a_former_one_that_works_is_found(server: Database) -> None:
    """It works again where somebody sets it again, and the login as the role itself then proves nothing."""
    snapshot, plan, new = rotation_of(server, "single", in_secret=False)
    [dead] = attempt(snapshot, plan, new)
    assert dead.status == "clear" and "password authentication failed" in dead.evidence[0]
    assert new.rotation and not new.rotation.alternates
    former = document_of(snapshot).get(PASSWORD)
    assert former
    rotation.set_password(new.rotation, former.injected)
    [alive] = findings = attempt(snapshot, plan, new)
    assert alive.is_problem and f"{server.host}:{server.port} still accepts" in alive.evidence[0]
    assert reveal(former.injected) not in text_of(findings)
    execute(server, "ALTER ROLE single PASSWORD NULL")
    [unsure] = attempt(snapshot, plan, new)
    assert unsure.status == "unknown" and "the current value was not accepted either" in unsure.evidence[0]


def test_the_other_roles_former_password_works_until_the_next_rotation(server: Database) -> None:
    """That is as planned: a remark, with what ends it."""
    snapshot, plan, new = rotation_of(server, "turns", in_secret=True)
    [remark] = findings = attempt(snapshot, plan, new)
    assert (remark.status, remark.severity, remark.is_problem) == ("found", "info", False)
    assert "rotate once more" in remark.remedy.command and remark.remedy.runbook == "rotate"
    assert "works until the next rotation" in text_of(findings)
    [remark] = attempt(snapshot, plan, replace(new, database_url_from="file:/run/url"))
    assert remark.remedy.parameters["database_url_from"] == "file:/run/url"
    execute(server, "ALTER ROLE turns NOLOGIN")
    [dead] = attempt(snapshot, plan, new)
    assert dead.status == "clear"


def test_a_password_can_be_tried_without_a_change_in_the_database(server: Database) -> None:
    """Where it was changed there by hand, before or after: with the URL, by the login and the server of the tasks."""
    snapshot, plan, new = rotation_of(server, "by_hand", in_secret=False)
    [unknown] = attempt(snapshot, plan, NewValues(new.values))
    assert f"-p keys {PASSWORD} -p values_from keep -p database_url_from env:NAME -p apply true" in unknown.evidence[0]
    assert new.rotation
    own = Masked(f"postgresql://by_hand@{server.host}:{server.port}/{server.dbname}", "DATABASE_URL")
    [dead] = attempt(snapshot, plan, NewValues(new.values, database_url=own))
    assert dead.status == "clear" and f"{server.host}:{server.port} refused" in dead.evidence[0]


def test_a_login_that_is_refused_for_now_is_unknown(server: Database) -> None:
    """A role with all its connections in use: its password was not refused."""
    snapshot, plan, new = rotation_of(server, "busy", in_secret=True)
    execute(server, "ALTER ROLE busy CONNECTION LIMIT 0")
    [finding] = attempt(snapshot, plan, new)
    assert finding.status == "unknown" and "too many connections" in finding.evidence[0]


def test_a_server_that_asks_for_no_password_is_unknown(server: Database) -> None:
    """And so is one where nobody listens."""
    snapshot, plan, new = rotation_of(server, "nowhere", in_secret=False)
    assert new.rotation
    gone = replace(new, rotation=replace(new.rotation, server="127.0.0.1:9"))
    [finding] = attempt(snapshot, plan, gone)
    assert finding.status == "unknown" and "127.0.0.1:9" in finding.evidence[0]
    assert parse(plan.text).keys


def test_an_audit_tries_the_newest_former_values() -> None:
    """It names when the ones that still work were written; without a current value that works nothing is known."""
    now, former = token(), [token() for _ in range(5)]
    with provider(now, former[1]) as issuer:
        snapshot = with_former(with_check(healthy(), issuer.address), now, former)
        by_environment = Snapshots({"staging": snapshot})
        assert "former-alive" not in {each.check for each in audit.diagnose(by_environment)["staging"]}
        assert not issuer.asked
        finding = audit.diagnose(by_environment, ask_issuers=True)["staging"][-1]
        assert (finding.check, finding.family, finding.status) == ("former-alive", "audit", "found")
        assert "that was written on 2026-02-17" in finding.evidence[0] and "Revoke it" in finding.remedy.command
        assert {*issuer.asked} <= {now, *former[:3]} and not {*former[3:]} & {*issuer.asked}
        issuer.accepted = {now}
        assert [each.status for each in former_values.find_alive(snapshot)] == ["clear"]
        issuer.accepted = set()
        assert [each.status for each in former_values.find_alive(snapshot)] == ["unknown"]
        count = len(issuer.asked)
        assert former_values.find_alive(with_former(with_check(healthy(), issuer.address), now, [now])) == ()
        assert len(issuer.asked) == count


def with_former(snapshot: Snapshot, current: str, former: list[str]) -> Snapshot:
    """Let an audit have read versions with these former values, the newest first, each a day older than the next."""
    texts = [current, *former]
    versions = []
    for days, text in enumerate(texts):
        id_ = snapshots.CURRENT if days == 0 else secrets.token_hex(16)
        snapshot = snapshots.with_keys(snapshot, id_, **{KEY: text})
        version = Version(id_, snapshots.NOW - timedelta(days=10 + days), ("AWSCURRENT",) if days == 0 else ())
        versions.append(VersionEntry(version=version, content=snapshot.contents[id_], promoted=True))
    return replace(snapshot, audit=Audit(days=90, history=VersionHistory(tuple(versions))))
