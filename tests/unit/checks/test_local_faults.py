"""Every fault of a developer's machine, broken alone in a checkout: it is named, and nothing else is."""

from __future__ import annotations

import json
import random
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.dotenv_faults import BACKEND, FAULTS, HEALTHY, HEX, LITERAL, SINGLE, A, B, Case, add
from support.local_setup_runs import quiet_machine, small_platform
from support.platform_checkout import Platform, make_platform

from omc_runbook.changes.dotenv.plan import plan_dotenv
from omc_runbook.diagnosis import root_causes
from omc_runbook.masking.fingerprint import fingerprint
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key
from omc_runbook.model.findings import Finding
from omc_runbook.repository.git import GitStatus
from omc_runbook.runbooks import local_setup
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation import docker, dotenv
from omc_runbook.workstation.history import Location
from omc_runbook.workstation.leaks import TrackedValue, TrackedValues

pytestmark = pytest.mark.long

FIRST = ("dollar", "hash", "required-empty", "weak", "settings-refused", "placeholder", "changethis")
"""Faults of a value, which are put in before the others: those of a line, of the file and of what is around it."""
SECOND = ("crlf", "colon", "lowercase", "permissions", "committed", "unterminated", "unreadable-line", "dotenv-bom")
SAME = (
    *("in every line", "every name", "old Macintosh", ": ", " : ", ":", "SECRET_KEY", "mixed", "empty", "other value"),
    *(
        '" in the middle',
        "' in the middle",
        *(case.name for case in FAULTS if "before a required" in case.name or "editor" in case.name),
    ),
)
"""Those of the second that are about a variable which one of the first may be about."""
ASKED = frozenset({"dollar", "readers-differ", "environment-wins", "compose-refused", "compose-unset"})
"""Faults that nobody sees without Docker Compose."""
COMPOSE = docker.find_compose()
Findings = tuple[Finding, ...]
CASES = {str(case): case for case in (*FAULTS, *SINGLE, *HEALTHY)}


@pytest.fixture(scope="module")
def patch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """A machine without configuration; other modules do not mask the values of this one."""
    with pytest.MonkeyPatch.context() as patch:
        quiet_machine(patch, tmp_path_factory.mktemp("home"))
        # The same for all cases, so it is asked once.
        patch.setattr(docker, "find_compose", lambda checkout: COMPOSE)
        yield patch


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Callable[[], Platform]:
    """Make a checkout with a healthy .env, in a folder of its own."""
    first = small_platform(tmp_path_factory.mktemp("first") / "omc")
    first.write_dotenv()

    def copy() -> Platform:
        return Platform(Path(shutil.copytree(first.root, tmp_path_factory.mktemp("copy") / "omc")))

    return copy


def look(root: Path, deeply: bool) -> Snapshot:
    """local_setup's snapshot; Settings are loaded only if `deeply`."""
    return local_setup.look(local_setup.begin("local", "", str(root), "", allow_code=deeply))


def diagnosed(root: Path, deeply: bool) -> Findings:
    """The findings in a checkout."""
    return root_causes.diagnose(look(root, deeply))


def causes(found: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.check for finding in found if finding.is_root_cause))


def break_(platform: Platform, *cases: Case) -> Path:
    for case in cases:
        case.change(platform)
    return platform.root


@pytest.fixture(scope="module")
def findings_of(healthy: Callable[[], Platform]) -> Callable[[str], Findings]:
    """Gives the findings of a case, each diagnosed once; a test masks the values of its own cases alone."""
    return cache(lambda name: diagnosed(break_(healthy(), CASES[name]), CASES[name].deeply))


@pytest.mark.parametrize("case", [*FAULTS, *SINGLE, *HEALTHY], ids=str)
def test_a_fault_alone_is_the_only_root_cause_and_a_healthy_variant_is_none(
    case: Case, findings_of: Callable[[str], Findings]
) -> None:
    """The fault is named and nothing else; what only looks like one is not."""
    found = findings_of(str(case))
    if case.fault in ASKED and not COMPOSE:
        assert next(each for each in found if each.check == case.fault).status == "skipped"
        pytest.skip("no Docker Compose here")
    assert causes(found) == ([case.fault] if case.fault else [])
    assert not [each.remedy.command for each in found if "=and " in each.remedy.command]


def pairs() -> list[tuple[Case, Case]]:
    """Thirty pairs, one of each kind, that are not about the same variable."""
    chosen = random.Random(7)
    first = [case for case in FAULTS if case.fault in FIRST]
    second = [case for case in FAULTS if case.fault in SECOND and case.name not in SAME]
    return [(chosen.choice(first), chosen.choice(second)) for _ in range(30)]


@pytest.mark.parametrize(("one", "other"), pairs(), ids=str)
def test_of_two_faults_both_are_named(one: Case, other: Case, healthy: Callable[[], Platform]) -> None:
    """Each is a root cause, and nothing else is."""
    if not COMPOSE and ASKED.intersection((one.fault, other.fault)):
        pytest.skip("no Docker Compose here")
    found = diagnosed(break_(healthy(), one, other), one.fault == "settings-refused")
    assert set(causes(found)) == {one.fault, other.fault}


def test_a_variable_of_the_shell_that_differs_is_told_of(
    healthy: Callable[[], Platform], patch: pytest.MonkeyPatch
) -> None:
    """It beats the .env in compose and in Settings, and is the one thing that is wrong."""
    root = healthy().root
    for name in ("POSTGRES_PASSWORD", "ENVIRONMENT"):
        with patch.context() as shell:
            shell.setenv(name, HEX(16))
            assert causes(diagnosed(root, True)) == ["shell-wins"]


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ("init_settings, dotenv_settings, env_settings", []),
        ("init_settings, dotenv_settings", []),
        ("env_settings, dotenv_settings", ["shell-wins"]),
        ("dotenv_settings, Own(settings_cls)", ["shell-wins"]),
    ],
)
def test_the_shell_wins_only_where_settings_ask_it_first(
    healthy: Callable[[], Platform], patch: pytest.MonkeyPatch, sources: str, found: list[str]
) -> None:
    """Compose does not interpolate this one."""
    platform = healthy()
    method = f"""class Settings(BaseSettings):
    @classmethod
    def settings_customise_sources(
        cls, settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
    ):
        return {sources}

"""
    platform.edit(platform.config, "class Settings(BaseSettings):\n", method)
    with patch.context() as shell:
        shell.setenv("OPENAI_API_KEY", f"sk-{HEX(16)}")
        assert [each for each in causes(diagnosed(platform.root, False)) if each == "shell-wins"] == found


def test_what_takes_a_variable_out_of_the_shell_is_said_for_fish_too(
    healthy: Callable[[], Platform], patch: pytest.MonkeyPatch
) -> None:
    """fish has no unset."""
    with patch.context() as shell:
        shell.setenv("SECRET_KEY", HEX(16))
        (found,) = (each for each in diagnosed(healthy().root, False) if each.check == "shell-wins")
    assert (found.remedy.command, found.remedy.needs) == ("unset SECRET_KEY", "In fish: set -e SECRET_KEY")


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.replace(b"\n", b"\r"),
        lambda raw: raw.replace(b"\n", b"\r\n", 9),
    ],
    ids=["mark", "CRLF", "CR", "mixed"],
)
def test_bytes_are_corrected_by_hand_without_the_sed_of_gnu(
    change: Callable[[bytes], bytes], healthy: Callable[[], Platform], tmp_path: Path
) -> None:
    """macOS has perl, and a sed that takes -i and escapes otherwise; the file stays private."""
    perl = shutil.which("perl")
    if perl is None:
        pytest.skip("no perl here")
    (tmp_path / "perl").symlink_to(perl)
    path = healthy().dotenv
    before = path.read_bytes()
    path.write_bytes(change(before))
    (found,) = (
        each for each in diagnosed(path.parent, False) if each.check in ("crlf", "dotenv-bom") and each.is_problem
    )
    subprocess.run(found.remedy.ways[-1], shell=True, check=True, env={"PATH": str(tmp_path)})
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (before, 0o600)


def test_a_checkout_without_git_or_within_a_larger_one_is_judged_alike(tmp_path: Path, patch: object) -> None:
    """Without git there is nothing to say; in a folder of a larger work tree git is asked about that folder."""
    platform, above = make_platform(tmp_path / "all/omc", git=False), Platform(tmp_path / "all")
    platform.write_dotenv()
    assert causes(diagnosed(platform.root, False)) == []
    for command in ("init -q", "config user.name x", "config user.email x@omc.test", "add -A", "commit -qm all"):
        above.git(*command.split())
    assert causes(diagnosed(platform.root, False)) == []
    above.git("add", "--force", "omc/.env")
    assert causes(diagnosed(platform.root, False)) == ["committed"]


def test_a_file_on_another_branch_is_in_the_history(healthy: Callable[[], Platform]) -> None:
    """A branch is published as well; with other values than those in use it is a remark."""
    platform = healthy()
    text = platform.dotenv.read_bytes()
    for command in ("checkout -q -b side", "add --force .env", "commit -qm x", "checkout -q main"):
        platform.git(*command.split())
    platform.write_dotenv()
    (found,) = (each for each in diagnosed(platform.root, False) if each.status == "found")
    assert (found.check, found.severity) == ("committed", "info")
    assert "Its history has no secret value that is in use." in found.evidence
    snapshot = look(platform.root, False)
    assert snapshot.workstation and snapshot.workstation.history
    history = replace(snapshot.workstation.history, obstacle="1 older version could not be read.")
    partly = replace(snapshot, workstation=replace(snapshot.workstation, history=history))
    assert not any("no secret value" in fact for each in root_causes.diagnose(partly) for fact in each.evidence)
    platform.dotenv.write_bytes(text)
    platform.dotenv.chmod(0o600)
    assert causes(diagnosed(platform.root, False)) == ["committed"]


def test_a_copy_on_another_branch_is_looked_up_and_not_untracked(healthy: Callable[[], Platform]) -> None:
    """The index has nothing to remove there: git rm --cached would fail."""
    platform = healthy()
    copy = platform.root / "backend/.env"
    for branch, verb in (("side", "log"), ("main", "rm")):
        platform.git("checkout", "-q", "-B", branch)
        copy.write_bytes(platform.dotenv.read_bytes())
        platform.git("add", "--force", "backend/.env")
        if branch == "side":
            platform.git("commit", "-qm", "x")
            platform.git("checkout", "-q", "main")
            copy.write_bytes(platform.dotenv.read_bytes())
        (found,) = (each for each in diagnosed(platform.root, False) if each.check == "committed")
        (remedy,) = found.remedy.ways
        assert f" {verb} " in remedy and remedy.endswith("backend/.env")
        subprocess.run(remedy, shell=True, check=True, capture_output=True)


def test_a_value_in_tracked_files_is_named_with_its_lines(healthy: Callable[[], Platform]) -> None:
    """One that a commit has is renewed first; one that another check reports, or that is public or weak, is none."""
    platform = healthy()
    key, other = HEX(32), HEX(32)
    platform.write_dotenv(SECRET_KEY=key, SENTRY_DSN=key, SMTP_PASSWORD="password1234", OPENAI_API_KEY=f"sk-{other}")
    add(f"VITE_MAP_KEY={other}\nVITE_SENTRY_DSN={key}")(platform)
    (platform.root / ".gitignore").write_text(".env\n")
    snapshot = look(platform.root, False)
    workstation = snapshot.workstation
    assert workstation and workstation.tracked == TrackedValues()

    def judged(*found: TrackedValue[str], limits: tuple[str, ...] = (), **more: Any) -> list[Finding]:
        partly = replace(workstation, tracked=TrackedValues(found, limits), **more)
        diagnosed = root_causes.diagnose(replace(snapshot, workstation=partly))
        return [each for each in diagnosed if each.check == "value-tracked"]

    def place(name: str, path: str, *lines: int, staged: bool = True, committed: bool = True) -> TrackedValue[str]:
        return TrackedValue(name=name, path=path, lines=lines, is_staged=staged, is_committed=committed)

    (found,) = judged(place("SECRET_KEY", "a.md", 2, 4), place("SECRET_KEY", "b.md", 1, committed=False))
    assert (found.subject, found.severity, found.is_root_cause) == ("SECRET_KEY", "error", True)
    names = "SECRET_KEY and SENTRY_DSN and VITE_SENTRY_DSN"
    has = f"has the current value of {names} in"
    assert found.evidence == (
        f"git grep: a.md {has} lines 2, 4 and in the last commit.",
        f"git grep: b.md {has} line 1 and in what is staged.",
    )
    revoke = "Have the old one revoked where it was issued. Then take the old one out of"
    renew = f"Give {names} a new value each. {revoke} a.md, b.md: git's history keeps it."
    assert found.remedy.command == renew
    (found,) = judged(place("OPENAI_API_KEY", "a.md", 1))
    assert found.remedy.command.startswith("Get a new one from https://") and revoke in found.remedy.command
    (found,) = judged(place("OPENAI_API_KEY", "a.md", staged=False))
    assert found.evidence == ("git grep: a.md has the current value of OPENAI_API_KEY in the last commit.",)
    assert found.remedy.command.endswith(" where it was issued. git's history keeps the old one.")
    (found,) = judged(*(place("SECRET_KEY", f"{at}.md", 1, staged=False, committed=False) for at in range(7)))
    assert found.evidence[0] == f"git grep: 0.md {has} line 1."
    assert found.evidence[5:] == ("2 more tracked files have it.",)
    assert found.remedy.command == "Take it out of 0.md, 1.md, 2.md, 3.md, 4.md and 2 more before the next commit."
    (found,) = judged(place("SECRET_KEY", "a.md", committed=False))
    assert found.evidence == (f"git grep: a.md {has} what is staged.",)
    assert found.remedy.command == "Take it out of a.md, and stage that, before the next commit."
    own = (place("SECRET_KEY", ".env", 1), place("SECRET_KEY", ".env.template", 1))
    (clear,) = judged(*own, place("SMTP_PASSWORD", "a.md", 1), place("VITE_MAP_KEY", "a.md", 1))
    assert clear.status == "clear"
    history = workstation.history
    assert history
    print_ = fingerprint(Masked(key, "SECRET_KEY"), history.key)
    there = replace(history, locations={print_: {"a.tfvars": Location("a.tfvars", "1234567")}})
    found, *others = judged(place("SECRET_KEY", "a.tfvars", 1), place("SECRET_KEY", "a.md", 1), history=there)
    assert not others and [fact.split()[2] for fact in found.evidence] == ["a.md"]
    (unknown,) = judged(limits=("Files were not searched.",))
    assert (unknown.status, unknown.evidence) == ("unknown", ("Files were not searched.",))
    template = workstation.checkout.template
    assert template
    entries = tuple(replace(each, value=key) if each.name == "SECRET_KEY" else each for each in template.entries)
    public = replace(workstation.checkout, template=replace(template, entries=entries))
    (clear,) = judged(place("SECRET_KEY", "a.md", 1), checkout=public)
    assert clear.status == "clear"


def test_a_secret_of_the_catalogue_is_looked_for_wherever_it_comes_from(healthy: Callable[[], Platform]) -> None:
    """One that runbook.toml only describes, and of addresses each password, unless another variable has it."""
    platform = healthy()
    values = platform.write_dotenv(PARTNER_PASSWORD=HEX(12), FIRST_SUPERUSER="admin@ohmycoins.test")
    for name, password in (("A_URL", values["PARTNER_PASSWORD"]), ("B_URL", HEX(12)), ("C_URL", "changethis")):
        add(f"{name}=redis://:{password}@localhost:6379")(platform)
    hosts = [f"amqp://mq:{password}@localhost:5672//" for password in (HEX(12), HEX(12))]
    add(f"D_URL={';'.join(hosts)};{hosts[0]}")(platform)
    workstation = look(platform.root, False).workstation
    assert workstation
    described = replace(workstation, keys={**workstation.keys, "PARTNER_PASSWORD": Key(description="The partner's")})
    assert "PARTNER_PASSWORD" in dict(described.issued_values) and "FIRST_SUPERUSER" not in dict(
        described.issued_values
    )
    assert [name for name, _ in described.address_passwords] == ["B_URL", "D_URL", "D_URL"]


def test_the_password_of_an_address_changes_where_that_leads_too(findings_of: Callable[[str], Findings]) -> None:
    """In whichever file it is."""
    for fault, start in (
        ("committed: the password of an address", "Change the password of the login in "),
        ("committed: the passwords of a list", "Change the password of the login in "),
        ("value-tracked: the password of an address", "Change the password"),
    ):
        (found,) = (each for each in findings_of(fault) if each.is_root_cause)
        remedy = found.remedy.command
        assert len(found.evidence) == 1
        assert remedy.startswith(start) and "DATABASE_URL" in remedy and "a new value" not in remedy
        assert " write the new one into " in remedy


def test_without_git_tracked_files_are_unknown(healthy: Callable[[], Platform]) -> None:
    """In no repository there are none; where git cannot say, it says why."""
    platform = healthy()
    snapshot = look(platform.root, False)
    assert snapshot.workstation
    for obstacle, status in (("git is not installed.", "unknown"), ("", "clear")):
        git = GitStatus(is_work_tree=False, obstacle=obstacle)
        without = replace(snapshot, workstation=replace(snapshot.workstation, git=git, tracked=None))
        (found,) = (each for each in root_causes.diagnose(without) if each.check == "value-tracked")
        assert (found.status, found.evidence) == (status, (obstacle,) if obstacle else ())


def test_what_is_wrong_with_a_name_may_be_invisible(findings_of: Callable[[str], Findings]) -> None:
    """Its number says what to look for."""
    (name,) = (name for name in CASES if "an invisible character in a name" in name)
    (found,) = (each for each in findings_of(name) if each.is_root_cause)
    assert " has ‹U+200B› in its name: " in found.evidence[0] and found.remedy.command.startswith("Retype the name ")


@pytest.mark.skipif(not COMPOSE, reason="no Docker Compose here")
@pytest.mark.parametrize("value", ["\u30005432", "\u30005432 # the port", '\u3000"5432"'])
def test_a_blank_that_one_reader_keeps_is_no_comment(value: str, healthy: Callable[[], Platform]) -> None:
    """A blank of East Asia before a value, in quotes or not; no plan takes it away."""
    platform = healthy()
    platform.write_dotenv(POSTGRES_PORT=value)
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert (found.check, found.subject, found.remedy.runbook) == ("readers-differ", "POSTGRES_PORT", "")
    assert "kind of blank" in found.evidence[0] and "without blanks" in found.remedy.command


def test_a_stash_is_dropped_and_what_is_staged_needs_no_new_history(healthy: Callable[[], Platform]) -> None:
    """Neither is in a clone."""
    platform = healthy()
    platform.git("stash", "--quiet", "--all", "--", ".env")
    platform.git("stash", "apply", "--quiet")
    platform.dotenv.chmod(0o600)
    (found,) = (each for each in diagnosed(platform.root, False) if each.status == "found")
    assert (found.check, found.severity) == ("committed", "info")
    assert found.evidence == ("git stash list: stash@{0} has it, which no clone gets.",)
    subprocess.run(found.remedy.command, shell=True, check=True)
    assert not any(each.status == "found" for each in diagnosed(platform.root, False))
    platform.git("add", "--force", ".env")
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert found.severity == "error" and not any("history" in fact for fact in found.evidence)
    platform.git("commit", "--quiet", "--message", "x")
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert "First give every secret in it a new value; only then rewrite the history." in found.evidence


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\r\r\n"])
def test_the_way_to_plain_line_ends_works_as_it_is_written(end: bytes, healthy: Callable[[], Platform]) -> None:
    """Whatever the ends are, and behind a link, which stays one."""
    platform = healthy()
    there = platform.root.parent / "there"
    there.touch(mode=0o600)
    there.write_bytes(platform.dotenv.read_bytes().replace(b"\n", end))
    platform.dotenv.unlink()
    platform.dotenv.symlink_to(there)
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    subprocess.run(found.remedy.command, shell=True, check=True)
    assert causes(diagnosed(platform.root, False)) == [] and platform.dotenv.is_symlink()


def test_the_way_out_of_a_link_to_nothing_works_as_it_is_written(healthy: Callable[[], Platform]) -> None:
    """cp would not write through it."""
    platform = healthy()
    platform.dotenv.unlink()
    platform.dotenv.symlink_to(platform.root.parent / "gone.env")
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert found.check == "dotenv-missing" and "gone.env, which does not exist." in found.evidence[0]
    subprocess.run(found.remedy.command, shell=True, check=True)
    assert "dotenv-missing" not in causes(diagnosed(platform.root, False))
    assert platform.dotenv.stat().st_mode & 0o777 == 0o600 and not platform.dotenv.is_symlink()


def test_the_way_to_ignore_the_file_works_as_it_is_written(healthy: Callable[[], Platform]) -> None:
    """Also where the last rule has no line end, to which another would be added."""
    platform = healthy()
    (platform.root / ".gitignore").write_text("node_modules/\n*.pyc")
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    subprocess.run(found.remedy.command, shell=True, check=True)
    assert causes(diagnosed(platform.root, False)) == []


def test_each_copy_that_git_does_not_ignore_is_told(healthy: Callable[[], Platform]) -> None:
    """The next `git add` takes them; a rule for each alone, as it is written, ends that."""
    platform = healthy()
    names = (".env.bak", ".env.local", "[1].env")
    for name in names:
        (platform.root / name).write_bytes(platform.dotenv.read_bytes())
    found = [each for each in diagnosed(platform.root, False) if each.status == "found"]
    assert {(each.check, each.subject, each.severity) for each in found} == {
        ("committed", name, "warning") for name in names
    }
    for each in found:
        subprocess.run(each.remedy.command, shell=True, check=True)
    assert causes(diagnosed(platform.root, False)) == []


@pytest.mark.skipif(not COMPOSE, reason="no Docker Compose here")
def test_a_profile_that_keeps_the_application_from_starting_is_told(healthy: Callable[[], Platform]) -> None:
    """It may be meant so, and is no problem; what the .env sets makes it active."""
    platform = healthy()
    platform.edit(platform.compose, BACKEND, f"{BACKEND}    profiles: [app, dev]\n")
    found = [each for each in diagnosed(platform.root, False) if each.status == "found"]
    assert [(each.check, each.subject, each.severity) for each in found] == [("compose-profile", "backend", "info")]
    way = found[0].remedy.command
    assert way.endswith(f" --profile app up -d`, or write COMPOSE_PROFILES=app into {platform.dotenv}.")
    add("COMPOSE_PROFILES=tools")(platform)
    found = [each for each in diagnosed(platform.root, False) if each.check == "compose-profile"]
    assert found[0].remedy.command.endswith(f", or add app to COMPOSE_PROFILES in {platform.dotenv}.")
    platform.edit(platform.dotenv, "=tools", "=tools,app")
    assert "compose-profile" not in [each.check for each in diagnosed(platform.root, False) if each.status == "found"]


def test_a_variable_that_settings_forbid_is_named(findings_of: Callable[[str], Findings]) -> None:
    """The .env's own names may be shown, and the remedy does not correct a value."""
    found = findings_of("settings-refused: forbidden")
    commands = {each.subject: each.remedy.command for each in found if each.check == "settings-refused"}
    assert "STACK_NAME" in commands and 'extra="ignore"' in commands["STACK_NAME"]


def _field(platform: Platform, line: str) -> None:
    """Give Settings one more field, and imports for it."""
    text = platform.config.read_text().replace(
        "class Settings(BaseSettings):\n", f"NAME = 'MY_TOKEN'\n\n\nclass Settings(BaseSettings):\n    {line}\n", 1
    )
    platform.config.write_text(text)


def test_what_settings_were_loaded_without_is_not_missing(healthy: Callable[[], Platform]) -> None:
    """The code gives it to Settings itself; where the code may not run, it is called missing."""
    platform = healthy()
    _field(platform, "RELEASE_NAME: str")
    text = platform.config.read_text()
    assert text.count("settings = Settings()") == 1
    platform.config.write_text(text.replace("settings = Settings()", 'settings = Settings(RELEASE_NAME="1.2")'))
    assert causes(diagnosed(platform.root, True)) == []
    assert causes(diagnosed(platform.root, False)) == ["required-empty"]


def test_a_variable_whose_name_is_an_expression_is_not_called_missing(healthy: Callable[[], Platform]) -> None:
    """Settings, once loaded, say whether it is there; without that it is unknown."""
    platform = healthy()
    _field(platform, "token: str = Field(validation_alias=NAME.upper())")
    platform.dotenv.write_text(f"{platform.dotenv.read_text()}MY_TOKEN={HEX(16)}\n")
    assert causes(diagnosed(platform.root, True)) == []
    (found,) = (each for each in diagnosed(platform.root, False) if each.check == "required-empty")
    assert (found.status, found.evidence) == ("unknown", ("The name of the variable of token is an expression.",))


def test_a_variable_that_settings_may_require_is_unknown(healthy: Callable[[], Platform]) -> None:
    """Settings, once loaded, say whether it is needed; a value in the .env settles it too."""
    platform = healthy()
    _field(platform, "if len(NAME) > 9:\n        SENTRY_TOKEN: str")
    assert causes(diagnosed(platform.root, True)) == []
    (found,) = (each for each in diagnosed(platform.root, False) if each.check == "required-empty")
    assert (found.status, found.subject) == ("unknown", "SENTRY_TOKEN")
    assert "declares it under a condition" in found.evidence[0]
    platform.dotenv.write_text(f"{platform.dotenv.read_text()}SENTRY_TOKEN={HEX(16)}\n")
    assert causes(diagnosed(platform.root, False)) == []


def test_a_value_under_the_name_of_a_field_with_an_alias_shows_nothing(healthy: Callable[[], Platform]) -> None:
    """The application reads the alias, which is not known."""
    platform = healthy()
    _field(platform, "TOKEN: str = Field(validation_alias=NAME.upper())")
    platform.dotenv.write_text(f"{platform.dotenv.read_text()}TOKEN={HEX(16)}\n")
    (found,) = (each for each in diagnosed(platform.root, False) if each.check == "required-empty")
    assert (found.status, found.evidence) == ("unknown", ("The name of the variable of TOKEN is an expression.",))


@pytest.mark.parametrize(
    "value", ["ENC[AES256_GCM,data:aGVsbG8gd29ybGQ,iv:Zm9vYmFy,tag:YmF6cXV4,type:str]", f'"encrypted:{"BDqD" * 20}"']
)
def test_what_an_encrypted_file_decrypts_to_is_unknown(value: str, healthy: Callable[[], Platform]) -> None:
    """Its values are neither weak, nor placeholders of this machine."""
    platform = healthy()
    lines = platform.dotenv.read_text().splitlines()
    names = [line.partition("=")[0] for line in lines if re.match(r"[A-Z_]+=.", line)]
    text = "\n".join(f"{line.partition('=')[0]}={value}" if "=" in line else line for line in lines)
    platform.dotenv.write_text(f"{text}\n")
    found = diagnosed(platform.root, False)
    assert not any(each.status == "found" for each in found)
    (unknown,) = (each for each in found if each.check == "placeholder")
    assert unknown.status == "unknown" and set(names) <= set(unknown.evidence[0].partition(":")[0].split(", "))


@pytest.mark.parametrize("way", ["dotenvx", "git-crypt"])
def test_a_file_that_git_has_encrypted_is_not_committed(way: str, healthy: Callable[[], Platform]) -> None:
    """git is meant to have it; where a value of it is plain again, the next commit publishes that, but by git-crypt."""
    platform = healthy()
    text = platform.dotenv.read_text()
    values = re.sub(r"(?m)=.+$", f"=encrypted:{'BDqD' * 20}", text)
    encrypted = f"DOTENV_PUBLIC_KEY=03f8b376234c4f2f0445\n{values}"
    is_locked = way == "git-crypt"
    platform.dotenv.write_bytes(b"\0GITCRYPT\0\xfe\r\n\x01" if is_locked else encrypted.encode())
    platform.dotenv.chmod(0o600)
    for words in ("add --force .env", "commit -qm encrypted"):
        platform.git(*words.split())
    found = {each.check: each for each in diagnosed(platform.root, False) if each.status == "found"}
    assert [*found] == (["dotenv-encoding"] if is_locked else [])
    if is_locked:
        assert found["dotenv-encoding"].remedy.command == f"git -C {platform.root} crypt unlock"
        workstation = look(platform.root, False).workstation
        assert workstation
        assert plan_dotenv(workstation).obstacle.endswith(" is encrypted by git-crypt: unlock the checkout first.")
    platform.dotenv.write_text(text)
    (found["committed"],) = (each for each in diagnosed(platform.root, False) if each.status == "found")
    assert (found["committed"].check, found["committed"].severity) == ("committed", "warning")
    assert "in the history" not in " ".join(found["committed"].evidence)
    if is_locked:
        # As `git-crypt unlock` does.
        (platform.root / ".gitattributes").write_text(".env filter=git-crypt diff=git-crypt\n")
        platform.git("config", "filter.git-crypt.clean", "git-crypt clean")
        assert causes(diagnosed(platform.root, False)) == []


def test_the_key_that_decrypts_the_file_is_a_value_of_it(healthy: Callable[[], Platform]) -> None:
    """dotenvx keeps it in .env.keys, which git is to ignore where it has the .env itself."""
    platform = healthy()
    text = re.sub(r"(?m)=.+$", f"=encrypted:{'BDqD' * 20}", platform.dotenv.read_text())
    platform.dotenv.write_text(f"DOTENV_PUBLIC_KEY=03f8b376234c4f2f0445\n{text}")
    platform.git("add", "--force", ".env")
    platform.git("commit", "-qm", "encrypted")
    (platform.root / ".env.keys").write_text(f"DOTENV_PRIVATE_KEY={secrets.token_hex(32)}\n")
    (found,) = (each for each in diagnosed(platform.root, False) if each.status == "found")
    assert (found.check, found.subject, found.severity) == ("committed", ".env.keys", "warning")
    assert "The current value of DOTENV_PRIVATE_KEY is in .env.keys, which git does not ignore" in found.evidence[0]
    platform.git("add", "--force", ".env.keys")
    (found,) = (each for each in diagnosed(platform.root, False) if each.status == "found")
    assert (found.subject, found.severity) == (".env.keys", "error") and "git -C" in found.remedy.command


@pytest.mark.parametrize("mark", [".git", "compose.yaml", ".env.example", "notes.txt"])
def test_the_file_of_the_project_around_a_checkout_stays_there(mark: str, healthy: Callable[[], Platform]) -> None:
    """A submodule's superproject, and a monorepo, have a .env of their own."""
    platform = healthy()
    above = platform.root.parent
    platform.dotenv.rename(above / ".env")
    (above / mark).touch()
    (found,) = (each for each in diagnosed(platform.root, False) if each.check == "dotenv-missing")
    assert found.remedy.command.startswith("mv ") == (mark == "notes.txt")
    assert (str(above / ".env") in " ".join(found.evidence)) == (mark == "notes.txt")


@pytest.mark.parametrize("name", [".env.txt", "env", ".env.local"])
def test_a_file_that_was_meant_to_be_the_env_becomes_it(name: str, healthy: Callable[[], Platform]) -> None:
    """In UTF-16 too, and not one without a required variable; one that Settings read keeps its name."""
    platform = healthy()
    other = platform.root / name
    text = platform.dotenv.read_text()
    platform.dotenv.unlink()
    other.write_text("VITE_API_URL=http://localhost:8000\n")
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert len(found.evidence) == 1 and found.remedy.command.startswith("cp ")
    other.write_text(text, "utf-16")
    assert any(f"{other} exists" in each for fact in diagnosed(platform.root, False) for each in fact.evidence)
    other.write_text(text)
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    subprocess.run(found.remedy.command, shell=True, check=True)
    assert causes(diagnosed(platform.root, False)) == [] and platform.dotenv.read_text() == text
    platform.dotenv.rename(other)
    platform.edit(platform.config, 'env_file="../.env",\n', f'env_file=("../.env", "../{name}"),\n')
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert found.remedy.command == f"ln -s {other} {platform.dotenv}"


def test_the_template_is_copied_over_no_file_unasked(healthy: Callable[[], Platform]) -> None:
    """The command by hand is also shown where there is a .env, whose values nobody else may have."""
    assert "&& cp -i .env.template .env &&" in local_setup.by_hand(look(healthy().root, False)).to_text()


def test_another_application_is_named_as_not_read(healthy: Callable[[], Platform]) -> None:
    """A second service beside the backend, whatever its class is called; not what the backend itself derives from."""
    platform = healthy()
    for folder, text in (
        ("shared", "class CommonSettings(BaseSettings):\n    REGION: str = 'x'\n"),
        ("scripts", "class Unused(BaseSettings):\n    A: str\n"),
    ):
        (platform.root / folder).mkdir(exist_ok=True)
        (platform.root / folder / "config.py").write_text(f"from pydantic_settings import BaseSettings\n\n\n{text}")
    text = platform.config.read_text()
    platform.config.write_text(
        text.replace(
            "class Settings(BaseSettings)",
            "from shared.config import CommonSettings\n\n\nclass Settings(CommonSettings)",
        )
    )
    assert " as Settings, not " not in local_setup.inventory(look(platform.root, False)).to_text()
    (platform.root / "worker").mkdir()
    (platform.root / "worker/config.py").write_text(
        "from pydantic_settings import BaseSettings\n\n\nclass WorkerConfig(BaseSettings):\n    QUEUE: str\n\n\n"
        "config = WorkerConfig()\n"
    )
    inventory = " ".join(local_setup.inventory(look(platform.root, False)).to_text().split())
    only = "Only class Settings in backend/app/core/config.py is read as Settings"
    assert f"{only}, not class WorkerConfig in worker/config.py: to check another application, set" in inventory
    assert causes(diagnosed(platform.root, False)) == []


def test_a_merge_conflict_is_one_finding(findings_of: Callable[[str], Findings]) -> None:
    """Not one for each mark, and one for each variable that both sides have."""
    (found,) = (each for each in findings_of("unreadable-line: a merge conflict, ''") if each.status == "found")
    first = int(found.subject.removeprefix("line "))
    assert found.evidence[0].startswith(f"Lines {first}, {first + 2}, {first + 4}: git marks a merge conflict")
    assert f"from line {first} to {first + 4}" in found.remedy.command


@pytest.mark.parametrize("text", ["op://development/omc/secret-key", "keeper://Xk2_mPqUZ1vLw8bT/field/password"])
def test_a_reference_in_the_template_is_no_value(healthy: Callable[[], Platform], text: str) -> None:
    """A template for `op run` or `ksm exec` may be committed: it only says where the values are."""
    platform = healthy()
    platform.template.write_text(re.sub(r"(?m)^SECRET_KEY=.*$", f"SECRET_KEY={text}", platform.template.read_text()))
    assert causes(diagnosed(platform.root, False)) == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("MAIL_DSN=smtp://user:changethis@mail.example.com:25", False),
        ("MAIL_DSN=smtp://mailer:mailer@mail.example.com:25", False),
        (f"MAIL_DSN=smtp://user:{secrets.token_urlsafe(24)}@mail.example.com:25", True),
        ("MAIL_DSN=smtp://mail.internal.example.com:1025", False),
        ("MAIL_DSN=smtp://notifications%40mail.example.com:mailer@mail.example.com:25", False),
        # A token in the place of the user's name, as Postmark and Mailgun have it.
        (f"MAIL_DSN=smtp://{secrets.token_hex(18)}:x@smtp.example.com:587", True),
        (f"MAIL_DSN=mailgun+https://{secrets.token_hex(18)}:mg.example.com@default", True),
        (f"MAIL_DSN=https://{secrets.token_hex(18)}@mail.example.com/7", True),
        (f"REDIS_DSN=redis://cache:6379/0?password={secrets.token_urlsafe(24)}", True),
    ],
)
def test_an_address_in_the_template_is_as_real_as_its_login(
    healthy: Callable[[], Platform], line: str, is_found: bool
) -> None:
    """Its host and its port are no secret."""
    platform, name = healthy(), line.partition("=")[0]
    with platform.template.open("a") as file:
        file.write(f"{line}\n")
    found = [each for each in diagnosed(platform.root, False) if (each.check, each.subject) == ("template-value", name)]
    assert len(found) == is_found


def test_a_reference_that_the_shell_has_resolved_is_none(
    healthy: Callable[[], Platform], patch: pytest.MonkeyPatch
) -> None:
    """`op run --env-file .env` gives the values to what it starts; git may have the references."""
    platform = healthy()
    platform.write_dotenv(SECRET_KEY="op://development/omc/secret-key")
    (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert (found.subject, found.severity) == ("SECRET_KEY", "error") and "reference" in found.evidence[0]
    with patch.context() as shell:
        shell.setenv("SECRET_KEY", HEX(32))
        assert causes(diagnosed(platform.root, False)) == []
        platform.git("add", "--force", ".env")
        (found,) = (each for each in diagnosed(platform.root, False) if each.is_root_cause)
    assert not any("SECRET_KEY" in fact for fact in found.evidence)


@pytest.mark.parametrize(
    ("value", "severity"),
    [("omc", "info"), ("omc-${DOMAIN}", "info"), ("${RELEASE_NAME}", "error"), ("${NO}", "error")],
)
def test_what_compose_sets_is_lacked_by_a_start_by_hand_alone(
    value: str, severity: str, healthy: Callable[[], Platform]
) -> None:
    """The older templates of FastAPI have SERVER_NAME only there."""
    platform = healthy()
    _field(platform, "RELEASE_NAME: str")
    platform.edit(platform.compose, "- DOMAIN=${DOMAIN}\n", f"- DOMAIN=${{DOMAIN}}\n      - RELEASE_NAME={value}\n")
    (found,) = (each for each in diagnosed(platform.root, False) if each.check == "required-empty")
    assert (found.subject, found.severity) == ("RELEASE_NAME", severity)
    assert ("sets it for service backend" in " ".join(found.evidence)) == (severity == "info")


def test_what_settings_require_after_all_is_to_be_written(healthy: Callable[[], Platform]) -> None:
    """Where it is not there, it is no value to correct: without secrets_dir, the .env has to have it."""
    platform = healthy()
    _field(platform, "AGENT_KEY: str")
    platform.edit(
        platform.config, 'extra="ignore",\n    )', "secrets_dir=None if 1 else '',\n        extra='ignore',\n    )"
    )
    (found,) = (each for each in diagnosed(platform.root, True) if each.check == "settings-refused")
    assert found.remedy.command == f"Write AGENT_KEY= and the value into {platform.dotenv}."


def test_what_settings_refuse_empty_is_for_a_setup_that_loads_them(healthy: Callable[[], Platform]) -> None:
    """Its plan has the repair only where it knows what they accept."""
    platform = healthy()
    platform.edit(platform.config, "env_ignore_empty=True,\n        extra", "extra")
    (found,) = (each for each in diagnosed(platform.root, True) if each.check == "settings-refused")
    assert (found.subject, found.remedy.parameters["allow_code"]) == ("SENTRY_DSN", "true")


def test_a_file_that_is_written_like_yaml_is_one_finding(findings_of: Callable[[str], Findings]) -> None:
    """All of its lines have the same remedy."""
    (found,) = (each for each in findings_of("colon: in every line") if each.status == "found")
    assert (found.check, found.subject, found.remedy.runbook) == ("colon", ".env", "local_setup")


@pytest.mark.parametrize("form", ["JSON", "a list"])
def test_a_file_in_another_format_is_one_finding(form: str, healthy: Callable[[], Platform]) -> None:
    """Each of its lines is to be written anew."""
    platform = healthy()
    lines = [line for line in platform.dotenv.read_text().splitlines() if line[:1].isalpha()]
    entries = dict(line.split("=", 1) for line in lines)
    text = json.dumps(entries, indent=2) if form == "JSON" else "\n".join(f"- {line}" for line in lines)
    platform.dotenv.write_text(f"{text}\n")
    (found,) = (each for each in diagnosed(platform.root, False) if each.status == "found")
    assert (found.check, found.subject) == ("unreadable-line", ".env")
    assert found.remedy.command == f"Write each variable of {platform.dotenv} as NAME=value in a line of its own."


@pytest.mark.parametrize("mark", ["|", ">-", " |2"])
def test_the_mark_of_a_yaml_block_is_no_value(mark: str, healthy: Callable[[], Platform]) -> None:
    """The value is in the lines below, which may look like names, and which no plan can join."""
    platform, value = healthy(), "JBSWY3DPEHPK3PXP" * 2
    text = re.sub(r"\nSECRET_KEY=.*", f"\nSECRET_KEY: {mark}\n  {value}\n  A: {value}", platform.dotenv.read_text())
    platform.dotenv.write_text(text)
    snapshot = look(platform.root, False)
    (found,) = (each for each in root_causes.diagnose(snapshot) if each.status == "found")
    assert (found.check, found.subject, found.remedy.runbook) == ("colon", "SECRET_KEY", "")
    assert "mark of a YAML block" in found.evidence[0] and value not in repr(found)
    assert snapshot.workstation and plan_dotenv(snapshot.workstation).is_empty


@pytest.mark.parametrize(("name", "lines"), [("REDIS_HOST", 1), ("Redis_Host", 2)])
def test_a_name_in_two_cases_is_for_a_person(name: str, lines: int, healthy: Callable[[], Platform]) -> None:
    """local_setup does not choose between two values."""
    platform = healthy()
    text = platform.dotenv.read_text().replace("\nREDIS_HOST=", f"\n{name}=")
    platform.dotenv.write_text(f"{text}redis_host=cache\n")
    found = [each for each in diagnosed(platform.root, False) if each.check == "lowercase"]
    way = f"Keep one of the lines of {name} and redis_host in {platform.dotenv}, as REDIS_HOST=."
    assert [(each.remedy.runbook, each.remedy.command) for each in found] == [("", way)] * lines


@pytest.mark.parametrize("reader", ["Settings", "Compose"])
def test_a_file_that_is_read_in_place_of_the_dotenv_becomes_it(reader: str, healthy: Callable[[], Platform]) -> None:
    """No second file with other values is made, and what it has is judged."""
    platform = healthy()
    (platform.root / ".gitignore").write_text(".env\n.env.local\n")
    other = platform.dotenv.rename(platform.root / ".env.local")
    if reader == "Compose":
        platform.compose.write_text(platform.compose.read_text().replace("- .env\n", "- .env.local\n"))
    else:
        platform.edit(platform.config, LATER[0], LATER[1].replace("more.env", other.name))
    (found,) = (each for each in diagnosed(platform.root, True) if each.check == "dotenv-missing")
    assert found.remedy.command == f"ln -s {other} {platform.dotenv}"
    subprocess.run(found.remedy.command, shell=True, check=True)
    assert causes(diagnosed(platform.root, True)) == []


@pytest.mark.parametrize("more", ["", "        required: false\n"])
def test_quotes_stay_in_a_value_that_compose_takes_raw(
    more: str, healthy: Callable[[], Platform], patch: pytest.MonkeyPatch
) -> None:
    """As Docker Compose 2.30 and later do."""
    platform = healthy()
    platform.write_dotenv(OPENAI_API_KEY=f"'sk-{HEX(16)}'", FIRST_SUPERUSER_PASSWORD=f"{HEX(12)}$x")
    text = platform.compose.read_text()
    platform.compose.write_text(text.replace("- .env\n", f"- path: ./.env\n        format: raw\n{more}"))
    with patch.context() as recent:
        recent.setattr(docker, "find_compose", lambda checkout: ("docker", "compose"))
        recent.setattr(docker, "read_config", lambda *each: docker.ComposeConfig({}))
        recent.setattr(dotenv, "read_env_file", lambda *each: docker.EnvFile())
        findings = diagnosed(platform.root, False)
    assert "dollar" not in causes(findings)
    found = {each.subject: each for each in findings if each.check == "readers-differ"}
    assert found["OPENAI_API_KEY"].status == "found" and "SECRET_KEY" not in found
    assert "without them, or take format: raw out" in found["OPENAI_API_KEY"].remedy.command


LATER = ('env_file="../.env",\n        env', 'env_file=("../.env", "../more.env"),\n        env')


@pytest.mark.parametrize("reader", ["Settings", "Compose", "Settings alone"])
def test_what_settings_refuse_of_a_later_file_is_to_be_corrected_there(
    reader: str, healthy: Callable[[], Platform]
) -> None:
    """The line of the .env is right."""
    platform, more = healthy(), "more.env"
    if reader == "Compose":
        platform.compose.write_text(platform.compose.read_text().replace("- .env\n", f"- .env\n      - {more}\n"))
    else:
        platform.edit(platform.config, *LATER)
    if reader == "Settings alone":
        platform.compose.unlink()
    (platform.root / more).write_text("POSTGRES_PORT=abc\n")
    (found,) = (each for each in diagnosed(platform.root, True) if each.check == "settings-refused")
    assert (found.status, found.subject) == ("found", "POSTGRES_PORT in more.env")
    assert found.remedy.command == f"Correct POSTGRES_PORT in {platform.root / more}."
    (platform.root / more).write_text("POSTGRES_PORT=5432\n")
    assert "settings-refused" not in causes(diagnosed(platform.root, True))


def test_the_values_of_a_later_file_are_judged_too(healthy: Callable[[], Platform]) -> None:
    """They are what the application gets; local_setup writes none of them."""
    platform = healthy()
    platform.edit(platform.config, *LATER)
    more, value = platform.root / "more.env", HEX(16)
    lines = ("SECRET_KEY=changethis", "SMTP_PASSWORD=your-app-password", "FIRST_SUPERUSER_PASSWORD=qwerty")
    more.write_text("\n".join((*lines, f"POSTGRES_PASSWORD={value}", "REDIS_PASSWORD=${PROJECT_NAME}")))
    all_found = (each for each in diagnosed(platform.root, False) if each.status == "found")
    found = [each for each in all_found if each.check != "second-dotenv"]
    assert {(each.check, each.subject) for each in found} == {
        ("changethis", "SECRET_KEY in more.env"),
        ("placeholder", "SMTP_PASSWORD in more.env"),
        ("weak", "FIRST_SUPERUSER_PASSWORD in more.env"),
    }
    assert all(str(more) in each.remedy.command and not each.remedy.runbook for each in found)


def test_what_a_later_file_puts_right_is_no_finding(healthy: Callable[[], Platform]) -> None:
    """Only where no container gets the line of the .env."""
    platform = healthy()
    platform.edit(platform.config, *LATER)
    platform.write_dotenv(SECRET_KEY="changethis", OPENAI_API_KEY="your-openai-api-key")
    (platform.root / "more.env").write_text(f"SECRET_KEY={HEX(32)}\nOPENAI_API_KEY={LITERAL}\n")
    assert {*causes(diagnosed(platform.root, False))} == {"changethis", "placeholder", "second-dotenv"}
    platform.compose.unlink()
    assert causes(diagnosed(platform.root, False)) == ["second-dotenv"]


@pytest.mark.parametrize("deeply", [False, True])
def test_what_a_later_file_empties_or_encrypts_is_no_value(deeply: bool, healthy: Callable[[], Platform]) -> None:
    """The application gets it in the place of the line of the .env."""
    platform = healthy()
    platform.edit(platform.config, *LATER)
    lines = "SECRET_KEY=\nSMTP_PASSWORD=ENC[AES256_GCM,data:aGVs,iv:Zm9v,tag:YmF6]\nTAG=\n"
    (platform.root / "more.env").write_text(lines)
    found = diagnosed(platform.root, deeply)
    (empty,) = (each for each in found if each.check == "required-empty")
    assert (empty.status, empty.subject) == ("found", "SECRET_KEY in more.env")
    assert [each.subject for each in found if each.check == "placeholder" and each.status == "unknown"] == ["more.env"]
    assert "settings-refused" not in causes(found)


def test_the_later_files_are_looked_for_once(healthy: Callable[[], Platform], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many variables of the .env are empty."""
    platform, counts = healthy(), list[int]()
    platform.edit(platform.config, *LATER)
    (platform.root / "more.env").write_text("SECRET_KEY=\n")
    resolve, resolved = Path.resolve, list[Path]()
    monkeypatch.setattr(Path, "resolve", lambda path, strict=False: (resolved.append(path), resolve(path, strict))[1])
    for names in (("SECRET_KEY",), ("SECRET_KEY", "OPENAI_API_KEY", "POSTGRES_PASSWORD")):
        platform.write_dotenv(**dict.fromkeys(names, ""))
        resolved.clear()
        assert {each.subject for each in diagnosed(platform.root, False) if each.check == "required-empty"} >= {*names}
        counts.append(sum(path.name == "more.env" for path in resolved))
    assert counts[0] == counts[1] > 0


def test_a_file_that_the_env_is_a_link_to_is_no_later_one(healthy: Callable[[], Platform]) -> None:
    """Each of its values is one finding."""
    platform = healthy()
    platform.edit(platform.config, *LATER)
    platform.write_dotenv(SECRET_KEY="changethis")
    (platform.root / ".gitignore").write_text("*.env\n")
    platform.dotenv.rename(platform.root / "more.env")
    platform.dotenv.symlink_to("more.env")
    (found,) = (each for each in diagnosed(platform.root, False) if each.status == "found")
    assert (found.check, found.subject, found.remedy.runbook) == ("changethis", "SECRET_KEY", "local_setup")


def test_what_a_later_file_puts_right_is_not_refused(healthy: Callable[[], Platform]) -> None:
    """Only where no container gets the line of the .env."""
    platform = healthy()
    platform.edit(platform.config, *LATER)
    platform.write_dotenv(POSTGRES_PORT="abc")
    (platform.root / "more.env").write_text("POSTGRES_PORT=5432\n")
    (found,) = (each for each in diagnosed(platform.root, True) if each.check == "settings-refused")
    assert found.remedy.command == f"Correct POSTGRES_PORT in {platform.dotenv}."
    platform.compose.unlink()
    assert "settings-refused" not in causes(diagnosed(platform.root, True))


def test_env_file_is_named_as_seen_from_where_settings_are(healthy: Callable[[], Platform]) -> None:
    """A checkout may have no folder backend."""
    platform = healthy()
    platform.edit(platform.config, 'env_file="../.env",\n        env', 'env_file="../.env.dev",\n        env')
    (found,) = (each for each in diagnosed(platform.root, True) if each.check == "dotenv-missing")
    assert "as seen from backend/" in found.remedy.command
    (platform.root / "backend").rename(platform.root / "src")
    (found,) = (each for each in diagnosed(platform.root, True) if each.check == "dotenv-missing")
    assert "as seen from src/" in found.remedy.command


def test_a_file_that_compose_looks_for_elsewhere_is_told_once(findings_of: Callable[[str], Findings]) -> None:
    """It is no other file as well, which lacks what Settings requires."""
    problems = [
        each for each in findings_of("dotenv-missing: compose looks in another folder") if each.status == "found"
    ]
    assert [each.check for each in problems if each.is_root_cause] == ["dotenv-missing"]


def test_a_dotenv_that_the_code_does_not_load_is_linked(tmp_path: Path) -> None:
    """Without Compose, nobody but the code itself reads one; it is not moved away from where the code does."""
    (tmp_path / "app").mkdir()
    load = "load_dotenv(Path(__file__).parent / '.env')\nDOMAIN = os.environ['DOMAIN']\n"
    (tmp_path / "app/config.py").write_text(
        f"import os\nfrom pathlib import Path\nfrom dotenv import load_dotenv\n{load}"
    )
    (tmp_path / ".env.example").write_text("DOMAIN=localhost\n")
    for name, other in ((".env", "app/.env"), ("app/.env", ".env")):
        (tmp_path / name).write_text("DOMAIN=localhost\n")
        (tmp_path / name).chmod(0o600)
        (found,) = (each for each in diagnosed(tmp_path, False) if each.is_root_cause)
        assert found.check == "dotenv-missing" and "the application's code loads" in " ".join(found.evidence)
        assert found.remedy.command == f"ln -s {tmp_path / name} {tmp_path / other}"
        subprocess.run(found.remedy.command, shell=True, check=True)
        assert causes(diagnosed(tmp_path, False)) == []
        (tmp_path / other).unlink()
        (tmp_path / name).unlink()


def test_what_djangos_settings_of_production_require_is_not_missing_here(tmp_path: Path) -> None:
    """Unless the .env or Compose names them: manage.py runs those of a developer, whoever names these."""
    files = {
        "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf.local')\n",
        "conf/local.py": "import os\nA = os.environ['BROKER']\n",
        "conf/production.py": "import os\nfrom .local import A\nB=os.environ['ADMIN_PATH'], os.environ['SECRET_KEY']\n",
        ".env.example": "BROKER=\n",
        ".env": "BROKER=redis\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".env").chmod(0o600)
    assert causes(diagnosed(tmp_path, False)) == []
    (tmp_path / ".env").write_text("BROKER=redis\nDJANGO_SETTINGS_MODULE=conf.production\n")
    missing = {each.subject for each in diagnosed(tmp_path, False) if each.status == "found"}
    assert missing == {"ADMIN_PATH", "SECRET_KEY"}
    (tmp_path / ".env").write_text("BROKER=redis\nDJANGO_SETTINGS_MODULE=conf.local\n")
    assert causes(diagnosed(tmp_path, False)) == []
    for module, found in (("local", []), ("production", ["required-empty"])):
        compose = (
            f"services: {{app: {{build: ., env_file: .env, environment: [DJANGO_SETTINGS_MODULE=conf.{module}]}}}}\n"
        )
        (tmp_path / "compose.yaml").write_text(compose)
        (tmp_path / ".env").write_text("BROKER=redis\n")
        assert causes(diagnosed(tmp_path, False)) == found
    own = "DJANGO_SETTINGS_MODULE=conf.local\n"
    for passed_on, line, found in (
        ("${DJANGO_SETTINGS_MODULE:-conf.local}", "", []),
        ("${DJANGO_SETTINGS_MODULE-conf.local}", "", []),
        ("${DJANGO_SETTINGS_MODULE:-conf.production}", "", ["required-empty"]),
        ("${DJANGO_SETTINGS_MODULE:-conf.production}", own, []),
        ("${DJANGO_SETTINGS_MODULE:?}", own, []),
        ("$DJANGO_SETTINGS_MODULE", own, []),
    ):
        entry = f"DJANGO_SETTINGS_MODULE={passed_on}"
        (tmp_path / "compose.yaml").write_text(
            f"services: {{app: {{build: ., env_file: .env, environment: ['{entry}']}}}}\n"
        )
        (tmp_path / ".env").write_text(f"BROKER=redis\n{line}")
        assert causes(diagnosed(tmp_path, False)) == found


def test_what_a_later_file_of_settings_sets_is_not_missing(tmp_path: Path) -> None:
    """But for a container, where the empty line of the .env is a variable, which comes before each file."""
    settings = """\
from pydantic_settings import BaseSettings, SettingsConfigDict
class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=(".env", ".env.local"))
    BROKER: str
"""
    (tmp_path / "app").mkdir()
    for name, text in (("app/config.py", settings), (".env", "BROKER=\n"), (".env.example", "BROKER=\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / ".env").chmod(0o600)
    assert causes(diagnosed(tmp_path, False)) == ["required-empty"]
    (tmp_path / ".env.local").write_text("BROKER=redis\n")
    assert "required-empty" not in causes(diagnosed(tmp_path, False))
    (tmp_path / "compose.yaml").write_text("services: {app: {build: ., env_file: .env}}\n")
    assert "required-empty" in causes(diagnosed(tmp_path, False))


def test_a_misspelt_name_is_not_told_again_as_one_that_settings_forbid(healthy: Callable[[], Platform]) -> None:
    """Whoever corrects the name has taken the other one out."""
    cases = {str(case): case for case in FAULTS}
    root = break_(healthy(), cases["settings-refused: forbidden"], cases["misspelt: SECRECT_KEY"])
    found = [each for each in diagnosed(root, True) if each.status == "found"]
    assert not any(each.check == "settings-refused" and each.subject == "SECRECT_KEY" for each in found)
    assert "misspelt" in causes(found)


def test_the_way_to_a_new_password_of_the_database_makes_one_that_an_address_can_hold(
    healthy: Callable[[], Platform],
) -> None:
    """A slash in it would end the server's name."""
    platform = healthy()
    platform.write_dotenv(POSTGRES_PASSWORD="letmein", FIRST_SUPERUSER_PASSWORD="letmein")
    found = {each.subject: each.remedy.command for each in diagnosed(platform.root, False) if each.is_root_cause}
    assert "openssl rand -hex 32" in found["POSTGRES_PASSWORD"]
    assert "openssl rand -base64 32" in found["FIRST_SUPERUSER_PASSWORD"]


def test_each_finding_says_what_to_do_and_no_value(findings_of: Callable[[str], Findings]) -> None:
    """Each problem has a remedy, and no sentence has a value of the .env."""
    for name in CASES:
        for finding in findings_of(name):
            text = "\n".join((finding.subject, *finding.evidence, *finding.remedy.ways))
            assert not finding.is_problem or finding.remedy.ways, name
            assert not any(value in text for value in (A, B, LITERAL)), name
