"""The template of a .env: what is read of it, and a new variable added without touching anything else."""

import io
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omc_runbook.model.errors import CannotEdit, UsageError
from omc_runbook.model.placeholders import PLACEHOLDER
from omc_runbook.repository.template import (
    Template,
    TemplateEntry,
    find_template,
    find_template_of,
    parse_template,
    read_template,
)
from omc_runbook.repository.template_edit import NewEntry, add_entry
from omc_runbook.textfile.file import SourceFile

WILD = """\
# Copy this file to .env:
#   cp .env.template .env
# (optional values may stay empty)

# =============================================
# Database
# =============================================

# Where the database is
POSTGRES_SERVER=localhost
POSTGRES_PORT=5432\t# as in compose.yml
export POSTGRES_DB = app
# Password (required)
# Generate with: openssl rand -base64 32
POSTGRES_PASSWORD="change#this"   \t
'POSTGRES_ODD'='it''s

### E-mail (optional) ###
SMTP_HOST=smtp.example.com
SMTP_PASSWORD=   # required. Get from: https://mail.example.com/apppasswords.
#SMTP_PORT=587
# openssl rand -hex 32

# Monitoring

#### Where errors go ####
#
# Get from: https://sentry.io/settings/ (see https://docs.sentry.io)
SENTRY_DSN=''
# Set DEBUG=true to see more
DEBUG=false
this line is nothing
COLON: value

# Keys
# ----
# One key, several lines
PRIVATE_KEY="-----BEGIN KEY-----
# no comment
NOT_A_NAME=1
-----END KEY-----" # paste it here
# export OPTIONAL_URL="https://example.com/a b"
LAST='${DEBUG} stays'"""


def file_of(text: str | bytes) -> SourceFile:
    raw = text if isinstance(text, bytes) else text.encode()
    return SourceFile(Path("checkout/.env.template"), ".env.template", raw)


def template_of(text: str) -> Template:
    return parse_template(file_of(text))


def entry_of(text: str, name: str = "NAME") -> TemplateEntry:
    entry = template_of(text).find(name)
    assert entry
    return entry


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_wild_template(newline: str, mark: str) -> None:
    """Names, values, sections and lines are read as they are, whatever the line ends."""
    template = template_of(mark + WILD.replace("\n", newline))
    assert [(each.name, each.value, each.section, each.line) for each in template.entries] == [
        ("POSTGRES_SERVER", "localhost", "Database", 10),
        ("POSTGRES_PORT", "5432", "Database", 11),
        ("POSTGRES_DB", "app", "Database", 12),
        ("POSTGRES_PASSWORD", "change#this", "Database", 15),
        ("SMTP_HOST", "smtp.example.com", "E-mail (optional)", 19),
        ("SMTP_PASSWORD", "", "E-mail (optional)", 20),
        ("SMTP_PORT", "587", "E-mail (optional)", 21),
        ("SENTRY_DSN", "", "Where errors go", 29),
        ("DEBUG", "false", "Where errors go", 31),
        ("PRIVATE_KEY", "-----BEGIN KEY-----\n# no comment\nNOT_A_NAME=1\n-----END KEY-----", "Keys", 38),
        ("OPTIONAL_URL", "https://example.com/a b", "Keys", 42),
        ("LAST", "${DEBUG} stays", "Keys", 43),
    ]
    assert {each.name for each in template.entries if each.commented_out} == {"SMTP_PORT", "OPTIONAL_URL"}
    assert {each.name for each in template.entries if each.has_inline_comment} == {
        *("POSTGRES_PORT", "SMTP_PASSWORD", "PRIVATE_KEY"),
    }
    assert {each.name for each in template.entries if each.optional} == {
        *("SMTP_HOST", "SMTP_PORT", "SENTRY_DSN", "OPTIONAL_URL"),
    }


def test_what_is_said_of_a_variable() -> None:
    """Its comment is the lines directly above and the one behind, without decoration, notes and address included."""
    texts = {each.name: (each.description, each.obtain_from) for each in template_of(WILD).entries}
    sentry, mail = "https://sentry.io/settings/", "https://mail.example.com/apppasswords"
    assert texts == {
        "POSTGRES_SERVER": ("Where the database is", ""),
        "POSTGRES_PORT": ("as in compose.yml", ""),
        "POSTGRES_DB": ("", ""),
        "POSTGRES_PASSWORD": ("Password (required) Generate with: openssl rand -base64 32", ""),
        "SMTP_HOST": ("", ""),
        "SMTP_PASSWORD": (f"required. Get from: {mail}.", mail),
        "SMTP_PORT": ("", ""),
        "SENTRY_DSN": (f"Get from: {sentry} (see https://docs.sentry.io)", sentry),
        "DEBUG": ("Set DEBUG=true to see more", ""),
        "PRIVATE_KEY": ("One key, several lines paste it here", ""),
        "OPTIONAL_URL": ("", ""),
        "LAST": ("", ""),
    }


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("NAME=1", ""),
        ("# About it\nNAME=1", ""),
        ("# Title\n\nNAME=1", "Title"),
        ("# Two lines\n# of prose\n\nNAME=1", ""),
        ("# A sentence, and no title.\n\nNAME=1", ""),
        ("A=1\n# behind A\n\nNAME=1", ""),
        ("A=1\n\n# Title\n\n\n# About it\nNAME=1", "Title"),
        ("# ------\n# Title\n# ------\nNAME=1", "Title"),
        ("#######\n# Title #\n#######\n# About it\nNAME=1", "Title #"),
        ("# ======\n# Title\n# and more\n# ======\n\nNAME=1", "Title and more"),
        ("# Title\n# ======\n\nNAME=1", "Title"),
        ("# ======\n# Title\n\nNAME=1", "Title"),
        ("# ======\n# About it\nNAME=1", ""),
        ("# --- Title ---\nNAME=1", "Title"),
        ("## Title ##\nNAME=1", "Title"),
        ("## No title #\nNAME=1", ""),
        ("# ======\n# --- Title ---\n# ======\nNAME=1", "Title"),
        ("# First\n\n# ─────\n# Second\n# ─────\nNAME=1", "Second"),
        ("# A=1\n\nNAME=1", ""),
    ],
)
def test_sections(text: str, section: str) -> None:
    """A title is framed by rules, or one comment line with a blank line before and after."""
    assert entry_of(text).section == section


@pytest.mark.parametrize(
    ("text", "optional"),
    [
        ("NAME=value", False),
        ("NAME=", True),
        ("# NAME=value", True),
        ("# (required)\n# NAME=value", True),
        ("# Optional\nNAME=value", True),
        ("NAME=value  # optional", True),
        ("# Required\nNAME=", False),
        ("# Not required\nNAME=value", True),
        ("# Required in production, optional here\nNAME=value", False),
        ("# Name of the optional proxy (required)\nNAME=value", False),
        ("# Required by nobody (optional: may be empty)\nNAME=value", True),
        ("# See https://example.com/optional\nNAME=value", False),
        ("# Optional settings\n\nNAME=value", True),
        ("# Optional settings\n\n# Required\nNAME=value", False),
        ("# Required settings\n\nNAME=", False),
        ("# Required settings\n\n# optional\nNAME=", True),
    ],
)
def test_whether_a_value_has_to_be_there(text: str, optional: bool) -> None:
    """A variable's own comment says it, else its section, else whether the template has a value."""
    assert entry_of(text).optional is optional


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("# A=1\nA=2", "A", 2),
        ("A=1\n# A=2", "A", 1),
        ("# A=1\n# A=2", "A", 1),
        ("A=1\nA=2", "A", 2),
    ],
)
def test_a_name_twice(text: str, name: str, line: int) -> None:
    """The active one counts, of two the last as for python-dotenv; of comments alone the first."""
    template = template_of(text)
    assert [(each.name, each.line) for each in template.entries] == [(name, line)]


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("#   Words  of it", "Words of it"),
        ("## Words", "Words"),
        ("#", ""),
        ("# - - -", ""),
        ("# --- Words", "Words"),
        ("#---Words---", "Words"),
        ("# Words --", "Words"),
        ("# --flag of it", "--flag of it"),
        ("# __init__", "__init__"),
        ("# - a point", "- a point"),
        ("# C#", "C#"),
    ],
)
def test_decoration_is_no_part_of_a_comment(comment: str, words: str) -> None:
    """Rules at the ends of a comment line go, and what only looks like one stays."""
    assert entry_of(f"{comment}\nNAME=1").description == words


def test_an_example_above_the_variable_keeps_its_comment() -> None:
    """A variable commented out right above itself does not take its description away."""
    assert entry_of("# The broker\n# NAME=amqp://localhost\n# or another\nNAME=").description == "The broker or another"


@pytest.mark.parametrize(
    "line", ["# Set DEBUG=true", "# openssl rand -hex 32", "# A = = 'b", '# A="b', "# a=b", "# =", "#"]
)
def test_prose_is_no_variable(line: str) -> None:
    """A comment is a variable only if all behind its # is an assignment to a name in capitals."""
    names = [each.name for each in template_of(f"{line}\nNAME=1").entries]
    assert names == (["A", "NAME"] if line == "# A = = 'b" else ["NAME"])


def test_what_another_program_fills_in_is_told_and_hides_no_template(tmp_path: Path) -> None:
    """A .env.tpl at the top may have a few references only, or be no .env at all."""
    (tmp_path / ".env.tpl").write_text("{{ with secret }}\nSECRET_KEY=op://dev/app/key\n")
    with pytest.raises(UsageError, match=r" It has \.env\.tpl: copy the one for developers to \.env\.example"):
        read_template(tmp_path)
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend/.env.example").touch()
    found = find_template_of(tmp_path, "backend/config.py")
    assert found is not None and found.name == "backend/.env.example"


def test_where_the_template_is(tmp_path: Path) -> None:
    """The guide's name comes before the others; without any the sentence says what to name."""
    with pytest.raises(UsageError, match=re.escape(f"{tmp_path} has no .env.template: name a checkout")):
        read_template(tmp_path)
    assert find_template(tmp_path) is None
    for name in (".env.local.example", "env.dev.sample", ".env.local", ".envrc.example"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r" It has \.env\.local\.example, env\.dev\.sample: copy the one for devel"):
        read_template(tmp_path)
    for name in (".example.env", "template.env", ".env.defaults", ".env-example", "my.env"):
        (tmp_path / name).touch()
    (tmp_path / "sample.env").mkdir()
    names = [".env-example", ".env.defaults", ".env.local.example", ".example.env", "env.dev.sample", "template.env"]
    with pytest.raises(UsageError, match=re.escape(f" It has {', '.join(names)}: copy the one for developers")):
        read_template(tmp_path)
    (tmp_path / "api").mkdir()
    (tmp_path / "api/.env.example").touch()
    with pytest.raises(UsageError, match=r"Below it there is api/\.env\.example: set repository to the application's"):
        read_template(tmp_path)
    for number in range(9):
        (tmp_path / f"app{number}").mkdir()
        (tmp_path / f"app{number}/.env.example").touch()
    with pytest.raises(UsageError, match=r"api/\.env\.example, .*app3/\.env\.example and 5 more: set repository"):
        read_template(tmp_path)
    for name in ("env.template", ".env.example", ".env.template"):
        (tmp_path / name).write_text(f"FROM={name}\n")
        assert read_template(tmp_path).entries[0].value == name
    (tmp_path / ".env.template").write_bytes(b"A=\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_template(tmp_path)


NEW = NewEntry(
    name="NEW_API_KEY", description="Key of the new provider", obtain_from="https://example.com/keys", required=True
)
LINES = "# Key of the new provider\n# Get it from: https://example.com/keys\nNEW_API_KEY=<your-new-api-key>\n"


def added(text: str, new: NewEntry = NEW) -> str:
    edit = add_entry(file_of(text), new)
    assert edit
    return edit.after.decode()


@pytest.mark.parametrize(
    "text",
    [
        "|",
        "A=1\n|",
        "A=1\n\n# b\nB=2\n@",
        "A=1\n# the end\n@",
        "A=1\n# B=2\n|",
        "A=1\n\n|",
        "A=1\nno variable\n|",
        "NEW_A=1\n|B=2\n",
        "NEW_A=1\nNEW_B=1\n|# b\nB=2\n",
        "NEW_A=1\n# behind it\n# still\n@\n# b\nB=2\n",
        "NEW_A=1\n# behind it\n@",
        "NEW_A=1\n|## Other ##\n\n# b\nB=2\n",
        "NEW_API_URL=1\n|NEW_B=1\n",
        "OLD_API_KEY=1\nNEW_B=1\n|Z=1\n",
        "OLD_API_KEY=1\n|Z=1\n",
        "A=1\nOLD_API_KEY=1\n|",
        "OLD_KEY=1\nZ=1\n|",
        "OLD_API_KEY=1\nOLD_API_SECRET=1\n|Z=1\n",
        "# a\nA=1\n\n# b\nOLD_API_KEY=1\nOLD_API_SECRET=1\n@\n# c\nC=1\n",
        "A=1\nOLD_API_KEY=1\nOLD_API_SECRET=1\n|\n# c\nC=1\n",
        "OLD_API_KEY=1\n|# Z_API_KEY=1\nZ=1\n",
        "# Z_API_KEY=1\nZ=1\n|B=2\n",
        "# NEW_A=1\n|# b\nB=2\n",
        "# a\nNEW_A=1\n@\n# b\nB=2\n",
        "Y=0\n\nNEW_A=1\n@\nB=2\n",
        "Y=0\n\nNEW_A=1\n|B=2\n",
        "Y=0\nNEW_A=1\n|\nB=2\n",
        'NEW_A="1\nNEW_B=2\n"\n|B=2\n',
        "NEW_A=1\nNEW_B=2\n|\n# Other\n\nNEW_C=3\n",
        "# One\n\nNEW_A=1\n@\n# Two\n\nB=1\n\nC=2\n",
        "# One\n\nNEW_A=1\n|\n# Two\n\nB=1\nC=2\n",
        "# -----\n# One\n# -----\nNEW_A=1\n|# -----\n# Two\n# -----\nB=1\n",
    ],
)
def test_where_a_variable_goes(text: str) -> None:
    """Behind its relatives, in their section: at "|", or at "@" where a blank line sets it apart as it does them."""
    assert added(text.replace("|", "").replace("@", "")) == text.replace("|", LINES).replace("@", f"\n{LINES}")


def test_a_variable_in_the_files_own_style() -> None:
    """Line ends, byte order mark, a missing final line end, and export for a shell that reads it, are the file's."""
    assert added("export A=1\n") == "export A=1\n" + LINES.replace("\nNEW_API_KEY=", "\nexport NEW_API_KEY=")
    lines = LINES.replace("\n", "\r\n")
    assert added("\ufeffA=1\r\nB=2") == "\ufeffA=1\r\nB=2\r\n" + lines.removesuffix("\r\n")
    assert added("NEW_A=1\r\nB=2") == f"NEW_A=1\r\n{lines}B=2"
    assert added("NEW_A=1") == f"NEW_A=1\n{LINES}".removesuffix("\n")


@pytest.mark.parametrize(
    ("before", "new", "lines"),
    [
        ("", NewEntry(name="A", description="", required=True), "A=<your-a>\n"),
        ("", NewEntry(name="A", description="", required=False), "# (optional)\nA=<your-a>\n"),
        (
            "",
            NewEntry(name="A", description=" One \u00a0 word ", required=False),
            "# One word (optional)\nA=<your-a>\n",
        ),
        (
            "",
            NewEntry(name="A", description="One (optional)", obtain_from="a friend", required=False),
            "# One (optional)\n# Get it from: a friend\nA=<your-a>\n",
        ),
        (
            "",
            NewEntry(name="A", description="Optional proxy", required=True),
            "# Optional proxy\n# (required)\nA=<your-a>\n",
        ),
        (
            "",
            NewEntry(name="A", description="It (required) or not", required=False),
            "# It (required) or not (optional)\nA=<your-a>\n",
        ),
        (
            "# S (optional)\n\nA_B=1\n",
            NewEntry(name="A", description="It", required=True),
            "# It\n# (required)\nA=<your-a>\n",
        ),
        (
            "",
            NewEntry(name="A", description="It (optional) (required)", required=False),
            "# It (optional) (required)\n# (optional)\nA=<your-a>\n",
        ),
        ("", NewEntry(name="A", description="One", required=True, is_text=False), "# One\nA=<your-a>\n"),
        ("", NewEntry(name="A", description="One", required=False, is_text=False), "# One (optional)\n# A=<your-a>\n"),
    ],
)
def test_the_lines_of_a_variable(before: str, new: NewEntry, lines: str) -> None:
    """Description, source and placeholder; whether it is required is read back as it was meant."""
    after = added(before, new)
    assert after == before + lines
    entry = entry_of(after, "A")
    assert (entry.optional, entry.value) == (not new.required, "<your-a>")
    assert PLACEHOLDER.match(entry.value)


@pytest.mark.parametrize("text", ["NEW_API_KEY=", "A=1\n# NEW_API_KEY=x\n", "export NEW_API_KEY = 'x\ny'"])
def test_what_is_there_is_not_added(text: str) -> None:
    """A variable that is there, be it in a comment, is done already."""
    assert add_entry(file_of(text), NEW) is None


@pytest.mark.parametrize(
    ("text", "new", "sentence"),
    [
        ("", NewEntry(name="new", description="x", required=True), "capital letters"),
        ("", NewEntry(name="1A", description="x", required=True), "capital letters"),
        (
            "",
            NewEntry(name="A", description="x\ny", required=True),
            "The description of A has a line end or a control character",
        ),
        ("", NewEntry(name="A", description="x\u2028y", required=True), "The description of A has a line end"),
        (
            "",
            NewEntry(name="A", description="x", obtain_from="https://x\x1b", required=True),
            "The obtain_from of A has a line end",
        ),
        (
            "",
            NewEntry(name="A", description="B=2", required=True),
            "The description of A would be read as a title or as a variable",
        ),
        (
            "",
            NewEntry(name="A", description="--- Keys ---", required=True),
            "The description of A would be read as a title",
        ),
        (
            'B="open\n',
            NewEntry(name="A", description='The "new" one', required=True),
            ".env.template has a quote that is never closed",
        ),
        (
            "A=1\r\n<<<<<<< HEAD\r\nB=1\r\n=======\r\nB=2\r\n>>>>>>> theirs\r\n",
            NewEntry(name="B", description="x", required=True),
            ".env.template has an unresolved merge conflict at line 2: resolve it, then run again. Nothing",
        ),
    ],
)
def test_what_cannot_be_added(text: str, new: NewEntry, sentence: str) -> None:
    """A name, a description or a file with which the new lines would not be read back is refused in one sentence."""
    with pytest.raises(CannotEdit, match=re.escape(sentence)):
        add_entry(file_of(text), new)


words = st.sampled_from(
    [
        "Where",
        "it's",
        "the",
        "key",
        "of",
        "(optional)",
        "optional",
        "required",
        "https://example.com/x",
        'a "b"',
        "#",
        "--",
        "=",
    ]
)
prose = st.lists(words, min_size=1, max_size=5).map(" ".join)
names = st.sampled_from(
    [
        "NEW",
        "NEW_API",
        "NEW_API_URL",
        "OLD_API_KEY",
        "SMTP_HOST",
        "SMTP_PORT",
        "A",
        "Z_KEY",
        "NEW__X",
        "lower_case",
        "OLD_API",
    ]
)
values = st.one_of(
    st.sampled_from(
        ["", "value", "a b", "'single # quoted'", '"double \\" quoted"', "''", "<your-key>", "a#b", "$A ${B}"]
    ),
    st.sampled_from(['"first\nA=1\n# second"', "'first\n\nNEW=2'", '"\n"', "'it\\'s'", "  spaced"]),
)
behind = st.sampled_from(["", " ", "\t", " # inline", "\t# it's optional", "  "])
assignments = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "export ", "  ", "\t"]),
    names,
    st.sampled_from(["=", " = ", "= "]),
    values,
    behind,
)
commented = st.builds(
    "{}{}={}".format, st.sampled_from(["# ", "#", "#  export "]), names, st.sampled_from(["", "x", "'a b'"])
)
rules = st.sampled_from(["# =====", "#####", "# -----"])
titles = st.one_of(
    st.builds("{0}\n# {1}\n{0}".format, rules, prose),
    st.builds("\n# {}\n".format, prose),
    st.builds("## {} ##".format, prose),
    rules,
)
unreadable = st.sampled_from(["just words here", "COLON: value", "= nothing", "A 'b' c"])
chunks = st.one_of(
    assignments,
    assignments,
    assignments,
    commented,
    prose.map("# {}".format),
    titles,
    st.sampled_from(["", "   ", "\t"]),
    unreadable,
)
news = st.builds(
    NewEntry,
    name=st.sampled_from(["NEW_API_KEY", "SMTP_PASSWORD", "A_B", "Q"]),
    description=st.lists(
        st.sampled_from(["Key", "of", "it's", 'the "x"', "(optional)", "required", "a=b"]), max_size=4
    ).map(" ".join),
    obtain_from=st.sampled_from(["", "https://example.com/keys", "your provider's page"]),
    required=st.booleans(),
)


def read_by_dotenv(raw: bytes) -> dict[str, str | None]:
    """What python-dotenv reads of a file with these bytes."""
    return dotenv_values(stream=io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig"), interpolate=False)


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(chunks, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\ufeff"]),
    st.booleans(),
    st.booleans(),
    news,
)
def test_any_template_gets_these_lines_and_no_more(
    lines: list[str], newline: str, mark: str, is_closed: bool, has_open_quote: bool, new: NewEntry
) -> None:
    """The edit inserts lines in one place; all others read as before, and the new one as what it was meant."""
    text = "\n".join([*lines, *(['OPEN="never closed'] if has_open_quote else [])]) + ("\n" if is_closed else "")
    file = file_of(mark + text.replace("\n", newline))
    try:
        edit = add_entry(file, new)
    except CannotEdit:
        assert has_open_quote
        return
    assert edit
    before, after = file.raw, edit.after
    more = len(after) - len(before)
    position = next(at for at in range(len(before) + 1) if before[:at] + after[at : at + more] + before[at:] == after)
    inserted = after[position : position + more].decode()
    assert not re.search("[\r\n]", inserted.replace(file.newline, ""))
    assert read_by_dotenv(after) == {**read_by_dotenv(before), new.name: new.placeholder}
    again = file_of(after)
    entry = parse_template(again).find(new.name)
    assert entry and (entry.value, entry.optional) == (new.placeholder, not new.required)
    assert entry.description.startswith(" ".join(new.description.split()))
    assert new.obtain_from in entry.description
    others = [each for each in parse_template(again).entries if each.name != new.name]
    assert [(each.name, each.value, each.description, each.section) for each in others] == [
        (each.name, each.value, each.description, each.section) for each in parse_template(file).entries
    ]
    assert add_entry(again, new) is None


def test_a_large_template_is_read_at_once() -> None:
    """Reading and editing stay quick for a thousand comment lines and variables."""
    text = "# " + "word " * 1000 + "\n# line\n" * 1000 + "\n".join(f"A_{number}='x'  # y" for number in range(1000))
    assert len(template_of(added(text)).entries) == 1001


def test_the_template_beside_the_application_is_the_next_best(tmp_path: Path) -> None:
    """The one at the top of the checkout comes first, then the one nearest above the file of Settings."""
    folder = tmp_path / "services" / "api"
    (folder / "src" / "api").mkdir(parents=True)
    (tmp_path / "frontend").mkdir()
    for path in (
        folder / ".env.example",
        tmp_path / "services" / ".env.sample",
        tmp_path / "frontend" / ".env.example",
    ):
        path.write_text("A=1\n")
    found = find_template_of(tmp_path, "services/api/src/api/settings.py")
    assert found and found.name == "services/api/.env.example"
    (tmp_path / ".env.template").write_text("A=1\n")
    found = find_template_of(tmp_path, "services/api/src/api/settings.py")
    assert found and found.name == ".env.template"
    (tmp_path / ".env.template").unlink()
    assert find_template_of(tmp_path, "") is None
