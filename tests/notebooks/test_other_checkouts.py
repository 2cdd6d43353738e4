"""local_setup on checkouts of other shapes, dry and applied: no wrong edit, no false ok, a way on each time."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values
from support.local_setup_runs import assert_absent, bench, severities, source, tree, turn
from support.other_checkouts import MONOREPO, PROVIDERS, TOP, TRACKED, make_checkout
from support.platform_checkout import Platform

from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import local_setup
from omc_runbook.workstation.docker import find_compose

__all__ = ["bench"]
pytestmark = pytest.mark.usefixtures("bench")
HEX = secrets.token_hex
URL_SAFE = re.compile(r"[A-Za-z0-9_-]{40,}")


def values(checkout: Platform) -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(checkout.dotenv, interpolate=False).items()}


def loads(checkout: Platform, code: str) -> str:
    """What the application prints in backend/, with nothing but its .env."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout.root)}
    command = [sys.executable, "-B", "-c", code]
    process = subprocess.run(
        command, cwd=checkout.root / "backend", env=environment, capture_output=True, text=True, timeout=60
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def compose_accepts(checkout: Platform) -> dict[str, dict[str, str]]:
    """The variables of each service, as the real Docker Compose resolves them."""
    program = find_compose()
    if program is None:
        pytest.skip("no Docker Compose here")
    command = [*program, "config", "--format", "json"]
    process = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=True)
    return {name: body.get("environment", {}) for name, body in json.loads(process.stdout)["services"].items()}


def only_dotenv_changed(checkout: Platform, before: dict[str, tuple[int, int, bytes]]) -> None:
    after = tree(checkout.root)
    changes = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    # A new file is prepared within git's own folder, where no commit takes it.
    assert changes - {".git", ".git/omc-runbook"} <= {"", ".", ".env"}


def test_a_tracked_dotenv_is_its_own_template(tmp_path: Path) -> None:
    """The defaults become values, the rest stays byte for byte, and a warning says that each commit publishes them."""
    checkout = make_checkout(tmp_path / "omc", TRACKED, tmp_path / "omc")
    before = tree(checkout.root)
    dry = turn(checkout)
    assert tree(checkout.root) == before and dry.exit_code == 1
    assert severities(dry)["changethis", "SECRET_KEY"] == "warning" and ("dotenv-missing", ".env") not in severities(
        dry
    )
    apply_run = turn(checkout, apply=True)
    only_dotenv_changed(checkout, before)
    dotenv = values(checkout)
    assert URL_SAFE.fullmatch(dotenv["POSTGRES_PASSWORD"]) and "changethis" not in checkout.dotenv.read_text()
    names = ("SECRET_KEY", "FIRST_SUPERUSER_PASSWORD", "POSTGRES_PASSWORD")
    lines = [line for line in checkout.dotenv.read_text().splitlines() if not line.startswith(names)]
    assert lines == [line for line in TRACKED[".env"].splitlines() if not line.startswith(names)]
    assert severities(apply_run) == {("committed", ".env"): "warning"} and apply_run.exit_code == 1
    assert "each commit publishes it" in apply_run.shown and "git rm --cached .env" in apply_run.shown.replace(
        f"-C {checkout.root} ", ""
    )
    assert dotenv["POSTGRES_PASSWORD"] in loads(
        checkout, "from app.core.config import settings; print(settings.SQLALCHEMY_DATABASE_URI)"
    )
    assert compose_accepts(checkout)["backend"]["POSTGRES_PASSWORD"] == dotenv["POSTGRES_PASSWORD"]
    assert turn(checkout, apply=True).plan.is_empty
    assert_absent([dotenv[name] for name in names], dry.shown, apply_run.shown)
    checkout.commit()
    assert severities(turn(checkout))["committed", ".env"] == "error"
    checkout.dotenv.unlink()
    turn(checkout, apply=True)
    again = values(checkout)
    assert all(again[name] != dotenv[name] for name in names)
    assert severities(turn(checkout))["committed", ".env"] == "warning"


def test_the_way_from_a_tracked_dotenv_to_a_template_works_as_it_is_written(tmp_path: Path) -> None:
    """The committed text becomes the template, git forgets and ignores the .env, and nothing of it changes."""
    checkout = make_checkout(tmp_path / "omc", TRACKED, tmp_path / "omc")
    apply_run = turn(checkout, apply=True)
    text = checkout.dotenv.read_text()
    (way,) = (each["remedy"]["command"] for each in apply_run.outcome["findings"] if each["check"] == "committed")
    subprocess.run(way, shell=True, check=True, capture_output=True)
    checkout.commit()
    result = turn(checkout)
    assert (checkout.root / ".env.example").read_text() == TRACKED[".env"] and checkout.dotenv.read_text() == text
    assert (severities(result), result.exit_code) == ({("committed", ".env"): "info"}, 0) and result.plan.is_empty


def test_a_password_that_breaks_the_address_is_named(tmp_path: Path) -> None:
    """Settings accept it, and the application would not find its database."""
    checkout = make_checkout(tmp_path / "omc", TRACKED, tmp_path / "omc")
    turn(checkout, apply=True)
    mine = f"{HEX(16)}/{HEX(4)}+=="
    checkout.dotenv.write_text(re.sub("(?m)^(POSTGRES_PASSWORD)=.*", rf"\1={mine}", checkout.dotenv.read_text()))
    result = turn(checkout, apply=True)
    assert severities(result)["url-chars", "POSTGRES_PASSWORD"] == "error"
    assert "SQLALCHEMY_DATABASE_URI" in result.shown and "openssl rand -hex 32" in result.shown
    assert_absent([mine], result.shown)


def test_the_provider_that_is_chosen_decides_which_key_is_needed(tmp_path: Path) -> None:
    """Its commented-out line becomes one, the others stay comments, and what is generated fits into the URLs."""
    checkout = make_checkout(tmp_path / "omc", PROVIDERS)
    before = tree(checkout.root)
    dry = turn(checkout)
    assert tree(checkout.root) == before
    assert [need.variable for need in dry.plan.missing] == ["GOOGLE_API_KEY"]
    without = turn(checkout, apply=True)
    only_dotenv_changed(checkout, before)
    assert ("required-empty", "GOOGLE_API_KEY") in severities(without) and without.exit_code == 1
    assert "https://aistudio.google.com/apikey" in without.shown
    key = f"AIza{HEX(16)}"
    values_from = source(tmp_path, GOOGLE_API_KEY=key, COINSPOT_API_KEY=HEX(8), COINSPOT_KEY=HEX(8), PASSWORD=HEX(8))
    apply_run = turn(checkout, apply=True, values_from=values_from)
    dotenv = values(checkout)
    assert (severities(apply_run), apply_run.exit_code) == ({}, 0)
    assert all("left out" in note for note in apply_run.plan.notes) and len(apply_run.plan.notes) == 2
    assert dotenv["GOOGLE_API_KEY"] == key and len(dotenv["COINSPOT_API_KEY"]) == 16
    assert "# OPENAI_API_KEY=sk-...\n# ANTHROPIC_API_KEY=\n" in checkout.dotenv.read_text()
    assert URL_SAFE.fullmatch(dotenv["REDIS_PASSWORD"]) and len(dotenv["APP_SECRET"]) >= 32
    code = "from app.core.config import get_settings as g; print(g().broker_url, g().db.PASSWORD.get_secret_value())"
    assert loads(checkout, code) == (f"redis://:{dotenv['REDIS_PASSWORD']}@localhost:6379/1 {dotenv['DB__PASSWORD']}\n")
    url = compose_accepts(checkout)["app"]["REDIS_URL"]
    assert url == f"redis://:{dotenv['REDIS_PASSWORD']}@redis:6379/0"
    assert turn(checkout, apply=True).plan.is_empty


def test_a_folder_of_a_larger_work_tree_with_a_past(tmp_path: Path) -> None:
    """Old values in the history are a remark, one in use in tracked tfvars is named; a given value stays as it is."""
    password = f"{HEX(12)}/{HEX(4)}"
    files = MONOREPO | {"infrastructure/staging.tfvars": f'db_password = "{password}"\n'}
    checkout = make_checkout(tmp_path / "all/coins", files, tmp_path / "all")
    checkout.dotenv.write_text(f"SECRET_KEY={HEX(32)}\nPOSTGRES_PASSWORD={HEX(16)}\n")
    checkout.commit()
    checkout.git("rm", "--quiet", "--cached", ".env")
    (tmp_path / "all/.gitignore").write_text(".env\n")
    checkout.commit()
    checkout.dotenv.unlink()
    before = tree(checkout.root)
    dry = turn(checkout)
    assert tree(checkout.root) == before
    assert severities(dry) == {("dotenv-missing", ".env"): "error", ("committed", ".env"): "info"}
    values_from = source(tmp_path, OPENAI_API_KEY=f"sk-{HEX(16)}", WORKERS="2")
    apply_run = turn(checkout, apply=True, values_from=values_from)
    only_dotenv_changed(checkout, before)
    assert (severities(apply_run), apply_run.exit_code) == ({("committed", ".env"): "info"}, 0)
    dotenv = values(checkout)
    assert dotenv["WORKERS"] == "2" and dotenv["ALLOWED_HOSTS"] == '["localhost"]' and dotenv["ENVIRONMENT"] == "local"
    assert "SENTRY_DSN" in dotenv and dotenv["SENTRY_DSN"] == ""
    assert loads(checkout, "from app.core.config import settings; print(settings.WORKERS)") == "2\n"
    assert compose_accepts(checkout)["api"]["SECRET_KEY"] == dotenv["SECRET_KEY"]
    assert turn(checkout, apply=True).plan.is_empty
    text = checkout.dotenv.read_text().replace(dotenv["POSTGRES_PASSWORD"], password)
    checkout.dotenv.write_text(text)
    result = turn(checkout, apply=True)
    assert severities(result) == {
        ("committed", ".env"): "info",
        ("committed", "infrastructure/staging.tfvars"): "error",
    }
    assert checkout.dotenv.read_text() == text
    assert_absent([password], result.shown)


def test_a_password_that_the_application_escapes_is_taken_as_it_is(tmp_path: Path) -> None:
    """The catalogue's caution is for applications that do not; where Settings do not, it is refused with the way on."""
    checkout = make_checkout(tmp_path / "omc", MONOREPO)
    password = f"{HEX(12)}/{HEX(4)}@x"
    values_from = source(tmp_path, OPENAI_API_KEY=f"sk-{HEX(16)}", POSTGRES_PASSWORD=password)
    apply_run = turn(checkout, apply=True, values_from=values_from)
    assert (severities(apply_run), apply_run.exit_code) == ({}, 0) and values(checkout)["POSTGRES_PASSWORD"] == password
    assert_absent([password], apply_run.shown)
    raw = make_checkout(tmp_path / "raw", TRACKED, tmp_path / "raw")
    raw.dotenv.unlink()
    with pytest.raises(UsageError, match=r"SQLALCHEMY_DATABASE_URI of Settings puts it .* urllib.parse.quote. Nothing"):
        turn(raw, apply=True, values_from=values_from)
    assert not raw.dotenv.exists()


def test_an_application_at_the_top(tmp_path: Path) -> None:
    """Its Settings are found, loaded, and read the .env beside them."""
    checkout = make_checkout(tmp_path / "omc", TOP, tmp_path / "omc")
    before = tree(checkout.root)
    assert turn(checkout).causes == ["dotenv-missing"] and tree(checkout.root) == before
    apply_run = turn(checkout, apply=True, values_from=source(tmp_path, OPENAI_API_KEY=f"sk-{HEX(16)}"))
    assert (severities(apply_run), apply_run.exit_code) == ({}, 0) and "app/core/config.py" not in apply_run.shown
    only_dotenv_changed(checkout, before)
    assert turn(checkout, apply=True).plan.is_empty
    checkout.dotenv.write_text(checkout.dotenv.read_text().replace("POSTGRES_PORT=5432", "POSTGRES_PORT=abc"))
    assert turn(checkout).causes == ["settings-refused"]


def test_the_log_by_hand_is_that_of_the_checkouts_own_service(tmp_path: Path) -> None:
    """Its Compose file calls the application web."""
    checkout = make_checkout(tmp_path / "omc", TOP, tmp_path / "omc")
    text = local_setup.by_hand(local_setup.look(local_setup.begin("local", "", str(checkout.root), "", True))).to_text()
    assert re.search(r"read the log\n.* logs web\b", text)


def test_without_any_template_the_refusal_says_what_would_do(tmp_path: Path) -> None:
    """One sentence with the names of templates."""
    files = {name: text for name, text in PROVIDERS.items() if name != ".env.sample"}
    checkout = make_checkout(tmp_path / "omc", files)
    with pytest.raises(
        UsageError, match=r"has no .env.template: .* \.env\.example, .* or a committed \.env will do too"
    ):
        turn(checkout)
