"""Values that git's history holds: real repositories, made by the git program."""

import io
import json
import secrets
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from omc_runbook.masking.value import Masked
from omc_runbook.repository.git import read_committed, read_status
from omc_runbook.workstation import history
from omc_runbook.workstation.history import parts, read_history


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "omc"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    write(folder, "README.md", "x")
    return folder


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write(root: Path, name: str, text: str | bytes, commit: bool = True) -> str:
    """Write a file and commit it; the commit's id."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    git(root, "add", "--force", name)
    if commit:
        git(root, "commit", "--quiet", "--message", name)
    return git(root, "rev-parse", "HEAD")


def where(root: Path, value: str) -> tuple[str, bool]:
    """The path of the version that holds a value, "" for none, and whether it is one of a commit."""
    found = read_history(root, [".env"], [".env.example"]).find(Masked(value, "X"))
    assert len(found) < 2
    return (found[0].path, bool(found[0].commit)) if found else ("", False)


def test_every_version_on_every_branch_counts(root: Path) -> None:
    """One that was replaced, deleted, merged away or only staged; a value that never stood there does not."""
    old, side, staged, new = (secrets.token_hex(12) for _ in range(4))
    first = write(root, ".env", f"SECRET_KEY='{old}'\n")
    git(root, "checkout", "--quiet", "-b", "side")
    write(root, ".env", f"SECRET_KEY={side}  # mine\n")
    git(root, "checkout", "--quiet", "main")
    git(root, "rm", "--quiet", "--cached", ".env")
    git(root, "commit", "--quiet", "--message", "gone")
    write(root, ".env", f"SECRET_KEY={staged}\n", commit=False)
    assert where(root, old) == where(root, side) == (".env", True)
    assert where(root, staged) == (".env", False)
    assert where(root, new) == ("", False)
    (location,) = read_history(root, [".env"]).find(Masked(old, "X"))
    assert first.startswith(location.commit) and "in commit" in location.text


@pytest.mark.long
def test_what_one_version_has_of_the_next_is_parsed_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the state of an infrastructure in hundreds of commits takes no minute; what goes over lines is found."""
    lines = [f"KEY_{number:02}={secrets.token_hex(12)}" for number in range(50)]
    former = list[str]()
    for number in range(10):
        former.append(lines[number])
        lines[number] = f"KEY_{number:02}={secrets.token_hex(12)}"
        write(root, ".env", "\n".join(lines))
    parsed, parse = list[str](), history.parse_stream

    def parse_counted(stream: io.StringIO) -> object:
        parsed.append(stream.getvalue())
        return parse(io.StringIO(stream.getvalue()))

    monkeypatch.setattr(history, "parse_stream", parse_counted)
    found = read_history(root, [".env"])
    assert sum(map(len, parsed)) < 4 * len("\n".join(lines))
    values = [line.partition("=")[2] for line in (*former[1:], *lines)]
    assert all(found.find(Masked(value, "X")) for value in values)
    pem = [f"{secrets.token_hex(12)}\n{lines[1]}\n{secrets.token_hex(12)}" for _ in range(2)]
    for value in pem:
        write(root, ".env", "\n".join((*lines, f'PEM="{value}"')))
    found = read_history(root, [".env"])
    assert all(found.find(Masked(value, "X")) for value in pem)


def test_a_merge_that_wrote_the_value_itself_counts(root: Path) -> None:
    """It is in neither parent."""
    value = secrets.token_hex(12)
    write(root, ".env", "A=1\n")
    git(root, "checkout", "--quiet", "-b", "side")
    write(root, "b", "b")
    git(root, "checkout", "--quiet", "main")
    write(root, "c", "c")
    git(root, "merge", "--quiet", "--no-commit", "--no-ff", "side")
    write(root, ".env", f"A={value}\n", commit=False)
    git(root, "commit", "--quiet", "--message", "merge")
    write(root, ".env", "A=2\n")
    assert where(root, value) == (".env", True)


VALUE = 'p"w/&' + secrets.token_urlsafe(24)


def terraform_json(value: object) -> str:
    """As Terraform, jsonencode() too, writes JSON: Go escapes what HTML has a meaning for."""
    return json.dumps(value).replace("&", "\\u0026")


HELD = {
    "infra/terraform.tfstate": terraform_json({"secret_string": terraform_json({"A": "first", "B": VALUE})}),
    "infra/errored.tfstate": terraform_json({"containers": terraform_json([{"url": f"redis://:{VALUE}@cache:6379"}])}),
    "infra/staging.tfvars": f"region = 1\ndb_password = {json.dumps(VALUE)}\n",
    "infra/x.auto.tfvars.json": json.dumps({"a": {"b": VALUE}}),
    "infra/plan.json": json.dumps({"planned_values": {"x": [{"sensitive": VALUE}]}}),
    "infra/terraform.tfstate.backup": json.dumps({"resources": [VALUE]}),
    "outputs.txt": f"secret = {json.dumps(VALUE)}\n",
    "terraform-output.json": json.dumps({"secret": {"value": VALUE}}),
    "backend/.env.production": f"X='{VALUE}'\n",
    "backend/.envrc": f"use flake\nexport X='{VALUE}'\n",
}


@pytest.mark.parametrize("name", HELD)
def test_tracked_files_that_hold_values(root: Path, name: str) -> None:
    """tfvars, saved plans, states and outputs, under any name of a value."""
    write(root, name, HELD[name])
    assert where(root, VALUE) == (name, True)


def nest(levels: int) -> str:
    """A text that quotes one that quotes another, with escapes that grow by a few characters a level."""
    quotes = [f"\\{'u005c' * level}u0022" for level in range(levels)]
    return f'"{"".join(quotes)}{VALUE}{"".join(reversed(quotes))}"'


@pytest.mark.parametrize("text", ['"' + 'a\\"' * 9000, '"' + '\\"a\\\\' * 9000 + '"', nest(250)])
def test_quotes_that_nothing_closes_or_that_have_many_others_within(root: Path, text: str) -> None:
    """They are read once, or a few times."""
    write(root, "infra/plan.json", text)
    started = time.process_time()
    assert not read_history(root, [".env"]).obstacle
    assert time.process_time() - started < 0.5


def test_a_phrase_that_was_commented_out(root: Path) -> None:
    """A value of several words is found where neither quotes nor a parser tell its end."""
    phrase = f"correct horse {secrets.token_hex(4)}"
    write(root, "backend/.env.old", f"# OLD_SECRET_KEY={phrase} \n")
    assert where(root, phrase) == ("backend/.env.old", True)


@pytest.mark.parametrize("length", [24, 64])
def test_a_saved_plan_is_looked_into(root: Path, length: int) -> None:
    """It is an archive, in which the length of a text stands before it."""
    value = secrets.token_hex(length // 2)
    packed = bytes([0xD9, length]) + value.encode() + b"\xa3end"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tfplan", b"\x08\x02" + packed)
    write(root, "infra/staging.tfplan", buffer.getvalue())
    assert where(root, value) == ("infra/staging.tfplan", True)


def test_a_password_in_a_url_is_the_password(root: Path) -> None:
    """In git as in the .env, percent-encoded in the latter."""
    value = secrets.token_hex(12)
    write(root, ".env", f"DATABASE_URL=postgresql://app:{value}@db/app\n")
    assert where(root, value) == (".env", True)
    assert where(root, f"redis://:{value}@redis") == (".env", True)
    write(root, ".env", f"DATABASE_URL=postgresql://app:{value}%40%2F@db/app\n")
    assert where(root, f"{value}@/") == (".env", True)


def test_other_files_and_short_values_are_not_compared(root: Path) -> None:
    """Source code, the template, and what stands in many a file by chance."""
    value = secrets.token_hex(12)
    for name in ("backend/app/plan.py", ".env.example"):
        write(root, name, f"A={value}\n")
    write(root, ".env", "A=local\n")
    assert where(root, value) == where(root, "local") == ("", False)


def test_what_was_not_read_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More versions than are read, and one that is too large."""
    monkeypatch.setattr(history, "MOST_BLOBS", 2)
    monkeypatch.setattr(history, "LARGEST_BLOB", 100)
    for text in ("A=1\n", "A=2\n", f"A={'x' * 200}\n"):
        write(root, ".env", text)
    obstacle = read_history(root, [".env"]).obstacle
    assert "1 older version of files that hold values was not read." in obstacle
    assert "1 version of files that hold values could not be read, or is too large." in obstacle


def test_nothing_to_read(tmp_path: Path, root: Path) -> None:
    """A folder without git and a repository without such a file have no obstacle."""
    assert read_history(tmp_path, [".env"]).obstacle == read_history(root, [".env"]).obstacle == ""
    assert read_committed(root, ".env") is None
    write(root, "sub/.env", "A=1\n")
    (root / "sub/.env").write_text("A=2\n")
    assert read_committed(root / "sub", ".env") == b"A=1\n"


ENCRYPTED = f'"encrypted:{"BDqD" * 20}"'


@pytest.mark.parametrize(
    ("versions", "is_encrypted", "by_git"),
    [
        ([b"\0GITCRYPT\0\xfe\x01", b"\0GITCRYPT\0\xfe\x02"], True, True),
        ([f'DOTENV_PUBLIC_KEY="03f8b376"\nSECRET_KEY={ENCRYPTED}\nPORT=80\n'], True, False),
        (["SECRET_KEY=plain-for-a-day\n", b"\0GITCRYPT\0\xfe\x01"], False, False),
        ([f"SECRET_KEY={ENCRYPTED}\nDATABASE_URL=postgresql://app:plain-word@db/app\n"], False, False),
        (["PORT=80\n"], False, False),
    ],
)
def test_a_file_is_encrypted_where_each_version_is(
    root: Path, versions: list[str | bytes], is_encrypted: bool, by_git: bool
) -> None:
    """Git-crypt encrypts what is committed later, too, where it is set up; dotenvx and sops leave that to people."""
    for each in versions:
        write(root, ".env", each)
    (root / ".gitattributes").write_text(".env filter=git-crypt-team\n")
    assert not read_history(root, [".env"]).encrypted_by_git
    git(root, "config", "filter.git-crypt-team.clean", "git-crypt clean --key-name=team")
    found = read_history(root, [".env"])
    assert (".env" in found.encrypted, ".env" in found.encrypted_by_git) == (is_encrypted, by_git)


def test_a_file_that_git_would_add_counts(root: Path) -> None:
    """Not one that it ignores, nor the .env itself, whose own rule is asked for; nor what a link leads to."""
    values = {name: secrets.token_hex(12) for name in (".env", ".env.local", "app/.env", ".env~", ".env.bak", "a.txt")}
    write(root, ".gitignore", "*.bak\n")
    for name, value in values.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"SECRET_KEY={value}\n")
    (root / "linked.env").symlink_to(root / "a.txt")
    found = {name: read_history(root, [".env"]).find(Masked(value, "X")) for name, value in values.items()}
    assert {name for name, each in found.items() if each} == {".env.local", "app/.env", ".env~"}
    assert all(each.is_untracked for locations in found.values() for each in locations)
    assert found["app/.env"][0].text == "app/.env, which git does not ignore"
    assert read_history(root, [".env", ".env.local"]).find(Masked(values[".env.local"], "X"))
    write(root, ".env.local", f"SECRET_KEY={values['.env.local']}\n")
    assert where(root, values[".env.local"]) == (".env.local", True)


def test_a_file_that_git_lfs_keeps_is_unknown(root: Path) -> None:
    """Git has its pointer alone: that no value stands in it says nothing."""
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{secrets.token_hex(32)}\nsize 80\n"
    write(root, "a.tfvars", "x = 1\n")
    assert not read_history(root, [".env"]).obstacle
    write(root, ".env", pointer)
    write(root, ".env", "A=1\n")
    assert read_history(root, [".env"]).obstacle == (
        "Git LFS keeps versions of .env, which were not read: look there for your values."
    )


def test_a_file_that_git_would_add_and_that_is_too_large_is_unknown(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value at its beginning is found."""
    value = secrets.token_hex(12)
    monkeypatch.setattr(history, "LARGEST_BLOB", 100)
    (root / "a.tfvars").write_text(f'key = "{value}"\n'.ljust(100))
    assert not read_history(root, [".env"]).obstacle
    (root / "a.tfvars").write_text(f'key = "{value}"\n'.ljust(101))
    found = read_history(root, [".env"])
    assert found.find(Masked(value, "X"))
    assert found.obstacle == "git does not ignore a.tfvars, which could not be read, or not to its end."


def test_each_file_with_a_value_is_named(root: Path) -> None:
    """Once each, a committed one with its last commit: whoever removes one learns of the others at once."""
    value = secrets.token_hex(12)
    for _ in range(2):
        write(root, ".env.prod", f"SECRET_KEY={value}\n# {secrets.token_hex(4)}\n")
    for name in (".env.bak", ".env.local"):
        (root / name).write_text(f"DATABASE_URL=postgresql://app:{value}@db/app\n")
    found = read_history(root, [".env"]).find(Masked(value, "X"))
    assert [(each.path, each.is_untracked) for each in found] == [
        *((".env.prod", False), (".env.bak", True), (".env.local", True))
    ]


def test_untracked_files_that_git_cannot_list_are_unknown(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a work tree with too many of them: nothing says then that there is no copy."""
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    fails = 'case "$*" in *--others*) exit 128;; esac'
    program.write_text(f'#!/bin/sh\n{fails}\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert "git ls-files ended with exit code 128" in read_history(root, [".env"]).obstacle


def test_an_index_that_git_cannot_read_is_told_once(root: Path) -> None:
    """Though neither its files nor the new ones are known then."""
    write(root, ".env", "A=a-value-of-a-day\n")
    (root / ".git/index").write_bytes(b"broken")
    assert read_history(root, [".env"]).obstacle.count("git ls-files ended with exit code 128") == 1


def test_a_bare_repository_has_versions_and_no_files(root: Path, tmp_path: Path) -> None:
    """Its index is read, though git cannot list files there, and says so."""
    write(root, ".env", "A=a-value-of-a-day\n")
    git(tmp_path, "clone", "--quiet", "--bare", str(root), "bare")
    for folder in (root / ".git", tmp_path / "bare"):
        found = read_history(folder, [".env"])
        assert found.find(Masked("a-value-of-a-day", "X"))
        assert found.obstacle.startswith("git ls-files ended with exit code 128")


@pytest.mark.parametrize("name", ["? a.env", "H b.env", "100644 0123456789abcdef 0\ta.env", "a\nb.env", " .env"])
def test_names_that_look_like_git_s_lines(root: Path, name: str) -> None:
    """Of files that git has, and of those that it would add."""
    for at, folder in enumerate(("added", "new")):
        (root / folder).mkdir()
        (root / folder / name).write_text(f"A=a-value-of-day-{at}\n")
        git(root, "add", "added")
    paths = [
        [
            (each.path, each.is_untracked)
            for each in read_history(root, [".env"]).find(Masked(f"a-value-of-day-{at}", "X"))
        ]
        for at in range(2)
    ]
    assert paths == [[(f"added/{name}", False)], [(f"new/{name}", True)]]


def test_git_is_started_once_for_each_answer(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five times for a look at a checkout: each start takes some of a person's time, most of all on macOS and WSL."""
    (root / ".env").write_text("A=1\n")
    program, calls = tmp_path / "bin/git", tmp_path / "calls"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho x >>{calls}\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    read_history(root, [".env"])
    read_status(root)
    assert calls.read_text().count("x") == 5


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_damaged_archive_is_searched_as_it_is(way: int) -> None:
    """Wherever its bytes are wrong or end: a checkout may have any file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        archive.writestr("tfplan", json.dumps({str(number): "secret" for number in range(99)}))
    raw = buffer.getvalue()
    assert [*parts(raw)] != [raw] and [*parts(raw[:-9])] == [raw[:-9]]
    for at in range(4, len(raw), 3):
        [*parts(raw[:at] + b"\xee\x07" + raw[at + 2 :])]


def test_the_beginning_of_a_large_file_in_an_archive_is_searched() -> None:
    """Packed, it may be as small as others; how much it unpacks to has a bound."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tfstate", b"secret" + bytes(2 * history.LARGEST_BLOB))
    [part] = parts(buffer.getvalue())
    assert part.startswith(b"secret") and len(part) == history.LARGEST_BLOB


def test_one_walk_tells_which_named_files_git_has(root: Path) -> None:
    """In the index, in a commit, or in neither; a file whose name begins alike is another."""
    for name in ("old/.env2", "old/.env"):
        write(root, name, "A=1\n")
    git(root, "rm", "--quiet", "old/.env")
    git(root, "commit", "--quiet", "--message", "removed")
    write(root, "staged/.env", "A=1\n", commit=False)
    for name in (".env", "free.env"):
        (root / name).write_text("A=1\n")
    names = [".env", "free.env", "old/.env", "staged/.env"]
    history = read_history(root, names)
    assert history.published == {"old/.env", "staged/.env"} and history.tracked == {"staged/.env"}
    assert {name: len(ids) for name, ids in history.commits.items()} == {"old/.env": 2}
