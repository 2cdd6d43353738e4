"""troubleshoot for a developer's machine: its faults in front, beside an environment in which nothing is wrong."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.platform_checkout import Platform, make_platform
from support.runs import COMMAND, SECRET, Desk, assert_nothing_leaked, client, values
from support.snapshots import healthy

from omc_runbook.checks.families import is_local, look_alikes
from omc_runbook.diagnosis import complaint, root_causes
from omc_runbook.diagnosis.complaint import Complaint
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, is_sentence
from omc_runbook.report import troubleshoot
from omc_runbook.runbooks import run
from omc_runbook.runbooks import troubleshoot as troubleshoot_run
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.snapshot.state import Snapshot

SECRET_KEY = "SECRET_KEY"
VALIDATION = """\
backend-1  | pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
backend-1  | OPENAI_API_KEY
backend-1  |   Field required [type=missing, input_value={'DOMAIN': 'localhost'}, input_type=dict]
backend-1  |     For further information visit https://errors.pydantic.dev/2.9/v/missing
"""
WARNING = (
    'time="2026-01-05T10:00:00Z" level=warning msg="The \\"k3Xw\\" variable is not set. Defaulting to a blank string."'
)
VOLUME = """\
db-1       | PostgreSQL Database directory appears to contain a database; Skipping initialization
db-1       | 2026-01-05 10:00:00.000 UTC [33] FATAL:  password authentication failed for user "postgres"
"""
LOGIN = 'backend-1  | FATAL:  password authentication failed for user "postgres"\n'


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return make_platform(tmp_path_factory.mktemp("whole") / "ohmycoins")


@pytest.fixture
def platform(whole: Platform) -> Platform:
    """A checkout with a healthy .env."""
    whole.write_dotenv()
    return whole


def look(platform: Platform, of_complaint: Complaint) -> Snapshot:
    return troubleshoot_run.look(troubleshoot_run.begin("staging"), of_complaint, str(platform.root), allow_code=True)


def answer_to(platform: Platform, error_text: str = "") -> tuple[Snapshot, Complaint, tuple[Finding, ...]]:
    """What troubleshoot sees and finds for the symptom local."""
    local_complaint = complaint.read_complaint("local", error_text=error_text)
    snapshot = look(platform, local_complaint)
    return snapshot, local_complaint, local_complaint.focus(root_causes.diagnose(snapshot))


def roots(findings: tuple[Finding, ...]) -> list[str]:
    return list(dict.fromkeys(finding.check for finding in findings if finding.is_root_cause))


def change(platform: Platform, edit: Callable[[bytes], bytes]) -> None:
    platform.dotenv.write_bytes(edit(platform.dotenv.read_bytes()))


def reuse(platform: Platform, sandbox: Sandbox) -> None:
    current = client(sandbox, "secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
    platform.write_dotenv(SECRET_KEY=re.findall(r'"SECRET_KEY": "(\w+)"', current)[0])


FAULTS: dict[str, Callable[[Platform, Sandbox], object]] = {
    "dotenv-missing": lambda platform, _: platform.dotenv.unlink(),
    "crlf": lambda platform, _: change(platform, lambda raw: raw.replace(b"\n", b"\r\n")),
    "permissions": lambda platform, _: platform.dotenv.chmod(0o644),
    "required-empty": lambda platform, _: platform.write_dotenv(OPENAI_API_KEY=None),
    "placeholder": lambda platform, _: platform.write_dotenv(SECRET_KEY="your-secret-key-here"),
    "changethis": lambda platform, _: platform.write_dotenv(FIRST_SUPERUSER_PASSWORD="changethis"),
    "colon": lambda platform, _: change(platform, lambda raw: raw.replace(b"\nOPENAI_API_KEY=", b"\nOPENAI_API_KEY: ")),
    "environment-literal": lambda platform, _: platform.write_dotenv(ENVIRONMENT="staging"),
    "weak": lambda platform, _: platform.write_dotenv(FIRST_SUPERUSER_PASSWORD="password1"),
    "reused": reuse,
}


def test_a_healthy_machine_beside_a_healthy_environment(at: Sandbox, platform: Platform) -> None:
    """Nothing is wrong; the sentence names the .env too, and the first line is of this machine."""
    snapshot, local_complaint, findings = answer_to(platform)
    assert roots(findings) == []
    clear = {finding.family for finding in findings if finding.status == "clear"}
    assert {"local", "drift", "content"} <= clear
    verdict = " ".join(troubleshoot.verdict(snapshot, findings).to_text().split())
    assert f"Nothing is wrong with the secrets of staging, nor with {platform.dotenv}" in verdict
    first = troubleshoot.state(snapshot, local_complaint).entries[0]
    assert (first.name, first.subject) == ("this machine", str(platform.dotenv))
    assert "Settings accepts it" in first.lines[0]


@pytest.mark.parametrize("fault", FAULTS)
def test_one_local_fault_is_the_only_root_cause(at: Sandbox, platform: Platform, fault: str) -> None:
    """With what tells it apart, a remedy, and nothing of the environment's own faults of that name."""
    FAULTS[fault](platform, at)
    snapshot, _, findings = answer_to(platform)
    assert roots(findings) == [fault]
    root = next(finding for finding in findings if finding.is_root_cause)
    assert root.family == "local" and root is findings[0]
    assert root.title in troubleshoot.verdict(snapshot, findings).to_text()
    assert fault in troubleshoot.evidence(findings).to_text() and root.remedy.ways
    ruled = troubleshoot.ruled_out(findings)
    (entry,) = ruled.entries
    assert entry.name == fault and entry.lines
    assert all("GetSecretValue" not in line and "DescribeTask" not in line for line in entry.lines)
    assert troubleshoot_run.plan(troubleshoot_run.begin("staging"), snapshot, findings).is_empty


def test_local_faults_come_before_those_of_the_environment(at: Sandbox, platform: Platform) -> None:
    """A warning here stands above an error there, and both are shown."""
    platform.dotenv.chmod(0o644)
    local_complaint = complaint.read_complaint("local")
    snapshot = look(platform, local_complaint)
    worse = replace(snapshot, services=(), service_names=None)
    findings = local_complaint.focus(root_causes.diagnose(worse))
    assert roots(findings)[0] == "permissions" and "wrong-names" in roots(findings)
    assert roots(complaint.read_complaint().focus(root_causes.diagnose(worse)))[0] != "permissions"


TEXTS = {
    "a validation error": (VALIDATION, "required-empty", "OPENAI_API_KEY"),
    "a warning of compose": (WARNING, "dollar", ""),
    "a volume that was there": (VOLUME, "pg-volume", "POSTGRES_PASSWORD"),
    "a refused password": (LOGIN, "pg-volume", "POSTGRES_PASSWORD"),
    "a default": (
        'ValueError: The value of SECRET_KEY is "changethis", for security, please change it',
        "changethis",
        SECRET_KEY,
    ),
    "no file": ("env file /home/dev/ohmycoins/.env not found: stat: no such file", "dotenv-missing", ""),
    "no password": (
        "Error: Database is uninitialized and superuser password is not specified.",
        "required-empty",
        "POSTGRES_PASSWORD",
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_pasted_start_points_at_the_check_of_this_machine(case: str) -> None:
    """By its first check, a local one, and by the variable where the text is sure of it."""
    text, check, variable = TEXTS[case]
    pasted_complaint = complaint.read_complaint("local", error_text=text)
    assert pasted_complaint.texts[0].checks[0] == check
    assert all(is_local(each) for each in pasted_complaint.texts[0].checks)
    assert [name for kind, name in pasted_complaint.texts[0].names if kind == "variable"] == (
        [variable] if variable else []
    )
    assert "k3Xw" not in repr(pasted_complaint)


def test_a_start_that_proves_an_old_volume_is_its_root_cause(at: Sandbox, platform: Platform) -> None:
    """The log has both lines: the volume kept its first password, which nothing else on the machine can show."""
    _, _, findings = answer_to(platform, VOLUME)
    assert roots(findings) == ["pg-volume"]
    # It has two commands to choose from, so that it is none itself.
    (remedy,) = {each.remedy.command for each in findings if each.check == "pg-volume"} - {""}
    assert is_sentence(remedy)
    _, pasted_complaint, findings = answer_to(platform, LOGIN)
    assert roots(findings) == []
    assert "is unknown: pg-volume" in troubleshoot.texts(pasted_complaint, findings).to_text()


def test_a_text_that_was_mended_since_is_a_remark(at: Sandbox, platform: Platform) -> None:
    """The pasted error is of a variable that has a value by now; the fault itself says that it is so now."""
    _, pasted_complaint, findings = answer_to(platform, VALIDATION)
    assert roots(findings) == []
    assert "This machine does not show it now" in troubleshoot.texts(pasted_complaint, findings).to_text()
    assert next(f for f in findings if f.subject == complaint.PASTED).family == "local"
    platform.write_dotenv(OPENAI_API_KEY=None)
    _, pasted_complaint, findings = answer_to(platform, VALIDATION)
    assert roots(findings) == ["required-empty"]
    assert "This machine shows it now: required-empty." in troubleshoot.texts(pasted_complaint, findings).to_text()


def test_without_a_repository_it_is_one_sentence(at: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read of a machine whose checkout nobody named."""
    monkeypatch.delenv("OMC_REPOSITORY")
    with pytest.raises(UsageError, match="set repository"):
        troubleshoot_run.look(troubleshoot_run.begin("staging"), complaint.read_complaint("local"))


def test_the_checkout_of_the_configuration_will_do(
    at: Sandbox, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for local_setup."""
    monkeypatch.setenv("OMC_REPOSITORY", str(platform.root))
    snapshot = troubleshoot_run.look(troubleshoot_run.begin("staging"), complaint.read_complaint("local"))
    assert snapshot.workstation and snapshot.workstation.path == platform.dotenv


def test_other_symptoms_leave_the_machine_alone(at: Sandbox, platform: Platform) -> None:
    """A repository alone is compared, and its .env is not opened."""
    snapshot = look(platform, complaint.read_complaint("cannot-read"))
    assert snapshot.checkout and snapshot.workstation is None


def test_every_check_of_a_machine_and_of_drift_is_told_apart() -> None:
    """Each has its symptom, a sign of its own and its like, also those whose name a secret's fault has too."""
    local = root_causes.LOCAL_CHECKS
    other = [check for check in root_causes.EVERY_CHECK if check.family != "local"]
    assert {each.symptom for each in local} == {"local"} and "local" not in {each.symptom for each in other}
    signs = [each.ruled_out_by for each in (*local, *other)]
    assert len({*signs}) == len(signs) and all(re.fullmatch(r"[\w.].{10,110}[^.\s]", sign) for sign in signs)
    for each in (*local, *other):
        like = look_alikes(each.id, each.family)
        assert like and each not in like
        assert all(each in look_alikes(one.id, one.family) for one in like)
        assert {one in local for one in like} == {each in local}


def test_a_fault_here_explains_none_of_the_same_name_there() -> None:
    """A placeholder that Terraform wrote into the secret is not why the .env has one."""
    there = Finding(check="terraform-overwrote", family="content", title="", status="found", subject=SECRET_KEY)
    here = Finding(check="placeholder", family="local", title="", status="found", subject=SECRET_KEY)
    assert all(finding.is_root_cause for finding in root_causes.relate([there, here]))
    assert not root_causes.relate([there, replace(here, family="content")])[1].is_root_cause


def test_words_of_every_check_are_public() -> None:
    """A value that is called like a check does not blot out the report."""
    words = run.public_words(healthy().environment)
    assert {"weak", "local", "drift", "terraform-ahead"} <= words


def test_it_runs_as_its_users_run_it(tmp_path: Path, sandbox: Sandbox, platform: Platform) -> None:
    """Exit 1 with the one fault, in its order, and no value of the .env or the secret anywhere."""
    (tmp_path / "desk").mkdir()
    desk = Desk(tmp_path / "desk", sandbox)
    mine = [value for value in platform.write_dotenv(OPENAI_API_KEY=None).values() if len(value) >= 16]
    pasted = f"{VALIDATION}{secrets.token_urlsafe(24)}"
    parameters = {"symptom": "local", "repository": str(platform.root), "error_text": pasted}
    words = [word for name, text in parameters.items() for word in ("-p", name, text)]
    ended = desk.call([str(COMMAND), "run", "troubleshoot", "--record", str(desk.record), *words])
    assert ended.returncode == 1, ended.stderr
    assert desk.outcome()["root_causes"] == ["required-empty"]
    (path,) = desk.record.glob("*-*.html")
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", path.read_text().partition("<body")[2])).split())
    assert "this machine" in text and "This machine shows it now" in text
    assert text.index("A required variable has no value") < text.index("Evidence")
    assert_nothing_leaked(desk, [*mine, *values(sandbox)], ended.stdout, ended.stderr)
