"""The JSON of a secret: what is read, what ECS would inject, and edits that leave the rest alone."""

import base64
import json
import secrets
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_runbook.masking import registry
from omc_runbook.masking.document import Document, DocumentError, Problem, compare, parse
from omc_runbook.masking.value import Masked, reveal

NAME = "ohmycoins-staging-app-secrets"


@pytest.fixture(scope="module", autouse=True)
def own_registry() -> Iterator[None]:
    """Keep the ordinary words that stand for values here from being masked in other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_values", {})
        patch.setattr(registry, "_public", set(registry._public))
        patch.setattr(registry, "_index", None)
        yield


def read(text: str) -> Document:
    return parse(Masked(text, NAME))


def injected(document: Document, key: str) -> str:
    member = document.get(key)
    assert member is not None
    return reveal(member.injected)


def edit(text: str, changes: dict[str, str], remove: tuple[str, ...] = ()) -> str:
    masked = {key: Masked(value, key) for key, value in changes.items()}
    return reveal(read(text).replace(masked, remove))


@pytest.mark.parametrize(
    ("raw", "kind", "text"),
    [
        ('"plain"', "string", "plain"),
        ('""', "string", ""),
        (r'"a\"b\\c\u00e9\n"', "string", 'a"b\\cé\n'),
        (r'"\ud83d\ude00 \ud83d"', "string", "😀 �"),
        ("5432", "number", "5432"),
        ("123456", "number", "123456"),
        ("1000000", "number", "1e+06"),
        ("1234567", "number", "1.234567e+06"),
        ("100000.5", "number", "100000.5"),
        ("12345678901234567890", "number", "1.2345678901234567e+19"),
        ("1e2", "number", "100"),
        ("1.50", "number", "1.5"),
        ("0.0001", "number", "0.0001"),
        ("0.00001", "number", "1e-05"),
        ("-0", "number", "-0"),
        ("-2500000", "number", "-2.5e+06"),
        ("1e300", "number", "1e+300"),
        ("1e-999", "number", "0"),
        ("true", "boolean", "true"),
        ("false", "boolean", "false"),
        ("null", "null", "<nil>"),
        ('{"b": 1000000, "a": [true, null]}', "object", "map[a:[true <nil>] b:1e+06]"),
        ("{}", "object", "map[]"),
        ('[1, 2, "x y", {"k": ""}]', "array", "[1 2 x y map[k:]]"),
        ("[]", "array", "[]"),
    ],
)
def test_what_ecs_would_inject(raw: str, kind: str, text: str) -> None:
    """Each kind of value becomes the text that Go prints for it."""
    document = read(f'{{"KEY": {raw}}}')
    assert document.members[0].kind == kind
    assert injected(document, "KEY") == text
    start, end = document.members[0].span
    assert reveal(document.value)[start:end] == raw


def test_keys_in_order() -> None:
    """Members stand in the text's order and are found by their exact key."""
    document = read(' {\n"Z": "1", "A": 2 ,\t"m":null\r\n} ')
    assert document.keys == ("Z", "A", "m")
    assert document.get("a") is None
    assert document.duplicates == ()
    assert read("{ }").members == ()


def test_the_last_duplicate_counts() -> None:
    """A key written twice is reported, and has its last value."""
    document = read('{"A": "first", "B": "other", "A": "second"}')
    assert document.duplicates == ("A",)
    assert sorted(document.keys) == ["A", "B"]
    assert injected(document, "A") == "second"


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("", "truncated", 0),
        (" \n", "truncated", 2),
        ('{"A": "x', "truncated", 8),
        ("plain words", "not-json", 0),
        ('{"A": x}', "not-json", 6),
        ('{"A": "x" "B": "y"}', "not-json", 10),
        ('{"A": "x",}', "not-json", 10),
        ('{"A": "x"} more', "not-json", 11),
        ('{} {"A": "x"}', "not-json", 3),
        ('{"A": NaN}', "not-json", 6),
        ('{"A": [-Infinity]}', "not-json", 6),
        ('{"A": 01}', "not-json", 7),
        ('{"A": "x\ny"}', "not-json", 8),
        (r'{"A": "\x41"}', "not-json", 7),
        ("{A: 1}", "not-json", 1),
        ("{'A': 'x'}", "single-quoted", 1),
        ("{\n 'A': 'x'}", "single-quoted", 3),
        ("{\"A\": 'x'}", "single-quoted", 6),
        ("\ufeff{}", "bom", 0),
        ('"text"', "not-an-object", 0),
        (' ["A"]', "not-an-object", 1),
        ("null", "not-an-object", 0),
        ("12 34", "not-json", 3),
        ('{"A": 1e999}', "number-range", 6),
        ('{"A": [{"B": -1e999}]}', "number-range", 6),
        ('{"A": ' + "[" * 100_000, "too-deep", None),
    ],
)
def test_texts_that_ecs_refuses(text: str, problem: Problem, position: int | None) -> None:
    """Each way to be no JSON object has its own problem, and the place where reading stopped."""
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert (caught.value.problem, caught.value.position) == (problem, position)


def test_errors_say_where() -> None:
    """The sentence names the secret, the line and the column."""
    with pytest.raises(DocumentError) as caught:
        read('{\n  "A": "x",\n  "B": oops\n}')
    assert str(caught.value) == f"The text of {NAME} at line 3, column 8 is not JSON: put valid JSON."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file://secrets.json", "the path of a file"),
        ("./secrets/staging.json", "the path of a file"),
        (base64.b64encode(b'{"A": "x"}').decode(), "JSON in base64"),
        ("A=x\n\n# a note\nexport B='y'\n", "a list of names and values"),
        ("A: x\nB: y", "a list of names and values"),
        ('{\n  // a note\n  "A": "x"\n}', "has a comment"),
        ('{\n  "A": "x",\n}', "a comma behind its last member"),
        ('{"A": "x"}\n{"B": "y"}', "goes on behind the end"),
        ('{"A": {} "B": "y"}', "is not JSON"),
        ("oops", "is not JSON"),
    ],
)
def test_errors_say_what_a_text_is_instead(text: str, words: str) -> None:
    """What people store by mistake is named, and none of it is shown."""
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert (caught.value.problem, words in caught.value.reason) == ("not-json", True), caught.value.reason


def test_the_guides_own_path_is_no_value() -> None:
    """A secret that holds the command's argument does not garble the command that mends it."""
    with pytest.raises(DocumentError):
        read("file://secrets.json")
    command = "aws secretsmanager put-secret-value --secret-string file://secrets.json"
    assert registry.mask(command) == command


@pytest.mark.parametrize(
    "form",
    [
        "{{'A': '{0}'}}",
        '{{"A": "{0}",}}',
        '{{"A": "{0}',
        '{{"A": {0}}}',
        "{0}",
        '"{0}"',
        "\ufeff{{{0}",
        '{{"A": "{0}", "B": 1e999}}',
        '{{"A": "{0}", "B": ' + "[" * 100_000,
    ],
)
def test_errors_show_no_value(form: str) -> None:
    """Neither an error's text, its causes, nor the locals of its frames show the secret."""
    value = secrets.token_urlsafe(24)
    masked = Masked(form.format(value), NAME)
    with pytest.raises(DocumentError) as caught:
        parse(masked)
    # Frames of this test hold the value; the module's own must not.
    ours = caught.value.__traceback__ and caught.value.__traceback__.tb_next
    report = traceback.TracebackException(DocumentError, caught.value, ours, capture_locals=True)
    assert value not in "".join(report.format())
    assert value not in repr(caught.value) + repr(caught.value.__dict__)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "form",
    [
        '{{"A": "{0}", "B": "',
        '{{"A": "{0}',
        "{{'A': '{0}'}}",
        '{{"A": "{0}",}}',
        "B=x\nexport A={0}\nC=y",
        "A: {0}\n",
        'A="{0}"\n',
    ],
)
def test_short_values_of_a_text_that_is_no_json_are_masked(form: str) -> None:
    """Tasks that started before may have them, and log them."""
    value = f"Tr0&{secrets.token_hex(2)}!"
    with pytest.raises(DocumentError):
        read(form.format(value))
    assert registry.mask(f"the password is {value} here") == "the password is ‹A› here"


def test_representations_show_no_value() -> None:
    """A document and its members show names only, and their texts are masked elsewhere."""
    value, nested, shadowed = (secrets.token_urlsafe(24) for _ in range(3))
    document = read(json.dumps({"SECRET_KEY": value, "DB": {"password": nested}}))
    text = repr(document) + str(document.members) + repr(vars(document))
    assert "‹SECRET_KEY›" in text
    assert value not in text and nested not in text
    read(f'{{"A": "{shadowed}", "A": "other"}}')
    masked = registry.mask(f"{value} {nested} {shadowed}")
    assert masked == "‹SECRET_KEY› ‹DB› ‹A›"


def test_members_of_json_within_a_value_are_masked() -> None:
    """Strings and long numbers, also of JSON in a string; short numbers stay what they are everywhere else."""
    one, other, deep = (secrets.token_hex(8) for _ in range(3))
    key = {"password": one, "pin": 48151623, "port": 5432, "more": f"\n{json.dumps([deep])}"}
    read(
        json.dumps({"ACCOUNT": json.dumps(key), "NESTED": {"pw": other, "pins": [4815162342, 77665544]}, "L": "[" * 9})
    )
    masked = registry.mask(f"{one} 48151623 {deep} {other} 4815162342 4.815162342e+09 77665544")
    assert masked == "‹ACCOUNT› ‹ACCOUNT› ‹ACCOUNT› ‹NESTED› ‹NESTED› ‹NESTED› ‹NESTED›"
    assert registry.mask("port 5432") == "port 5432"


@pytest.mark.parametrize("prefix", ["sk-proj-", "", "Zq8!"])
def test_a_key_that_is_a_value_is_masked(prefix: str) -> None:
    """Who exchanges a name and its value sees neither in a report: keys are shown everywhere else."""
    value = prefix + secrets.token_hex(12 if prefix else 16)
    read(json.dumps({value: "OPENAI_API_KEY", "SMTP_HOST": "smtp.example.com"}))
    assert registry.mask(f"{value} is no key, OPENAI_API_KEY is") == "‹OPENAI_API_KEY› is no key, OPENAI_API_KEY is"


def test_a_random_key_is_masked() -> None:
    """Also where its value is not its name."""
    value = secrets.token_hex(32)
    read(json.dumps({value: ""}))
    assert registry.mask(f"{value}.") == "‹a-value-as-key›."


@pytest.mark.parametrize("comes_first", [True, False])
def test_a_key_that_another_key_has_as_its_value_is_masked(comes_first: bool) -> None:
    """A value pasted as a key too, which is no random text but no name either, does not become public by that."""
    value = f"Tr0ubadour&{secrets.token_hex(3)} horse"
    pair = {value: "x", "SMTP_PASSWORD": value}
    read(json.dumps(pair if comes_first else dict(reversed(pair.items()))))
    label = "a-value-as-key" if comes_first else "SMTP_PASSWORD"
    assert registry.mask(f"{value} and SMTP_PASSWORD") == f"‹{label}› and SMTP_PASSWORD"


def test_a_text_of_many_keys_is_read_once_for_keys_that_are_values() -> None:
    """Its time grows with its length, not with the number of keys, too."""
    text = json.dumps({f"KEY_{number}": 'a: "b" ' * 8 for number in range(3000)})
    begin = time.process_time()
    assert len(read(text).keys) == 3000
    assert time.process_time() - begin < 0.5


def test_a_key_that_another_key_names_is_shown() -> None:
    """A name as a value is no secret."""
    read(
        json.dumps({"primary-database-1": "x", "DEFAULT_DATABASE": "primary-database-1", "B2_KEY": "DEFAULT_DATABASE"})
    )
    assert registry.mask("primary-database-1, DEFAULT_DATABASE") == "primary-database-1, DEFAULT_DATABASE"


@pytest.mark.parametrize("key", ["googleOauth2ClientSecret", "AUTH0_CLIENT_SECRET_2024", "aws-us-east-1-s3-key-2"])
def test_a_key_that_is_a_name_is_shown(key: str) -> None:
    """Whatever digits it has, and whatever its value names."""
    read(json.dumps({key: "x", "SECRET_NAME_KEY": "SECRET_KEY"}))
    assert registry.mask(f"{key} and SECRET_NAME_KEY") == f"{key} and SECRET_NAME_KEY"


def test_plain_words_are_not_masked() -> None:
    """A boolean or null in a secret does not mask these words everywhere."""
    read('{"A": true, "B": false, "C": null, "D": {}}')
    assert registry.mask("true false <nil> map[]") == "true false <nil> map[]"


@pytest.mark.parametrize(
    ("text", "changes", "remove", "expected"),
    [
        ('{"A":"x","B":1.50}', {"A": "y"}, (), '{"A":"y","B":1.50}'),
        ('{"A":"x","B":1.50}', {"C": "z"}, (), '{"A":"x","B":1.50,"C":"z"}'),
        ('{"A": "x", "B": 1}', {"C": "z"}, (), '{"A": "x", "B": 1, "C": "z"}'),
        ('{\n  "A": "x",\n  "B": 1\n}\n', {"C": "z"}, (), '{\n  "A": "x",\n  "B": 1,\n  "C": "z"\n}\n'),
        ('{\n\t"A" : "x"\n}', {"C": "z"}, (), '{\n\t"A" : "x",\n\t"C" : "z"\n}'),
        ('{"A": "x"}', {"C": "z", "D": ""}, (), '{"A": "x", "C": "z", "D": ""}'),
        ('{"A":"x"}', {"C": "z"}, (), '{"A":"x","C":"z"}'),
        ("{}", {"C": "z", "D": "w"}, (), '{"C": "z", "D": "w"}'),
        (" { } ", {}, (), " { } "),
        ('{"A": 5432, "B": "x"}', {"A": "5433"}, (), '{"A": "5433", "B": "x"}'),
        ('{"A": 1}', {"A": "1"}, (), '{"A": "1"}'),
        ('{"A": "x", "B": "y", "C": "z"}', {}, ("A",), '{"B": "y", "C": "z"}'),
        ('{"A": "x",  "B": "y",\n"C": "z"}', {}, ("B",), '{"A": "x",\n"C": "z"}'),
        ('{\n  "A": "x",\n  "B": "y"\n}', {}, ("B", "absent"), '{\n  "A": "x"\n}'),
        ('{\n  "A": "x"\n}', {"B": "y"}, ("A",), '{\n  "B": "y"\n}'),
        ('{"A": "x"}', {}, ("A",), "{}"),
        ('{"A": "1", "B": "2", "A": "3"}', {"A": "4"}, (), '{"A": "1", "B": "2", "A": "4"}'),
        ('{"A": "1", "B": "2", "A": "3"}', {}, ("A",), '{"B": "2"}'),
        (r'{"A": "caf\u00e9 \/"}', {"A": "café /"}, (), r'{"A": "caf\u00e9 \/"}'),
        ('{"A": "x"}', {"A": 'q"\\\n\x00'}, (), r'{"A": "q\"\\\n\u0000"}'),
        ('{"A": "x"}', {"A": "é"}, (), r'{"A": "\u00e9"}'),
        ('{"A": "x", "B": "ü"}', {"A": "é"}, (), '{"A": "é", "B": "ü"}'),
    ],
)
def test_edits(text: str, changes: dict[str, str], remove: tuple[str, ...], expected: str) -> None:
    """An edit keeps the document's style and every byte that it has no business with."""
    assert edit(text, changes, remove) == expected


def test_an_edit_twice_changes_nothing() -> None:
    """The same edit of its own result gives the same bytes."""
    once = edit('{ "A":"x",\n"B":2}', {"A": "é", "C": "new"}, ("B",))
    assert edit(once, {"A": "é", "C": "new"}, ("B",)) == once


def test_a_key_is_changed_or_removed_not_both() -> None:
    """An edit that contradicts itself is refused."""
    with pytest.raises(ValueError, match="same key: A"):
        edit('{"A": "x"}', {"A": "y"}, ("A",))


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
keys = st.sampled_from(["A", "B", "C", "SECRET_KEY", "é", 'q"', ""]) | st.text(max_size=5)
blank = st.text(" \t\r\n", max_size=3)


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    """A JSON text in random spacing and escapes, with each member's key and raw text; keys may repeat."""
    members = []
    for key, value in draw(st.lists(st.tuples(keys, values), max_size=5)):
        ascii_only = draw(st.booleans())
        raw_key, raw = (json.dumps(part, ensure_ascii=ascii_only) for part in (key, value))
        members.append((key, f"{raw_key}{draw(blank)}:{draw(blank)}{raw}"))
    body = ",".join(f"{draw(blank)}{raw}{draw(blank)}" for _, raw in members) if members else draw(blank)
    return f"{draw(blank)}{{{body}}}{draw(blank)}", members


@pytest.mark.long
@settings(deadline=None)
@given(objects(), st.dictionaries(keys, st.text(), max_size=4), st.sets(keys, max_size=3))
def test_any_edit_does_that_and_no_more(
    written: tuple[str, list[tuple[str, str]]], changes: dict[str, str], remove: set[str]
) -> None:
    """The edited text reads as the old mapping with the edit, and untouched members keep their bytes."""
    text, members = written
    remove -= set(changes)
    after = edit(text, changes, tuple(remove))
    expected: dict[str, Any] = {**json.loads(text), **changes}
    assert json.loads(after) == {key: value for key, value in expected.items() if key not in remove}
    position = 0
    for key, raw in members:
        if key not in changes and key not in remove:
            position = after.index(raw, position) + len(raw)


@settings(deadline=None)
@given(objects(), st.dictionaries(keys, st.text(), max_size=4))
@pytest.mark.long
def test_an_edit_without_removal_splices(written: tuple[str, list[tuple[str, str]]], changes: dict[str, str]) -> None:
    """Outside the spans of changed values and the place of new members, both texts are the same."""
    text, _ = written
    document = read(text)
    after = edit(text, changes)
    position = 0
    before = 0
    for member in sorted(document.members, key=lambda member: member.span):
        if member.key in changes:
            unchanged = text[before : member.span[0]]
            assert after.startswith(unchanged, position)
            position += len(unchanged)
            position = json.JSONDecoder().raw_decode(after, position)[1]
            before = member.span[1]
    end = max((member.span[1] for member in document.members), default=0)
    if end:
        assert after.startswith(text[before:end], position)
        assert after.endswith(text[end:])


@settings(deadline=None)
@given(objects(), st.data())
@pytest.mark.long
def test_every_cut_is_truncated(written: tuple[str, list[tuple[str, str]]], data: st.DataObject) -> None:
    """Wherever an object is cut before its end, it is reported as truncated there."""
    text = written[0].rstrip()
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    with pytest.raises(DocumentError) as caught:
        read(cut)
    assert (caught.value.problem, caught.value.position) == ("truncated", len(cut))


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but a DocumentError, and what Python refuses is refused."""
    try:
        json.loads(text)
    except ValueError:
        with pytest.raises(DocumentError):
            read(text)


def test_a_number_is_another_value_than_its_text() -> None:
    """Though ECS injects both alike, whatever else reads the secret does not."""
    before, after = read('{"A": 1, "B": "x", "C": "y"}'), read('{"A": "1", "B": "x", "D": "y"}')
    assert compare(before, after) == {"A": "changed", "B": "unchanged", "C": "removed", "D": "added"}


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_lose_nothing(number: float) -> None:
    """The text of a number reads back as the same 64-bit float."""
    assert float(injected(read(json.dumps({"N": number})), "N")) == number
