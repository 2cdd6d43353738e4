"""Several environments at once: one that is faulty, refused or hangs does not keep the others from being read."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.runs import COMMAND, SECRET, Desk, assert_nothing_leaked, client, values

from omc_runbook.sandbox.lifecycle import Sandbox

SECONDS = 20
RUNBOOK_TOML = """
[environments.staging]
[environments.copy]
prefix = "ohmycoins-staging"
secret = "ohmycoins-copy-app-secrets"
[environments.foreign]
prefix = "ohmycoins-staging"
account_id = "111111111111"
[environments.hanging]
profile = "hanging"
"""


@contextmanager
def _silent_endpoint() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    """A desk with four environments: one healthy, one with a fault, one of another account, one that never answers."""
    desk = Desk(tmp_path, sandbox)
    secrets = client(sandbox, "secretsmanager")
    document = json.loads(secrets.get_secret_value(SecretId=SECRET)["SecretString"])
    copied = {name: document[name] for name in ("SECRET_KEY", "POSTGRES_PASSWORD")}
    secrets.create_secret(Name="ohmycoins-copy-app-secrets", SecretString=json.dumps(copied))
    (desk.work / "runbook.toml").write_text(RUNBOOK_TOML)
    return desk


def test_others_are_reported(desk: Desk) -> None:
    """Exit code 2, each environment named with its status, each with its own record, and no value anywhere."""
    secret_values = values(desk.sandbox)
    endpoint, keys = desk.variables.pop("AWS_ENDPOINT_URL"), desk.sandbox.credentials
    with _silent_endpoint() as silent:
        config = (
            f"[default]\nendpoint_url = {endpoint}\n[profile hanging]\nendpoint_url = {silent}\n"
            f"aws_access_key_id = {keys.access_key}\naws_secret_access_key = {keys.secret_key}\n"
        )
        (desk.root / "config").write_text(config)
        words = [str(COMMAND), "fleet", "--timeout", str(SECONDS), "--record", str(desk.record), "--summary"]
        process = desk.call(words, AWS_CONFIG_FILE=str(desk.root / "config"))
    (desk.root / "config").unlink()
    assert process.returncode == 2, process.stdout + process.stderr
    assert "Not looked at: foreign, hanging." in process.stdout
    assert f"No answer within {SECONDS} s." in process.stdout and "foreign is account 111111111111" in process.stdout

    outcome = desk.outcome()
    statuses = {each["environment"]: each["status"] for each in outcome["targets"]}
    assert statuses == {"staging": "ok", "copy": "findings", "foreign": "unknown", "hanging": "unknown"}
    assert {each["endpoint"] for each in outcome["targets"]} == {endpoint, ""}
    subjects = {each["subject"] for each in outcome["findings"] if each["status"] == "found"}
    assert subjects and all(subject.startswith("copy: ") for subject in subjects if "staging:" not in subject)
    unread = [each["subject"] for each in outcome["findings"] if each["check"] == "environment-unread"]
    assert unread == ["foreign", "hanging"]

    for environment, status in (("staging", "ok"), ("copy", "findings")):
        (path,) = desk.record.glob(f"verify-{environment}-*.json")
        body = json.loads(path.read_text())
        assert (body["runbook"], body["environment"], body["status"]) == ("verify", environment, status)
    (page,) = desk.record.glob("fleet-*.html")
    links = set(re.findall(r'href="([^"#]+\.html)"', page.read_text()))
    assert links == {path.name for path in desk.record.glob("verify-*.html")} and len(links) == 2
    assert "POSTGRES_PASSWORD, SECRET_KEY" in page.read_text()
    assert not [path for path in (desk.root / "tmp").iterdir() if path.name.startswith("omc-")]
    assert_nothing_leaked(desk, secret_values, process.stdout, process.stderr)
