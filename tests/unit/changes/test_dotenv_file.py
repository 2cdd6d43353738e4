"""The file that local_setup writes: what it mends and keeps, byte by byte, and what comes between."""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from dotenv import dotenv_values
from support.call_counts import count_calls
from support.dotenv_faults import HEX, Change, edit, put, swap
from support.local_setup_runs import assert_absent, bench, first, plan_file, source, write_file
from support.paths import SUPPORT
from support.platform_checkout import REQUIRED, Platform, make_platform
from support.snapshots import NOW, healthy

from omc_runbook.changes.dotenv import executor
from omc_runbook.changes.dotenv import plan as dotenv_plan
from omc_runbook.changes.dotenv.executor import StartResult
from omc_runbook.changes.engine.step import Cancelled
from omc_runbook.changes.secret.plan import KeyChange
from omc_runbook.diagnosis import root_causes
from omc_runbook.model import change as model_change
from omc_runbook.model.errors import ConflictError, Interrupted, UsageError
from omc_runbook.report import local_setup
from omc_runbook.repository.layout import statements
from omc_runbook.runbooks import local_setup as local_setup_runbook
from omc_runbook.workstation.docker import find_compose, read_env_file

__all__ = ["bench", "first"]
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("bench")]
VALUE, OTHER = HEX(16), HEX(12)
needs_compose = pytest.mark.skipif(find_compose() is None, reason="no Docker Compose here")


@pytest.fixture
def platform(tmp_path: Path, first: Platform) -> Platform:
    """A checkout in git with a healthy .env."""
    checkout = Platform(Path(shutil.copytree(first.root, tmp_path / "omc")))
    checkout.write_dotenv(SECRET_KEY=VALUE * 2, FIRST_SUPERUSER_PASSWORD=VALUE)
    return checkout


def values(platform: Platform) -> dict[str, str | None]:
    """What python-dotenv reads."""
    return dotenv_values(platform.dotenv, encoding="utf-8", interpolate=False)


def test_a_variable_is_found_without_comparing_the_names_of_all_lines(platform: Platform) -> None:
    """Each check asks for many of them, in any case."""
    workstation = plan_file(platform).workstation
    names = [each.name for each in workstation.bindings]
    assert [each.name for name in names if (each := workstation.binding(name.lower()))] == names
    assert count_calls(lambda: [*map(workstation.binding, names)], "casefold") == len(names)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_plan_asks_for_names_without_parsing_the_text_anew(is_there: bool, platform: Platform) -> None:
    """Each of the texts on the way from the file to the new one is split once, which gives the names and values."""
    if not is_there:
        platform.dotenv.unlink()
    workstation = plan_file(platform).workstation
    lines = len(values(platform)) if is_there else len(workstation.checkout.template_entries)
    statements.cache_clear()
    assert count_calls(lambda: dotenv_plan.plan_dotenv(workstation), "parse_binding") < 6 * lines


@needs_compose
def test_each_text_is_parsed_once_however_many_values_are_quoted(platform: Platform) -> None:
    """A plan of a thousand of them took half a minute."""
    healthy, calls = platform.dotenv.read_text(), list[int]()
    for count in (2, 8):
        platform.dotenv.write_text(healthy + "".join(f"DOLLAR_{at}=a$b{at}\n" for at in range(count)))
        workstation = plan_file(platform).workstation
        statements.cache_clear()
        calls.append(count_calls(lambda each=workstation: dotenv_plan.plan_dotenv(each), "set_values"))  # type: ignore[misc]
        plan = dotenv_plan.plan_dotenv(workstation)
        assert sum("in single quotes" in each for each in plan.mends) == count
    assert calls[0] == calls[1]


def test_an_encrypted_file_is_left_alone(platform: Platform) -> None:
    """No generated value is written beside those that only its tool can read."""
    platform.dotenv.write_text("SECRET_KEY=ENC[AES256_GCM,data:aGVsbG8,iv:Zm9v,tag:YmF6,type:str]\n")
    plan = plan_file(platform)
    assert plan.is_empty and "is encrypted by sops or dotenvx" in plan.obstacle


def test_a_field_with_several_names_gets_one_line(platform: Platform) -> None:
    """Its value is generated as that of the key which one of the names is."""
    aliases = 'SECRET_KEY: str = Field(validation_alias=AliasChoices("JWT_SECRET", "SECRET_KEY"))'
    platform.config.write_text(re.sub(r"SECRET_KEY: str\b[^\n]*", aliases, platform.config.read_text(), count=1))
    platform.template.write_text(platform.template.read_text().replace("SECRET_KEY=", "JWT_SECRET=", 1))
    for path in (platform.dotenv, platform.compose):
        path.unlink()
    write_file(plan_file(platform))
    assert re.fullmatch(r"[0-9a-f]{64}", values(platform)["JWT_SECRET"] or "")
    assert "SECRET_KEY" not in values(platform) and plan_file(platform).is_empty


def test_a_required_field_is_asked_for_by_the_name_that_the_template_has(platform: Platform) -> None:
    """Another of its names is one that nobody on the team knows; an optional variable would be commented out."""
    names = 'agent_key: SecretStr = Field(validation_alias=AliasChoices("AGENT_KEY", "PROVIDER_TOKEN"))'
    text = re.sub(r"OPENAI_API_KEY: str\b[^\n]*", names, platform.config.read_text(), count=1)
    platform.config.write_text(text.replace("env_ignore_empty=True,\n        extra", "extra", 1))
    platform.template.write_text(platform.template.read_text().replace("OPENAI_API_KEY=", "PROVIDER_TOKEN=", 1))
    platform.dotenv.unlink()
    plan = plan_file(platform)
    write_file(plan)
    assert values(platform)["PROVIDER_TOKEN"] == "" and "AGENT_KEY" not in values(platform)
    assert [each.variable for each in plan.missing] == ["PROVIDER_TOKEN"]


def test_a_key_of_the_catalogue_is_generated_under_the_prefix_of_settings(platform: Platform) -> None:
    """It is the same key, by the name that env_prefix gives its field."""
    text = re.sub(r"SECRET_KEY: str\b[^\n]*", "SECRET_KEY: str", platform.config.read_text(), count=1)
    platform.config.write_text(text.replace('extra="ignore",\n    )', 'extra="ignore", env_prefix="APP_"\n    )', 1))
    platform.template.write_text(platform.template.read_text().replace("\nSECRET_KEY=", "\nAPP_SECRET_KEY=", 1))
    for path in (platform.dotenv, platform.compose):
        path.unlink()
    write_file(plan_file(platform))
    assert re.fullmatch(r"[0-9a-f]{64}", values(platform)["APP_SECRET_KEY"] or "")


@pytest.mark.parametrize(
    ("code", "is_generated"),
    [
        ("from environ import Env\n\nenv = Env()\nDEBUG = True\nSECRET_KEY = env('APP_KEY')\n", True),
        ("import os\n\nALLOWED_HOSTS = []\nSECRET_KEY = os.environ.get('APP_KEY') or exit()\n", True),
        ("import os\n\n\nclass Config:\n    TESTING = False\n    SECRET_KEY = os.environ['APP_KEY']\n", True),
        ("import os\n\napp.config['SECRET_KEY'] = os.environ['APP_KEY']\n", True),
        ("import os\n\napp.config.from_mapping(SECRET_KEY=os.environ['APP_KEY'])\n", True),
        ("import os\n\napp.config.update({'SECRET_KEY': os.environ['APP_KEY'], **more})\n", True),
        ("import os\n\ns3.config.update(ACCESS_KEY='a', SECRET_KEY=os.environ['APP_KEY'])\n", False),
        ("import os\n\nstore.update(SECRET_KEY=os.environ['APP_KEY'])\n", False),
        ("import os\n\nDEBUG: bool = True\nSECRET_KEY: str = os.environ['APP_KEY']\n", True),
        ("import os\n\nACCESS_KEY = 'a'\nSECRET_KEY = os.environ['APP_KEY']\n", False),
        ("import os\n\nDEBUG = True\nACCESS_KEY = 'a'\nSECRET_KEY = os.environ['APP_KEY']\n", False),
        ("import os\n\nDEBUG = True\nS3_KEY = os.environ['APP_KEY']\n", False),
    ],
)
def test_the_secret_key_of_django_and_flask_is_generated_under_another_name(
    code: str, is_generated: bool, platform: Platform
) -> None:
    """One of a store of files is not: its provider gives it."""
    platform.config.write_text(code)
    platform.template.write_text("APP_KEY=\n")
    for path in (platform.dotenv, platform.compose):
        path.unlink()
    write_file(plan_file(platform))
    assert bool(re.fullmatch(r"[0-9a-f]{64}", values(platform)["APP_KEY"] or "")) == is_generated


def test_a_line_that_is_skipped_is_not_logged(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    """A finding names it; python-dotenv's warnings would stand in the notebook, once for each look at the text."""
    platform.dotenv.write_text(f"{platform.dotenv.read_text()}'{VALUE}'junk\n")
    assert plan_file(platform).is_empty and not caplog.records


def for_compose(platform: Platform) -> dict[str, str]:
    """What Docker Compose reads; skips the test where there is none."""
    program = find_compose()
    if program is None:
        pytest.skip("no Docker Compose here")
    return dict(read_env_file(program, platform.dotenv, os.environ).values)


def colons(raw: bytes) -> bytes:
    return re.sub(rb"(?m)^(\w+)=", rb"\1: ", raw)


def lower(raw: bytes) -> bytes:
    return re.sub(rb"(?m)^[A-Z_0-9]+=", lambda name: name[0].lower(), raw)


MENDED: dict[str, Change] = {
    "line ends": edit(lambda raw: raw.replace(b"\n", b"\r\n")),
    "mixed line ends": edit(lambda raw: raw.replace(b"\n", b"\r\n", 30)),
    "old line ends": edit(lambda raw: raw.replace(b"\n", b"\r")),
    "byte order mark": edit(lambda raw: b"\xef\xbb\xbf" + raw),
    "both": edit(lambda raw: b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n")),
    "colon": swap("\nSECRET_KEY=", "\nSECRET_KEY: "),
    "colon without a blank": swap("\nSECRET_KEY=", "\nSECRET_KEY:"),
    "colon and equals sign": swap("\nSECRET_KEY=", "\nSECRET_KEY:="),
    "colon between blanks": swap("\nSECRET_KEY=", "\nSECRET_KEY : "),
    "colons": edit(colons),
    "lower case": swap("\nSECRET_KEY=", "\nsecret_key="),
    "names": edit(lower),
    "mode": lambda platform: platform.dotenv.chmod(0o644),
}


@pytest.mark.parametrize("name", MENDED)
def test_what_is_mended_gives_the_healthy_file_back_to_the_byte(name: str, platform: Platform) -> None:
    """Line ends, mark, colons, case and mode; every value, comment and blank stays, and no value is shown."""
    healthy, secret_values = platform.dotenv.read_bytes(), [str(values(platform)[name]) for name in REQUIRED]
    MENDED[name](platform)
    plan = plan_file(platform)
    output = "\n".join((*dotenv_plan.diff_lines(plan), *plan.mends, repr(plan)))
    assert write_file(plan).wrote
    assert platform.dotenv.read_bytes() == healthy
    assert platform.dotenv.stat().st_mode & 0o777 == 0o600
    assert_absent(secret_values, output)
    assert plan_file(platform).is_empty


def test_a_placeholder_that_becomes_empty_is_in_the_plan(platform: Platform) -> None:
    """The line changes, so the plan and the record say so."""
    put(OPENAI_API_KEY="<your-key>")(platform)
    plan = plan_file(platform)
    assert plan.sentences == ("OPENAI_API_KEY would be changed (no value yet: left empty).",)
    assert [(change.key, change.action) for change in write_file(plan).changes] == [("OPENAI_API_KEY", "changed")]


def test_a_placeholder_that_repeats_a_variable_stays(platform: Platform) -> None:
    """Of two lines the last one counts: emptied, it would take the value away that the other one has."""
    edit(lambda raw: raw + b"SECRET_KEY=changeme\n")(platform)
    plan = plan_file(platform)
    assert plan.is_empty and plan.after == platform.dotenv.read_bytes()


@pytest.mark.parametrize(
    ("comment", "masked"),
    [
        ("# before: {}", "# ‹a comment›"),
        ("## SECRET_KEY={}", "# ‹a comment›"),
        ("# SECRET_KEY: {}", "# ‹a comment›"),
        ("#{}", "# ‹a comment›"),
        ("# SECRET_KEY={}", "# SECRET_KEY=‹SECRET_KEY›"),
        ("# export FORMER={}", "# FORMER=‹FORMER›"),
    ],
)
def test_a_comment_that_is_not_the_templates_is_not_shown(comment: str, masked: str, platform: Platform) -> None:
    """A former value may be in it."""
    swap("\nSECRET_KEY=", f"\n{comment.format(OTHER)}\nSECRET_KEY: ")(platform)
    lines = [*dotenv_plan.diff_lines(plan_file(platform))]
    assert lines[1:] == [f" {masked}", "-‹a line that cannot be read›", "+SECRET_KEY=‹SECRET_KEY›", " "]


@pytest.mark.parametrize("line", ["a{0}", "1{0}", "{0}+{0}==", "SMTP_HOST:{0}={0}", "export a{0}"])
def test_a_piece_of_a_value_that_reads_like_a_name_is_not_shown(line: str, platform: Platform) -> None:
    """A value that was split into lines, or that its colon has made a part of the name."""
    swap("\nSECRET_KEY=", f"\n{line.format(OTHER)}\nSECRET_KEY: ")(platform)
    plan = plan_file(platform)
    text = "\n".join((*dotenv_plan.diff_lines(plan), repr(plan.changes)))
    assert OTHER not in text and "‹a line that cannot be read›" in text


def test_the_undo_of_a_new_file_behind_a_link_removes_the_file(platform: Platform, tmp_path: Path) -> None:
    """The link was there before, its target was not."""
    platform.dotenv.unlink()
    platform.dotenv.symlink_to(tmp_path / "shared.env")
    plan = plan_file(platform)
    undo = local_setup.undo(plan, write_file(plan)).entries[0].command
    subprocess.run(undo, shell=True, check=True)
    assert platform.dotenv.is_symlink() and not platform.dotenv.exists()


def test_a_name_that_compose_reads_as_it_is_written_stays(platform: Platform) -> None:
    """In another case, Compose would lose the value, and the template's line would replace it for Settings."""
    platform.edit(platform.compose, "- REDIS_HOST=redis\n", "- REDIS_HOST=${redis_host}\n")
    swap("\nREDIS_HOST=localhost", "\nredis_host=cache")(platform)
    assert plan_file(platform).is_empty


DOLLARS = ("pa$word", f"{OTHER}$$x", f"{OTHER}$x-y", f"#{OTHER}$x", f"{OTHER}$x\\t", f"a b$c {OTHER}")


@pytest.mark.parametrize("value", DOLLARS, ids=lambda value: value.replace(OTHER, "other"))
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_dollar_is_quoted_so_that_both_readers_have_what_was_meant(
    value: str, quote: str, platform: Platform
) -> None:
    """What python-dotenv had is kept, and compose has the same from now on."""
    put(FIRST_SUPERUSER_PASSWORD=f"{quote}{value}{quote}")(platform)
    expected, others = values(platform)["FIRST_SUPERUSER_PASSWORD"], platform.dotenv.read_text().splitlines()
    plan = plan_file(platform)
    write_file(plan)
    assert values(platform)["FIRST_SUPERUSER_PASSWORD"] == for_compose(platform)["FIRST_SUPERUSER_PASSWORD"] == expected
    changed = [line for line in platform.dotenv.read_text().splitlines() if line not in others]
    assert [line.partition("=")[0] for line in changed] == ["FIRST_SUPERUSER_PASSWORD"]
    assert_absent([str(expected)], "\n".join(dotenv_plan.diff_lines(plan)))


def test_an_escaped_dollar_is_left_and_told_of(platform: Platform) -> None:
    """Compose and a shell have read the value without the backslash, which single quotes would keep for all."""
    line = f'"{OTHER}\\$word"'
    put(FIRST_SUPERUSER_PASSWORD=line)(platform)
    assert for_compose(platform)["FIRST_SUPERUSER_PASSWORD"] == f"{OTHER}$word"
    assert plan_file(platform).is_empty
    snapshot = local_setup_runbook.look(local_setup_runbook.begin("local", "", str(platform.root)))
    (found,) = (each for each in root_causes.diagnose(snapshot) if each.check == "dollar")
    assert "removes the backslash" in found.evidence[0] and "without the backslash" in found.remedy.command
    put(FIRST_SUPERUSER_PASSWORD=f"'{OTHER}$word'")(platform)
    assert values(platform)["FIRST_SUPERUSER_PASSWORD"] == for_compose(platform)["FIRST_SUPERUSER_PASSWORD"]


@needs_compose
@pytest.mark.parametrize(
    ("value", "other", "is_left"),
    [
        ('"pw\\$word$NOPE"', "x", True),
        ('"pw\\$word"', "${1X}", True),
        ('"pw\\\\\\$word"', "x", True),
        ('"pw\\\\$word"', "x", False),
        ('"pw$word"', "${1X}", False),
        ('"pw$word" # not \\$x', "x", False),
        ('"pw\\"$word" # \\${x}', "x", False),
        ('"pw\\$word" # "x"', "x", True),
    ],
)
def test_an_escaped_dollar_is_left_whatever_else_is_there(
    value: str, other: str, is_left: bool, platform: Platform
) -> None:
    """Another variable beside it, or a line for which Compose rejects the file; two backslashes escape no dollar.

    What a comment after the quotes has is no part of the value.
    """
    put(FIRST_SUPERUSER_PASSWORD=value, SENTRY_RELEASE=other)(platform)
    assert any("FIRST_SUPERUSER_PASSWORD" in each for each in plan_file(platform).mends) != is_left


@pytest.mark.parametrize("value", ["pa${word}x", "${TAG-x}", "${TAG:?no tag}", '"${TAG:+x}"', "${TAG}-x$y"])
def test_a_value_that_no_quotes_can_hold_is_left_and_told_of(value: str, platform: Platform) -> None:
    """python-dotenv expands ${…} in any quotes: the line stays, for only a person can say what is meant."""
    put(FIRST_SUPERUSER_PASSWORD=value)(platform)
    plan = plan_file(platform)
    assert plan.is_empty
    snapshot = local_setup_runbook.look(local_setup_runbook.begin("local", "", str(platform.root)))
    (found,) = (each for each in root_causes.diagnose(snapshot) if each.check == "dollar")
    assert not found.remedy.runbook and (found.status == "skipped" or "${NAME:-default}" in found.remedy.command)


@pytest.mark.parametrize("name", ["SECRET_KEY", "OPENAI_API_KEY"])
@pytest.mark.parametrize(
    "value", ["${MY_OWN}", '"${MY_OWN}"', "${MY_OWN:-x}", "${NOT_MINE:-0123456789abcdefghij}", "${LATER}"]
)
def test_a_reference_to_another_variable_is_a_value_that_stays(name: str, value: str, platform: Platform) -> None:
    """Both readers insert the other one's value, or what stands behind :-, if it is above."""
    put(**{name: value})(platform)
    text = platform.dotenv.read_text()
    platform.dotenv.write_text(f"MY_OWN={OTHER}\n{text}LATER=x\n")
    assert plan_file(platform).is_empty
    platform.dotenv.write_text(text.replace(value, "${YOUR_KEY}"))
    plan = plan_file(platform)
    is_generated = name == "SECRET_KEY"
    assert [each.key for each in plan.changes if each.action == "changed"] == ([name] if is_generated else [])
    assert [each.variable for each in plan.missing] == ([] if is_generated else [name])


@needs_compose
@pytest.mark.parametrize(
    ("value", "fact"),
    [
        ("'pw${word}x'", "python-dotenv expands ${…} in single quotes"),
        ('"pw\\${word}x"', "python-dotenv expands ${…} in single quotes and after \\ or $ too"),
        ("pw$${word}x", "after \\ or $ too"),
        ('"pw${word:+x}"', "Docker Compose replaces $NAME"),
        ('"pw$word"', "Docker Compose replaces $NAME"),
    ],
)
def test_a_finding_says_which_program_expands_a_dollar(value: str, fact: str, platform: Platform) -> None:
    """In single quotes that is python-dotenv, so that these are no way to insert another variable for both."""
    put(FIRST_SUPERUSER_PASSWORD=value)(platform)
    snapshot = local_setup_runbook.look(local_setup_runbook.begin("local", "", str(platform.root)))
    (found,) = (each for each in root_causes.diagnose(snapshot) if each.check == "dollar")
    assert (
        fact in found.evidence[0] and found.title == "A $ in a value changes what Docker Compose or python-dotenv reads"
    )
    assert ("without single quotes" in found.remedy.command) == ("{" in value)


@pytest.mark.parametrize("value", ["postgres://$POSTGRES_USER:x@db/$POSTGRES_DB", '"$POSTGRES_USER"'])
def test_a_reference_to_another_variable_is_left_as_compose_takes_it(value: str, platform: Platform) -> None:
    """In single quotes it would be a text: whoever meant the other variable's value would lose it."""
    put(SENTRY_RELEASE=value)(platform)
    assert plan_file(platform).is_empty


def test_the_last_line_of_a_variable_keeps_its_value_beside_an_empty_one(platform: Platform) -> None:
    """Its first line has a comment in place of a value; which of the two goes, a person says."""
    text = platform.dotenv.read_text()
    platform.dotenv.write_text(f"REDIS_TTL_SECONDS= # seconds\n{text}")
    assert plan_file(platform).is_empty
    assert values(platform)["REDIS_TTL_SECONDS"] == "300"


def test_a_comment_after_a_tab_is_repaired_with_the_colon_of_its_line(platform: Platform) -> None:
    """A second run has nothing left to do."""
    swap("\nPOSTGRES_PORT=5432", "\nPOSTGRES_PORT: 5432\t# mine")(platform)
    assert write_file(plan_file(platform)).wrote
    assert "\nPOSTGRES_PORT=5432 # mine\n" in platform.dotenv.read_text()
    assert plan_file(platform).is_empty


def test_a_ruler_in_a_value_is_no_merge_conflict(platform: Platform) -> None:
    """Nothing keeps such a file from being mended."""
    put(SENTRY_RELEASE="'one\n=======\nthree'")(platform)
    swap("\nSECRET_KEY=", "\nSECRET_KEY: ")(platform)
    assert write_file(plan_file(platform)).wrote
    assert values(platform)["SENTRY_RELEASE"] == "one\n=======\nthree"


@pytest.mark.parametrize("line", ["secret_key='{}$x'", 'secret_key="{}$x"', "SECRET_KEY: {}$x", "SECRET_KEY: {}$$x"])
def test_a_dollar_is_quoted_in_the_run_that_repairs_the_name_of_its_line(line: str, platform: Platform) -> None:
    """A second run has nothing left to do."""
    swap(f"\nSECRET_KEY={VALUE * 2}\n", f"\n{line.format(OTHER)}\n")(platform)
    write_file(plan_file(platform))
    expected = f"{OTHER}$$x" if "$$" in line else f"{OTHER}$x"
    assert values(platform)["SECRET_KEY"] == for_compose(platform)["SECRET_KEY"] == expected
    assert plan_file(platform).is_empty


@pytest.mark.parametrize(
    ("name", "blank", "sentences"),
    [
        ("OPENAI_API_KEY", "", ["OPENAI_API_KEY would be changed (no value yet: left empty)."]),
        ("OPENAI_API_KEY", " ", ["Line 1: OPENAI_API_KEY is empty, and the comment after it is not its value."]),
        ("REDIS_TTL_SECONDS", "", ["Line 1: REDIS_TTL_SECONDS is empty, and the comment after it is not its value."]),
        ("X.Y.Z", "", ["Line 1: X.Y.Z is empty, and the comment after it is not its value."]),
        ("x.y", "", []),
    ],
)
def test_a_comment_in_place_of_a_value_stays_and_the_plan_has_the_line(
    name: str, blank: str, sentences: list[str], platform: Platform
) -> None:
    """Also that of a required variable; a name that cannot be shown keeps its line."""
    others = [line for line in platform.dotenv.read_text().splitlines() if not line.startswith(f"{name}=")]
    platform.dotenv.write_text("\n".join([f"{name}={blank}# note", *others, ""]))
    plan = plan_file(platform)
    assert [*plan.sentences] == sentences
    write_file(plan)
    first, *rest = platform.dotenv.read_text().splitlines()
    assert (first.replace("''", "").replace(" ", ""), rest) == (f"{name}=#note", others)
    assert plan_file(platform).is_empty


@pytest.mark.parametrize("line", ["export MY_PROXY # from the shell = mine", "MY-PROXY:   # none"])
def test_a_name_without_an_equals_sign_gets_no_value(line: str, platform: Platform) -> None:
    """Its comment is in place of nothing."""
    platform.dotenv.write_text(f"{line}\n{platform.dotenv.read_text()}")
    plan = plan_file(platform)
    assert plan.is_empty and not plan.mends


def test_what_is_begun_in_a_line_that_cannot_be_read_is_left_to_whoever_wrote_it(platform: Platform) -> None:
    """No other value is made for it; and with a quote that is not closed nothing is written at all."""
    swap("\nSECRET_KEY=", "\nSECRET_KEY ")(platform)
    before = platform.dotenv.read_bytes()
    assert plan_file(platform).after == before
    swap("\nSECRET_KEY ", "\nSECRET_KEY='")(platform)
    before = platform.dotenv.read_bytes()
    with pytest.raises(UsageError, match=r"A quote in line 33 is not closed: close it first\. Nothing was written\."):
        write_file(plan_file(platform))
    assert platform.dotenv.read_bytes() == before


@pytest.mark.parametrize("value", ['"x', '"x\nPOSTGRES_DB="two"'])
def test_a_colon_whose_repair_would_open_a_quote_stays(value: str, platform: Platform) -> None:
    """Before it, python-dotenv takes the quote for a part of the name, and no other line is lost."""
    platform.dotenv.write_text(f"MY_OWN:{value}\n{platform.dotenv.read_text()}")
    assert plan_file(platform).obstacle.startswith("A quote in line 1 ")


def test_an_empty_line_with_a_colon_that_settings_would_refuse_becomes_a_comment(platform: Platform) -> None:
    """Settings has not read it, so that a second repair would follow."""
    platform.edit(platform.config, 'env_file="../.env",\n        env_ignore_empty=True,\n', 'env_file="../.env",\n')
    text = re.sub(r"\n(SENTRY_DSN|REDIS_PASSWORD)=", r"\n\1:", platform.dotenv.read_text())
    platform.dotenv.write_text(text)
    plan = plan_file(platform)
    assert "SENTRY_DSN is commented out: Settings does not accept an empty text for it." in plan.sentences
    write_file(plan)
    assert "\n# SENTRY_DSN=\n" in platform.dotenv.read_text() and values(platform)["REDIS_PASSWORD"] == ""
    assert plan_file(platform).is_empty


@pytest.mark.parametrize(
    ("annotation", "line"),
    [
        ("SecretStr | None = None", "SENTRY_DSN="),
        ("Optional[pydantic.SecretStr] = None", "SENTRY_DSN="),
        ('bytes = b""', "SENTRY_DSN="),
        ("SecretStr | None = Field(default=None, min_length=8)", "# SENTRY_DSN="),
        ("list[SecretStr] = []", "# SENTRY_DSN="),
        ("StrictBytes | None = None", "# SENTRY_DSN="),
        ('Literal["strict", "bytes"] = "strict"', "# SENTRY_DSN="),
        ('str | Literal["strict"] = "strict"', "SENTRY_DSN="),
        ("Json[str] | None = None", "# SENTRY_DSN="),
    ],
)
def test_a_variable_without_a_value_comes_in_empty_where_its_type_takes_that(
    annotation: str, line: str, platform: Platform
) -> None:
    """Settings takes an empty SecretStr as it does an empty str."""
    text = platform.config.read_text().replace("env_ignore_empty=True,\n        extra", "extra", 1)
    platform.config.write_text(re.sub(r"SENTRY_DSN: [^\n]*", f"SENTRY_DSN: {annotation}", text, count=1))
    put(SENTRY_DSN=None)(platform)
    plan = plan_file(platform)
    assert any("SENTRY_DSN is added as a comment" in each for each in plan.sentences) == line.startswith("#")
    write_file(plan)
    assert f"\n{line}\n" in platform.dotenv.read_text() and plan_file(platform).is_empty


@pytest.mark.parametrize("name", ["Secret_Key", "secret_key"])
@pytest.mark.parametrize("is_sensitive", [False, True])
def test_a_name_in_two_wrong_lines_stays(is_sensitive: bool, name: str, platform: Platform) -> None:
    """Renamed, the one line would override the other; a new one would override both."""
    if is_sensitive:
        platform.edit(platform.config, 'env_file="../.env",\n', 'env_file="../.env", case_sensitive=True,\n')
    text = platform.dotenv.read_text().replace("\nSECRET_KEY=", f"\n{name}=")
    platform.dotenv.write_text(f"{text}secret_key={OTHER}\n")
    assert plan_file(platform).is_empty


@pytest.mark.parametrize("line", ["SECRET_KEY: ${{MY_OWN:-{}}}", "secret_key=${{MY_OWN:-{}}}"])
def test_a_default_in_a_line_whose_name_is_repaired_is_a_value_that_stays(line: str, platform: Platform) -> None:
    """Nothing is generated in its place."""
    swap(f"\nSECRET_KEY={VALUE * 2}\n", f"\n{line.format(OTHER)}\n")(platform)
    write_file(plan_file(platform))
    assert values(platform)["SECRET_KEY"] == f"${{MY_OWN:-{OTHER}}}"


def test_a_variable_that_comes_in_as_a_comment_is_in_the_plan(platform: Platform) -> None:
    """Settings takes no empty text for it."""
    text = platform.config.read_text().replace("env_ignore_empty=True,\n        extra", "extra", 1)
    platform.config.write_text(text)
    put(SENTRY_DSN=None)(platform)
    plan = plan_file(platform)
    assert plan.sentences == ("SENTRY_DSN is added as a comment: Settings does not accept an empty text for it.",)
    write_file(plan)
    assert "\n# SENTRY_DSN=\n" in platform.dotenv.read_text() and plan_file(platform).is_empty


@pytest.mark.parametrize("text", ['O="never closed\n', 'O="one\nPOSTGRES_DB="two"\n', "O='one\nSMTP_HOST=\n'\n"])
def test_a_template_with_an_open_quote_is_not_copied(text: str, platform: Platform) -> None:
    """The .env would be as broken, and its repair would last until the next copy."""
    platform.dotenv.unlink()
    template = platform.template.read_text()
    platform.template.write_text(f"{template}\n{text}")
    plan = plan_file(platform)
    line = len(template.splitlines()) + 2
    assert plan.obstacle == f"A quote in line {line} of {platform.template.name} is not closed: close it there first."
    platform.template.write_text(f"{template}\nOPEN='two\nlines'\n")
    assert not plan_file(platform).obstacle


def test_values_that_lack_are_made_and_what_is_there_stays(platform: Platform) -> None:
    """Empty, absent and placeholder get a new value; a comment in the place of a value becomes none."""
    put(SECRET_KEY="changethis", POSTGRES_PASSWORD=None, FIRST_SUPERUSER_PASSWORD='""', REDIS_PASSWORD="   # none")(
        platform
    )
    before = values(platform)
    plan = plan_file(platform)
    write_file(plan)
    after = values(platform)
    generated = {"SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"}
    assert {name for name in after if after[name] != before.get(name)} == generated
    assert all(len(after[name] or "") >= 40 for name in generated) and len({after[name] for name in generated}) == 3
    assert for_compose(platform) == after
    assert "REDIS_PASSWORD=''   # none" in platform.dotenv.read_text()


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        *("op://Development/app/key", '"op://Development/app/a key"', "ref+vault://app/key", "bw://app/key"),
        *("{{ op://Development/app/key }}", ">>vault:secret/data/app#key", "infisical://app/dev/KEY"),
        *("${DIRENV_KEY}", '"${DIRENV_KEY:?run direnv allow}"'),
        *(
            "ENC[PKCS7,MIIBeQYJKoZIhvcN]",
            "ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)",
        ),
    ],
)
def test_a_reference_of_the_template_is_copied(text: str, is_new: bool, platform: Platform) -> None:
    """It is no value that is public: the program that resolves it gives the application the value."""
    line = re.compile(r"(?m)^SECRET_KEY=.*$")
    platform.template.write_text(line.sub(f"SECRET_KEY={text}", platform.template.read_text()))
    if is_new:
        platform.dotenv.unlink()
    else:
        platform.dotenv.write_text(line.sub("", platform.dotenv.read_text()))
    write_file(plan_file(platform))
    assert f"\nSECRET_KEY={text}\n" in platform.dotenv.read_text()


@pytest.mark.parametrize("name", ["SECRET_KEY", "OPENAI_API_KEY"])
@pytest.mark.parametrize("values_from", ["", "generate"])
def test_what_direnv_is_to_give_stays(name: str, values_from: str, platform: Platform) -> None:
    """Only in another shell has it a value: a generated one would replace that; the finding says so."""
    put(**{name: "${DIRENV_KEY}"})(platform)
    plan = plan_file(platform, values_from)
    assert plan.is_empty and [each.variable for each in plan.missing] == [name]
    snapshot = local_setup_runbook.look(local_setup_runbook.begin("local", "", str(platform.root)))
    found = [each for each in root_causes.diagnose(snapshot) if each.status == "found"]
    fact = "is empty: the variable that it refers to is set neither above it nor in this shell"
    assert [each.check for each in found] in (["dollar"], ["required-empty"]) and fact in found[0].evidence[0]


@pytest.mark.parametrize("text", [f'"encrypted:{"BDqD" * 20}"', "ENC[AES256_GCM,data:aGVs,iv:Zm9v,tag:YmF6,type:str]"])
def test_a_template_that_is_encrypted_is_left_to_the_program_that_decrypts_it(text: str, platform: Platform) -> None:
    """Nothing is written; a .env that it was decrypted to keeps every value, and gets none that is encrypted."""
    template = re.sub(r"(?m)^(SECRET_KEY|OPENAI_API_KEY)=.*$", rf"\1={text}", platform.template.read_text())
    platform.template.write_text(template)
    assert plan_file(platform).is_empty
    platform.dotenv.write_text(re.sub(r"(?m)^(SECRET_KEY|OPENAI_API_KEY)=.*\n", "", platform.dotenv.read_text()))
    write_file(plan_file(platform))
    assert not values(platform)["OPENAI_API_KEY"] and len(str(values(platform)["SECRET_KEY"])) >= 32
    platform.dotenv.unlink()
    plan = plan_file(platform)
    assert plan.obstacle == (
        f"{platform.template.name} is encrypted by sops or dotenvx: decrypt it to {platform.dotenv} with that tool."
    )


def test_an_encrypted_line_that_is_commented_out_does_not_keep_a_template_from_being_copied(platform: Platform) -> None:
    """Nothing reads it."""
    with platform.template.open("a") as file:
        file.write(f"# FORMER_KEY=encrypted:{'BDqD' * 20}\n")
    platform.dotenv.unlink()
    plan = plan_file(platform)
    assert not plan.obstacle and [each.variable for each in plan.missing] == ["OPENAI_API_KEY"]


def test_a_plan_says_which_values_it_copies_encrypted(platform: Platform) -> None:
    """The application would use the text; that is no real value which everybody can read, either."""
    text = "ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)"
    template = re.sub(r"(?m)^(SECRET_KEY|OPENAI_API_KEY)=.*$", rf"\1={text}", platform.template.read_text())
    platform.template.write_text(template)
    platform.dotenv.unlink()
    plan = plan_file(platform)
    assert plan.notes[0].startswith(f"{platform.template.name} has SECRET_KEY, OPENAI_API_KEY encrypted: unless")
    write_file(plan)
    assert plan_file(platform).notes == ()
    snapshot = local_setup_runbook.look(local_setup_runbook.begin("local", "", str(platform.root)))
    found = {each.check for each in root_causes.diagnose(snapshot) if each.status == "found"}
    assert "placeholder" in found and "template-value" not in found


def test_what_the_shell_sets_for_a_reference_of_the_template_is_not_missing(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """python-dotenv and Compose take it from there; empty it is no value."""
    template = re.sub(r"(?m)^OPENAI_API_KEY=.*$", "OPENAI_API_KEY=${DIRENV_KEY}", platform.template.read_text())
    platform.template.write_text(template)
    platform.dotenv.unlink()
    for value, missing in (("", ["OPENAI_API_KEY"]), (secrets.token_hex(16), [])):
        monkeypatch.setenv("DIRENV_KEY", value)
        assert [each.variable for each in plan_file(platform).missing] == missing


@pytest.mark.parametrize("text", ["${APP_KEY:-changethis}", "${YOUR_KEY}", "${SECRET_KEY}", "${KEY-a1b2}"])
def test_a_reference_with_a_public_default_or_to_nothing_is_replaced(text: str, platform: Platform) -> None:
    """The application would run with what everybody can read, or with nothing."""
    template = re.sub(r"(?m)^SECRET_KEY=.*$", f"SECRET_KEY={text}", platform.template.read_text())
    platform.template.write_text(template)
    platform.dotenv.unlink()
    write_file(plan_file(platform))
    assert text not in platform.dotenv.read_text() and len(str(values(platform)["SECRET_KEY"])) >= 32


@pytest.mark.parametrize("is_below", [True, False])
def test_a_template_s_reference_to_another_line_is_copied_where_that_line_is_above(
    is_below: bool, platform: Platform
) -> None:
    """Of a later line nobody reads the value, so that a generated one is better; neither is missing then."""
    line, text = "FIRST_SUPERUSER_PASSWORD=${SECRET_KEY}\n", platform.template.read_text()
    lines = [each for each in text.splitlines(keepends=True) if not each.startswith("FIRST_SUPERUSER_PASSWORD=")]
    platform.template.write_text("".join([line, *lines] if is_below else [*lines, line]))
    platform.dotenv.unlink()
    plan = plan_file(platform)
    write_file(plan)
    assert [each.variable for each in plan.missing] == ["OPENAI_API_KEY"]
    assert (line in platform.dotenv.read_text()) is not is_below
    loaded = dotenv_values(platform.dotenv)
    assert len(str(loaded["FIRST_SUPERUSER_PASSWORD"])) >= 32
    assert (loaded["FIRST_SUPERUSER_PASSWORD"] == loaded["SECRET_KEY"]) is not is_below


@pytest.mark.parametrize("default", ["localhost", "changethis"])
def test_a_template_s_reference_with_a_default_has_that_value(default: str, platform: Platform) -> None:
    """A placeholder is none."""
    text = platform.template.read_text()
    platform.template.write_text(re.sub(r"(?m)^SMTP_HOST=.*$", f"SMTP_HOST=${{OMC_HOST:-{default}}}", text))
    platform.dotenv.unlink()
    write_file(plan_file(platform))
    assert dotenv_values(platform.dotenv)["SMTP_HOST"] == default.replace("changethis", "")


@pytest.mark.parametrize("text", ["op://Development/app/key", "${DIRENV_KEY}"])
def test_generate_replaces_a_reference_of_the_template(text: str, platform: Platform) -> None:
    """Whoever asks for it has no program that resolves references."""
    template = re.sub(r"(?m)^SECRET_KEY=.*$", f"SECRET_KEY={text}", platform.template.read_text())
    platform.template.write_text(template)
    platform.dotenv.unlink()
    write_file(plan_file(platform, "generate"))
    assert text not in platform.dotenv.read_text() and len(str(values(platform)["SECRET_KEY"])) >= 32


@pytest.mark.parametrize(
    "text", ["$(python3 -c 'import secrets; print(secrets.token_hex(32))')", "`openssl rand -hex 32`"]
)
def test_a_command_for_a_value_gives_way_to_a_generated_one(text: str, platform: Platform) -> None:
    """No reader of the file runs it; in the template it stands for a value that is still to come."""
    put(SECRET_KEY=text)(platform)
    platform.template.write_text(
        re.sub(r"(?m)^SECRET_KEY=.*$", lambda _: f"SECRET_KEY={text}", platform.template.read_text())
    )
    snapshot = local_setup_runbook.look(local_setup_runbook.begin("local", "", str(platform.root), ""))
    found = {finding.check: finding.status for finding in root_causes.diagnose(snapshot)}
    assert (found["placeholder"], found["template-value"]) == ("found", "clear")
    write_file(plan_file(platform))
    assert len(str(values(platform)["SECRET_KEY"])) >= 32 and text not in platform.dotenv.read_text()


@pytest.mark.parametrize("is_new", [False, True])
def test_a_required_variable_that_neither_file_has_is_added_where_it_can_be_generated(
    is_new: bool, platform: Platform
) -> None:
    """As the remedy of what is missing says; the source that keeps what there is adds none."""
    template = platform.template.read_text()
    platform.template.write_text(re.sub(r"(?m)^SECRET_KEY=.*\n", "", template))
    put(SECRET_KEY=None)(platform)
    if is_new:
        platform.dotenv.unlink()
    assert "SECRET_KEY" not in plan_file(platform, "keep").after.decode()
    plan = plan_file(platform)
    assert any(each.key == "SECRET_KEY" and each.action == "added" for each in plan.changes)
    write_file(plan)
    assert len(str(values(platform)["SECRET_KEY"])) >= 32
    assert is_new or plan_file(platform).is_empty


def test_what_is_required_and_not_in_the_template_is_named_before_the_file_is_there(platform: Platform) -> None:
    """No line of the plan has it: it showed only once the .env was written."""
    text = platform.config.read_text()
    platform.config.write_text(
        text.replace("class Settings(BaseSettings):\n", "class Settings(BaseSettings):\n    PARTNER_ID: str\n")
    )
    platform.dotenv.unlink()
    plan = plan_file(platform)
    assert any(f"{platform.template.name} lacks what is required too: PARTNER_ID." in note for note in plan.notes)
    completed = plan_file(platform, source(platform.root.parent, PARTNER_ID="17"))
    assert not any("PARTNER_ID" in note for note in completed.notes)


RESOLVE = "resolve it, then run again."


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("is_new", [False, True])
def test_a_template_with_a_merge_conflict_is_refused(end: str, is_new: bool, platform: Platform) -> None:
    """Its marks would be copied, and both sides with them."""
    marks = ("<<<<<<< HEAD", "LOG_LEVEL=INFO", "=======", "LOG_LEVEL=DEBUG", ">>>>>>> theirs", "")
    text = platform.template.read_text()
    platform.template.write_bytes((text + "\n".join(marks)).replace("\n", end).encode())
    line = len(text.splitlines()) + 1
    if is_new:
        platform.dotenv.unlink()
    before = None if is_new else platform.dotenv.read_bytes()
    plan = plan_file(platform)
    sentence = f".env.template has an unresolved merge conflict at line {line}: resolve it, then run again."
    assert plan.blockers == (sentence,)
    with pytest.raises(UsageError, match=re.escape(f"{sentence} Nothing was written.")):
        write_file(plan)
    assert (platform.dotenv.read_bytes() if platform.dotenv.exists() else None) == before
    platform.template.write_text(f"# =======\n{text}")
    assert plan_file(platform).blockers == ()


def test_an_env_with_a_merge_conflict_is_refused(platform: Platform) -> None:
    """One that is committed; its lines would be changed on both sides."""
    text = platform.dotenv.read_text()
    platform.dotenv.write_text(f"{text}<<<<<<< HEAD\nLOG_LEVEL=INFO\n=======\nLOG_LEVEL=DEBUG\n>>>>>>> theirs\n")
    plan, line = plan_file(platform), len(text.splitlines()) + 1
    assert plan.blockers == (f"{platform.dotenv} has an unresolved merge conflict at line {line}: {RESOLVE}",)
    assert plan.is_empty and "Nothing can be written yet." in local_setup.result(plan, None).to_text()


def test_a_value_is_never_overwritten(platform: Platform, tmp_path: Path) -> None:
    """The notes name the keys for which a source has other values."""
    source = tmp_path / "values"
    source.write_text(f"SECRET_KEY={HEX(32)}\nOPENAI_API_KEY=sk-{HEX(16)}\n")
    source.chmod(0o644)
    before = platform.dotenv.read_bytes()
    plan = plan_file(platform, f"file:{source}")
    assert plan.is_empty and plan.after == before
    assert sum("which stays" in note for note in plan.notes) == 2
    assert any("chmod 600" in note for note in plan.notes)


def test_a_user_may_have_no_name(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as any number."""

    def refuse(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", refuse)
    assert plan_file(platform).is_empty


WILD = {
    "double": ('"it is \\"so\\" \\\\ and # no comment"', 'it is "so" \\ and # no comment'),
    "single": ("'a \"b\" $c #d'", 'a "b" $c #d'),
    "umlauts": ("Größe-日本語-é", "Größe-日本語-é"),
    "lines": ('"one\\ntwo"', "one\ntwo"),
    "real lines": ("'one\ntwo=2\n# three'", "one\ntwo=2\n# three"),
    "blanks": ("'  kept  '", "  kept  "),
    "comment": ("plain  # remark", "plain"),
}


@pytest.mark.parametrize("name", WILD)
@pytest.mark.parametrize("ending", ["", "\n\n# last words"])
def test_other_lines_stay_as_they_are(name: str, ending: str, platform: Platform) -> None:
    """A value is added to a file with values of every kind, with and without a final newline."""
    spelling, expected = WILD[name]
    text = platform.dotenv.read_text()
    text = text.replace("\nREDIS_HOST=localhost\n", f"\nREDIS_HOST=localhost\nMY_OWN={spelling}\n").replace(
        "\nTAG=latest\n", ""
    )
    platform.dotenv.write_text(text + ending)
    write_file(plan_file(platform))
    after = platform.dotenv.read_text()
    assert after.replace("TAG=latest\n", "", 1).rstrip("\n") == (text + ending).rstrip("\n")
    assert (values(platform)["MY_OWN"], values(platform)["TAG"]) == (expected, "latest")


def test_twenty_variables_come_in_where_the_template_has_them(platform: Platform) -> None:
    """With their comments, in its order, and the titles of sections that the file had nothing of."""
    whole = platform.dotenv.read_text()
    begin, end = whole.index("POSTGRES_POOL_SIZE="), whole.index("SENTRY_TRACES_SAMPLE_RATE=")
    platform.dotenv.write_text(whole[:begin] + whole[end:])
    lacking = len(re.findall(r"(?m)^[A-Z_]+=", whole[begin:end]))
    plan = plan_file(platform)
    write_file(plan)
    added = [change.key for change in plan.changes if change.action == "added"]
    after, template = platform.dotenv.read_text(), platform.template.read_text()
    names = re.compile(r"(?m)^([A-Z_0-9]+)=")
    assert len(added) == lacking >= 18 and names.findall(after) == names.findall(template)
    for words in ("# Redis\n", "# App password, not the password", "# Error tracking (optional)", "# E-mail (optional"):
        assert after.count(words) == 1
    assert after.replace("\n", "").startswith(whole[:begin].replace("\n", ""))


def test_an_interruption_while_the_first_variable_is_told_says_all_that_was_written(platform: Platform) -> None:
    """The file has them all at once."""
    lacking = platform.dotenv.read_text().replace("TAG=latest\n", "").replace("DOMAIN=localhost\n", "")
    platform.dotenv.write_text(lacking)
    plan = plan_file(platform)

    def tell(*changes: model_change.Change) -> None:
        raise KeyboardInterrupt

    added = {change.key for change in plan.changed}
    with pytest.raises(Interrupted) as interruption:
        executor.apply(plan, False, NOW, lambda: StartResult("", ""), tell=tell)
    assert len(added) > 1 and {key for key in added if f"added {key}" in str(interruption.value)} == added


def test_what_was_edited_meanwhile_stays(platform: Platform) -> None:
    """The plan is of another file than the one that is there."""
    platform.dotenv.write_text(platform.dotenv.read_text().replace("TAG=latest\n", ""))
    plan = plan_file(platform)
    theirs = platform.dotenv.read_bytes() + b"MY_OWN=1\n"
    platform.dotenv.write_bytes(theirs)
    with pytest.raises(ConflictError, match="was changed since the plan was made"):
        write_file(plan)
    assert platform.dotenv.read_bytes() == theirs
    new = make_platform(platform.root.parent / "new")
    plan = plan_file(new)
    new.dotenv.write_bytes(theirs)
    with pytest.raises(ConflictError, match="was created"):
        write_file(plan)
    assert new.dotenv.read_bytes() == theirs


FORKS = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from support.platform_checkout import Platform
from support.local_setup_runs import plan_file, write_file
from omc_runbook.changes.files import write
from omc_runbook.model.errors import RunbookError
from omc_runbook.repository import git

# A machine under load is not what these tests are about: where git does not answer in time, a plan is another one.
git.SECONDS = float(sys.argv[4])
platform = Platform(Path(sys.argv[2]))

def child(do):
    pid = os.fork()
    if pid:
        return pid
    try:
        do()
    except RunbookError as error:
        os._exit(error.exit_code)
    finally:
        os._exit(0)

def dying_at(name, call, calls):
    real, seen = getattr(os, name), [0]
    def die(*words, **more):
        seen[0] += 1
        if seen[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words, **more)
    setattr(os, name, die)
    calls()

def die(at):
    name, call = at
    plan = plan_file(platform)
    dying_at(name, call, lambda: write_file(plan, backup=True))

told = []
def rewrite(path, word):
    for count in range(100):
        write(path, path.read_bytes(), f"{word} {count}\\n".encode() * 200, platform.root / ".git")

if sys.argv[3] == "mixed":
    both = ((platform.config, "config"), (platform.template, "template"))
    children = [child(lambda path=path, word=word: rewrite(path, word)) for path, word in both]
    told = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)
elif sys.argv[3] == "race":
    plan = plan_file(platform)
    children = [child(lambda: write_file(plan)) for _ in range(2)]
    told = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)
else:
    points = [("open", 1), ("open", 2), ("open", 3), ("open", 4), ("fchmod", 1), ("fchmod", 2)]
    points += [("fsync", 1), ("replace", 1), ("close", 1)]
    for at in points:
        code = os.waitstatus_to_exitcode(os.waitpid(child(lambda: die(at)), 0)[1])
        status = platform.git("status", "--porcelain")
        told.append([at, code, platform.dotenv.read_text(), status])
print(json.dumps(told))
"""


PATIENCE = 600
"""Seconds; alone they take two."""


def forked(platform: Platform, what: str) -> list[list[str]]:
    """The results of processes that change the .env."""
    command = [sys.executable, "-c", FORKS, str(SUPPORT.parent), str(platform.root), what, str(PATIENCE)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_of_two_at_once_one_writes_and_the_other_is_told(platform: Platform) -> None:
    """Nothing is lost, and nothing is there twice."""
    platform.dotenv.write_text(platform.dotenv.read_text().replace("TAG=latest\n", ""))
    assert forked(platform, "race") == [0, 2]
    assert platform.dotenv.read_text().count("TAG=latest") == 1


def test_two_files_of_one_work_tree_are_never_mixed_up(platform: Platform) -> None:
    """Their drafts lie in the same place: whoever writes one file waits for whoever writes the other."""
    folder = platform.root / "backend/app/core"
    assert forked(platform, "mixed") == [0, 0]
    assert {line[:6] for line in (folder / "config.py").read_text().splitlines()} == {"config"}
    assert {line[:6] for line in platform.template.read_text().splitlines()} == {"templa"}


def test_a_run_that_is_killed_leaves_the_old_file_or_the_new_one(platform: Platform) -> None:
    """At any point; no draft is where git would take it along, and a rerun does what was left."""
    whole = platform.dotenv.read_text()
    old = whole.replace("TAG=latest\n", "")
    platform.dotenv.write_text(old)
    results = forked(platform, "kill")
    assert sum(code == -9 for _, code, *_ in results) >= 6
    assert {text for _, _, text, _ in results} <= {old, whole} and {status for *_, status in results} == {""}
    write_file(plan_file(platform))
    assert platform.dotenv.read_text() == whole
    drafts = [path for path in platform.root.rglob("*draft*") if path.is_file()]
    assert drafts == []


def test_a_table_without_rows_says_what_there_is(platform: Platform) -> None:
    """Where all comes from the template, that there is no variable would be wrong, and nothing is more than none."""
    planned = plan_file(platform)
    copied = tuple(KeyChange(f"NAME_{number}", "added", dotenv_plan.TEMPLATE) for number in range(dotenv_plan.FEW + 1))
    text = local_setup.plan(replace(planned, changes=copied, after=b"")).to_text()
    assert "No variable." not in text and text.count(f"{len(copied)} are copied from the template: NAME_0, ") == 1
    template = planned.workstation.checkout.template
    assert template
    portable = replace(template, entries=tuple(each for each in template.entries if each.name == "TAG"))
    workstation = replace(planned.workstation, checkout=replace(planned.workstation.checkout, template=portable))
    text = local_setup.variables(replace(healthy(), workstation=workstation)).to_text()
    assert text.endswith("None needs attention.\n\n1 has a value in the template that works on any machine.")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_stays_its_owners(platform: Platform) -> None:
    """What root writes in a developer's checkout is the developer's as before."""
    platform.dotenv.write_text(platform.dotenv.read_text().replace("TAG=latest\n", ""))
    os.chown(platform.dotenv, 65_534, 65_533)
    write_file(plan_file(platform))
    assert "TAG=latest\n" in platform.dotenv.read_text()
    assert (platform.dotenv.stat().st_uid, platform.dotenv.stat().st_gid) == (65_534, 65_533)


def test_a_link_stays_and_what_it_leads_to_is_written(platform: Platform, tmp_path: Path) -> None:
    """Some keep their .env elsewhere."""
    target = tmp_path / "elsewhere"
    target.write_text(platform.dotenv.read_text().replace("TAG=latest\n", ""))
    platform.dotenv.unlink()
    platform.dotenv.symlink_to(target)
    planned = plan_file(platform)
    sentence = f".env is a link: the file that is read and written is {target}, outside of the checkout."
    assert sentence in planned.sentences
    for display in (local_setup.plan(planned), local_setup.diff(planned)):
        assert f"is {target}, outside" in " ".join(display.to_text().split()) and str(target) in display.to_html()
    write_file(planned)
    assert platform.dotenv.is_symlink() and target.read_text().count("TAG=latest") == 1
    assert target.stat().st_mode & 0o777 == 0o600


def refuse_read_only(platform: Platform) -> None:
    platform.dotenv.chmod(0o400)


def refuse_folder(platform: Platform) -> None:
    platform.root.chmod(0o500)


def directory(platform: Platform) -> None:
    platform.dotenv.unlink()
    platform.dotenv.mkdir()


def pipe(platform: Platform) -> None:
    platform.dotenv.unlink()
    os.mkfifo(platform.dotenv)


@pytest.mark.parametrize(
    ("break_", "words"),
    [
        (refuse_read_only, "read-only: chmod u\\+w"),
        (refuse_folder, "is read-only: "),
        (directory, "is a directory, not a file"),
        (pipe, "is a pipe or a device"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_sentence(
    break_: Callable[[Platform], None], words: str, platform: Platform
) -> None:
    """Exit code 3, and nothing is there that was not."""
    platform.dotenv.write_text(platform.dotenv.read_text().replace("TAG=latest\n", ""))
    break_(platform)
    before = sorted(platform.root.iterdir())
    with pytest.raises(UsageError, match=words) as refused:
        write_file(plan_file(platform))
    platform.root.chmod(0o700)
    assert refused.value.exit_code == 3 and "\n" not in str(refused.value)
    assert sorted(platform.root.iterdir()) == before


def test_a_file_of_another_user_is_given_to_this_one(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `sudo docker compose` leaves it: its own mode is not what keeps this user from writing it."""
    platform.dotenv.write_text(platform.dotenv.read_text().replace("TAG=latest\n", ""))
    plan = plan_file(platform)
    platform.dotenv.chmod(0o400)
    monkeypatch.setattr(os, "geteuid", lambda: platform.dotenv.stat().st_uid + 1)
    with pytest.raises(UsageError) as refused:
        write_file(plan)
    way = f'sudo chown "$(id -un)" {platform.dotenv}, then run again. Nothing was written.'
    assert str(refused.value) == f"{platform.dotenv} is read-only: it belongs to another user: {way}"


def test_a_backup_is_made_only_if_asked_and_is_private(platform: Platform, tmp_path: Path) -> None:
    """In git's own folder, or beside the file where there is no git; mode 600 in any case."""
    old = platform.dotenv.read_text().replace("TAG=latest\n", "")
    alone = make_platform(tmp_path / "alone", git=False)
    for each in (platform, alone):
        each.dotenv.write_text(old)
        each.dotenv.chmod(0o600)
    first, second = (
        write_file(plan_file(platform), backup=True).backup,
        write_file(plan_file(alone), backup=True).backup,
    )
    assert first and second and first.read_text() == second.read_text() == old
    assert {path.stat().st_mode & 0o777 for path in (first, second)} == {0o600}
    assert platform.git("status", "--porcelain", "--ignored").split() == ["!!", ".env"]
    platform.dotenv.write_text(old)
    assert write_file(plan_file(platform)).backup is None


def test_a_new_file_has_the_templates_text_and_new_values(tmp_path: Path) -> None:
    """Comments and order are kept; secrets are made, placeholders emptied, and the rest is the template's."""
    platform = make_platform(tmp_path / "new")
    write_file(plan_file(platform))
    mine, theirs = (path.read_text().splitlines() for path in (platform.dotenv, platform.template))
    changed = [old.partition("=")[0] for old, new in zip(theirs, mine, strict=True) if old != new]
    assert set(changed) == {*REQUIRED, "SMTP_USER", "SMTP_PASSWORD", "SENTRY_DSN"} - {"FIRST_SUPERUSER"}
    assert platform.dotenv.stat().st_mode & 0o777 == 0o600


def test_the_plan_of_a_new_file_is_short_and_says_what_a_person_has_to_get(tmp_path: Path) -> None:
    """What the template has is counted; a required value that no program makes has its source."""
    plan = plan_file(make_platform(tmp_path / "new"))
    assert f"{len(plan.copied)} variables would be copied from the template." in plan.sentences
    assert "OPENAI_API_KEY still needs a value: get it from https://platform.openai.com/api-keys." in plan.sentences
    assert len(plan.sentences) + len(plan.copied) == len(plan.changes) + 2


def test_a_mail_server_without_its_login_is_told(tmp_path: Path) -> None:
    """The application sends e-mails where it has a host; with its login, or without a host, there is no note."""
    platform = make_platform(tmp_path / "new")
    note = dotenv_plan.MAIL_NOTE.format(names="SMTP_USER and SMTP_PASSWORD")
    assert note in plan_file(platform).notes
    login = source(tmp_path, SMTP_USER="noreply@ohmycoins.com", SMTP_PASSWORD=HEX(8))
    assert not any("SMTP_HOST" in each for each in plan_file(platform, login).notes)
    platform.edit(platform.template, "SMTP_HOST=smtp.gmail.com", "SMTP_HOST=")
    assert not any("SMTP_HOST" in each for each in plan_file(platform).notes)


def test_a_link_into_a_folder_that_is_not_there_is_told_as_what_it_is(platform: Platform) -> None:
    """Nobody looks for rights of a folder that is missing."""
    platform.dotenv.unlink(missing_ok=True)
    platform.dotenv.symlink_to("nowhere/mine.env")
    with pytest.raises(UsageError, match=r"nowhere, which is not a directory: create it, or remove the link"):
        write_file(plan_file(platform))
    assert platform.dotenv.is_symlink() and not platform.dotenv.exists()


@pytest.mark.parametrize("is_there", [False, True])
def test_a_value_for_a_variable_that_is_commented_out_takes_its_line(
    is_there: bool, platform: Platform, tmp_path: Path
) -> None:
    """In a new file, and in one that has the line or not; everything else stays."""
    if not is_there:
        platform.dotenv.unlink()
    before = platform.dotenv.read_text() if is_there else platform.template.read_text()
    plan = plan_file(platform, source(tmp_path, COINSPOT_API_KEY=VALUE))
    write_file(plan)
    assert values(platform)["COINSPOT_API_KEY"] == VALUE
    after = platform.dotenv.read_text().splitlines()
    line = "# COINSPOT_API_KEY=<your-coinspot-api-key>"
    assert after[before.splitlines().index(line)] == f"COINSPOT_API_KEY={VALUE}" and line not in after
    assert ("COINSPOT_API_KEY", "added") in [(change.key, change.action) for change in plan.changes]
    assert_absent([VALUE], "\n".join(dotenv_plan.diff_lines(plan)), repr(plan))
    assert plan_file(platform, source(tmp_path, COINSPOT_API_KEY=VALUE)).is_empty


def test_a_value_for_a_line_that_the_file_lost_comes_in_where_the_template_has_it(
    platform: Platform, tmp_path: Path
) -> None:
    """With its comments, after the variable that it follows."""
    swap("# COINSPOT_API_KEY=<your-coinspot-api-key>\n", "")(platform)
    write_file(plan_file(platform, source(tmp_path, COINSPOT_API_KEY=VALUE)))
    assert values(platform)["COINSPOT_API_KEY"] == VALUE


def test_a_value_for_a_variable_of_settings_that_the_template_lacks_is_added(
    platform: Platform, tmp_path: Path
) -> None:
    """At the end: Settings read it."""
    write_file(plan_file(platform, source(tmp_path, OPENAI_ORGANIZATION="org-1")))
    assert platform.dotenv.read_text().endswith("OPENAI_ORGANIZATION=org-1\n")


def test_a_name_that_flask_takes_by_its_prefix_is_written(platform: Platform, tmp_path: Path) -> None:
    """No code names it; one that is no name of a variable is left out."""
    call = 'import os\n\nKEY = os.environ["SECRET_KEY"]\napp.config.from_prefixed_env()\n'
    platform.config.write_text(f"from flask import Flask\n\napp = Flask(__name__)\n{call}")
    (tmp_path / "values.json").write_text(json.dumps({"FLASK_MAPS_KEY": OTHER, "FLASK_A-B": "1"}))
    write_file(plan_file(platform, f"file:{tmp_path / 'values.json'}"))
    assert values(platform)["FLASK_MAPS_KEY"] == OTHER and "FLASK_A-B" not in values(platform)


def test_an_unknown_name_is_left_out_and_the_others_are_written(platform: Platform, tmp_path: Path) -> None:
    """It is named, with the nearest that there is; one that may be a value is not."""
    put(OPENAI_API_KEY="", FIRST_SUPERUSER_PASSWORD=VALUE)(platform)
    odd = f"x{HEX(8)}y"
    key = f"sk-{HEX(20)}"
    plan = plan_file(platform, source(tmp_path, OPENAI_APIKEY=OTHER, OPENAI_API_KEY=key, **{odd: "1"}))
    written = write_file(plan)
    assert values(platform)["OPENAI_API_KEY"] == key and "OPENAI_APIKEY" not in values(platform)
    notes = "\n".join(plan.notes)
    assert "OPENAI_APIKEY from file values is left out: nothing here reads it: did you mean OPENAI_API_KEY?" in notes
    assert odd not in notes and "may be a value, from file values is left out" in notes
    assert written.left_out == plan.left_out and {*plan.left_out} <= {*plan.notes} and len(plan.left_out) == 2


def test_a_required_variable_that_the_template_has_as_a_comment_gets_a_line(platform: Platform, tmp_path: Path) -> None:
    """A provider chosen by a variable makes its key required, and the other's not."""
    platform.edit(platform.template, "\nLLM_PROVIDER=openai\n", "\nLLM_PROVIDER=anthropic\n")
    text = platform.config.read_text().replace("OPENAI_API_KEY: str\n", "OPENAI_API_KEY: str | None = None\n")
    platform.config.write_text(text)
    platform.dotenv.unlink()
    plan = plan_file(platform)
    assert [need.variable for need in plan.missing] == ["ANTHROPIC_API_KEY"]
    assert "https://console.anthropic.com" in plan.missing[0].obtain_from
    write_file(plan)
    assert values(platform)["ANTHROPIC_API_KEY"] == "" and values(platform)["OPENAI_API_KEY"] == ""
    assert not plan_file(platform, source(tmp_path, ANTHROPIC_API_KEY=VALUE)).missing
    # A choice in the source counts where the .env has none, which would stay.
    assert [need.variable for need in plan_file(platform, source(tmp_path, LLM_PROVIDER="openai")).missing] == [
        "ANTHROPIC_API_KEY"
    ]
    platform.dotenv.unlink()
    assert [need.variable for need in plan_file(platform, source(tmp_path, LLM_PROVIDER="openai")).missing] == [
        "OPENAI_API_KEY"
    ]


def test_a_password_that_becomes_a_part_of_a_url_is_made_fit_for_it(platform: Platform, tmp_path: Path) -> None:
    """However the template says to generate it; one that would break the URL is refused with the way on."""
    platform.edit(platform.compose, "- REDIS_HOST=redis\n", "- REDIS_URL=redis://:${REDIS_PASSWORD}@redis:6379/0\n")
    platform.edit(
        platform.template,
        "# Password of Redis (optional), none on a developer's machine\nREDIS_PASSWORD=\n",
        "# Generate with: openssl rand -base64 32\nREDIS_PASSWORD=\n",
    )
    platform.dotenv.unlink()
    for _ in range(8):
        plan = plan_file(platform)
        match = re.search(rb"^REDIS_PASSWORD=(.*)$", plan.after, re.MULTILINE)
        assert match and re.fullmatch(rb"[A-Za-z0-9_-]{40,}", match[1])
    with pytest.raises(UsageError, match=r"docker-compose.yml, line \d+ puts it into one as it is: take another value"):
        plan_file(platform, source(tmp_path, REDIS_PASSWORD=f"{VALUE}/{OTHER}"))


def test_a_password_that_compose_gives_the_database_as_a_text_is_not_generated(platform: Platform) -> None:
    """The database would keep its own; a placeholder is no password, and another text of the template is replaced."""
    platform.edit(platform.template, "POSTGRES_PASSWORD=your-postgres-password\n", "POSTGRES_PASSWORD=quokka\n")
    platform.dotenv.unlink()
    assert b"POSTGRES_PASSWORD=quokka\n" not in plan_file(platform).after
    entry = "      - POSTGRES_PASSWORD="
    text = platform.compose.read_text().replace(f"{entry}${{POSTGRES_PASSWORD?Variable not set}}", f"{entry}quokka", 1)
    platform.compose.write_text(text)
    plan = plan_file(platform)
    assert KeyChange("POSTGRES_PASSWORD", "added", "the template", "at the next start") in plan.changes
    assert b"POSTGRES_PASSWORD=quokka\n" in plan.after
    platform.compose.write_text(text.replace("quokka", "wombat"))
    assert b"POSTGRES_PASSWORD=quokka\n" not in plan_file(platform).after


ADDRESSES = """\
DATABASE_URL=postgresql+asyncpg://app:changethis@db:5432/app # the same as above
DATABASE_URL_SYNC="postgresql://app:changethis@db/app"
READONLY_DATABASE_URL=postgresql://reader:changethis@db/app
CELERY_BROKER_URL=amqp://app:changethis@queue//
"""


def add_addresses(platform: Platform) -> None:
    """Let the template have a database's password and login, and addresses with them."""
    line = "POSTGRES_PASSWORD=changethis\n"
    platform.edit(platform.template, "POSTGRES_PASSWORD=your-postgres-password\n", f"{line}{ADDRESSES}")
    text = re.sub(r"(?m)^POSTGRES_USER=.*$", "POSTGRES_USER=app", platform.template.read_text())
    platform.template.write_text(text)


@pytest.mark.parametrize("is_there", [False, True])
def test_an_address_gets_the_password_that_the_database_gets(is_there: bool, platform: Platform) -> None:
    """Else the application would log in with the template's; not another user's, nor another system's."""
    add_addresses(platform)
    platform.dotenv.unlink()
    if is_there:
        text = platform.template.read_text().replace(ADDRESSES, "")
        platform.dotenv.write_text(text.replace("PASSWORD=changethis", f"PASSWORD={VALUE}"))
    plan = plan_file(platform)
    write_file(plan)
    after = values(platform)
    password = after["POSTGRES_PASSWORD"]
    assert password and (password == VALUE) is is_there
    assert after["DATABASE_URL"] == f"postgresql+asyncpg://app:{password}@db:5432/app"
    assert after["DATABASE_URL_SYNC"] == f"postgresql://app:{password}@db/app"
    assert after["READONLY_DATABASE_URL"] == "postgresql://reader:changethis@db/app"
    assert after["CELERY_BROKER_URL"] == "amqp://app:changethis@queue//"
    origins = {change.key: change.origin for change in plan.changed}
    assert origins["DATABASE_URL"] == "the template, with POSTGRES_PASSWORD"
    assert not plan.entered_values and plan_file(platform).is_empty
    assert_absent([password], local_setup.plan(plan).to_text(), local_setup.diff(plan).to_text())


def test_an_address_that_is_there_changes_with_the_password_alone(platform: Platform, tmp_path: Path) -> None:
    """The template's password is replaced in both; one that somebody has set stays in both, and with "keep"."""
    add_addresses(platform)
    text = platform.template.read_text()
    platform.dotenv.write_text(text)
    assert b":changethis@db/app" in plan_file(platform, "keep").after
    plan = plan_file(platform, source(tmp_path, POSTGRES_PASSWORD=f"{VALUE}+"))
    write_file(plan)
    assert values(platform)["DATABASE_URL_SYNC"] == f"postgresql://app:{VALUE}%2B@db/app"
    assert (
        KeyChange("DATABASE_URL", "changed", "as before, with POSTGRES_PASSWORD", "at the next start") in plan.changes
    )
    platform.dotenv.write_text(text.replace("changethis", OTHER))
    assert plan_file(platform).after.decode().count(f":{OTHER}@") == 4


@pytest.mark.parametrize("is_new", [False, True])
def test_a_dotenv_is_put_back_where_a_person_stops_the_start(platform: Platform, is_new: bool) -> None:
    """The former file to the byte, or none; one that was edited meanwhile stays."""
    before = platform.dotenv.read_bytes().replace(b"\nSECRET_KEY=", b"\nOTHER_KEY=")
    platform.dotenv.unlink() if is_new else platform.dotenv.write_bytes(before)
    plan = plan_file(platform)

    def stop() -> StartResult:
        assert platform.dotenv.read_bytes() == plan.after
        raise Cancelled

    result = executor.apply(plan, False, NOW, stop)
    assert result.is_cancelled and result.is_back and not result.wrote
    assert platform.dotenv.exists() is not is_new and (is_new or platform.dotenv.read_bytes() == before)
    assert "Stopped, as you asked: everything is as before." in local_setup.result(plan, result).to_text()

    def edit_and_stop() -> StartResult:
        platform.dotenv.write_bytes(plan.after + b"MINE=1\n")
        raise Cancelled

    with pytest.raises(ConflictError, match="changed"):
        executor.apply(plan, False, NOW, edit_and_stop)
    assert platform.dotenv.read_bytes().endswith(b"MINE=1\n")


def test_a_required_variable_that_is_empty_in_the_template_has_no_value_from_there(platform: Platform) -> None:
    """The plan says so; one that needs no value is copied as it is."""
    field = "    SENTRY_DSN: HttpUrl | None = None\n"
    platform.edit(platform.config, field, f"{field}    PARTNER_ID: str\n    PARTNER_NOTE: str = ''\n")
    platform.template.write_text(f"{platform.template.read_text()}PARTNER_ID=\nPARTNER_NOTE=\n")
    origins = {change.key: change.origin for change in plan_file(platform).changes}
    assert (origins["PARTNER_ID"], origins["PARTNER_NOTE"]) == (dotenv_plan.EMPTIED, dotenv_plan.TEMPLATE)


def test_a_providers_key_is_required_under_the_prefix_of_settings_too(platform: Platform) -> None:
    """Both the key and the variable that chooses the provider have it."""
    platform.config.write_text(
        "from pydantic_settings import BaseSettings, SettingsConfigDict\n\n\nclass Settings(BaseSettings):\n"
        '    model_config = SettingsConfigDict(env_file="../.env", env_prefix="NOVA_")\n'
        '    LLM_PROVIDER: str = "openai"\n    GOOGLE_API_KEY: str | None = None\n'
    )
    platform.template.write_text("NOVA_LLM_PROVIDER=google\nNOVA_GOOGLE_API_KEY=\n")
    assert [each.variable for each in plan_file(platform).missing] == ["NOVA_GOOGLE_API_KEY"]
    platform.template.write_text("NOVA_LLM_PROVIDER=openai\nNOVA_GOOGLE_API_KEY=\n")
    assert plan_file(platform).missing == ()
