"""A value is found however its escapes nest, and a common word only where it stands alone as a value."""

import html
import itertools
import json
import secrets
import shlex
import time
import urllib.parse
from collections.abc import Callable

import numpy
import pytest

from omc_runbook.masking import registry
from omc_runbook.masking.common import is_common
from omc_runbook.masking.nested import mask_members
from omc_runbook.masking.stream_buffer import StreamBuffer

TEXT = secrets.token_urlsafe(9) + " ü'\"<\\&/+%\t\n😀 C:\\new \\u0041" + secrets.token_urlsafe(9)
ENCODINGS: dict[str, Callable[[str], str]] = {
    "JSON": json.dumps,
    "JSON of all characters": lambda text: json.dumps(text, ensure_ascii=False),
    "object": lambda text: json.dumps({"a": [text]}),
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "URL": lambda text: urllib.parse.quote(text, safe=""),
    "form": urllib.parse.quote_plus,
    "HTML": html.escape,
    "shell": shlex.quote,
}


def encode(text: str, *names: str) -> str:
    """Encode a text by one after another."""
    for name in names:
        text = ENCODINGS[name](text)
    return text


def shows(text: str, value: str) -> bool:
    """Whether any five characters in a row of the value are in the text."""
    return any(value[at : at + 5] in text for at in range(len(value) - 4))


@pytest.mark.parametrize("outermost", ENCODINGS)
def test_a_value_is_masked_however_its_escapes_nest(outermost: str) -> None:
    """Three encodings in any order leave the name between what was around the value."""
    registry.register(TEXT, "ODD")
    missed = []
    for first, second in itertools.product(ENCODINGS, repeat=2):
        masked = registry.mask(f"<<{encode(TEXT, first, second, outermost)}>>")
        whole = masked.startswith("<<") and masked.endswith(">>") and "‹ODD›" in masked
        if not whole or shows(masked, TEXT):
            missed.append((first, second))
    assert not missed


@pytest.mark.parametrize(
    ("around", "encode_sign"),
    [
        ("'", lambda text: text.replace("'", "''")),
        ('"', lambda text: text.replace('"', '""')),
        ("", lambda text: text.replace("$", "$$")),
        ("", lambda text: text.replace("%", "%%")),
        ("", lambda text: json.dumps(text).replace("$", "$$")),
        ("$'", lambda text: "".join(f"\\{byte:03o}" if byte > 126 else chr(byte) for byte in text.encode())),
        ("", lambda text: html.escape(text).replace(" ", "&nbsp;")),
    ],
    ids=["SQL", "CSV", "Compose", "INI", "Compose in JSON", "shell in octal", "HTML without line breaks"],
)
@pytest.mark.parametrize("value", ["s'9 o'n", "it's \\101 \"qz9\" 5$ $7% ü8 ''x", "o\\w9'$7%\"\\qo ü"])
def test_signs_that_a_program_doubles_or_numbers_hide_no_value(
    around: str, encode_sign: Callable[[str], str], value: str, own_registry: None
) -> None:
    """As do SQL, CSV, INI files and `docker compose config`, a shell's trace with ASCII alone, and HTML for blanks."""
    registry.register(value, "SIGNS")
    masked = registry.mask(f"k={around}{encode_sign(value)}{around.strip('$')} end")
    assert masked.startswith(f"k={around[:1]}") and masked.endswith(" end")
    assert "‹SIGNS›" in masked and not {*"97o"} & {*masked.replace("end", "")}


@pytest.mark.parametrize("value", ['"tru9badour"', 'tru9badour"', "'tru9badour'", "tru9badour'"])
@pytest.mark.parametrize(
    ("before", "encode", "after"),
    [
        ('{"k": "', lambda text: json.dumps(text)[1:-1], '", "m": 1}'),
        ('<b title="', html.escape, '" id="x">'),
        ("<b title='", html.escape, "' id='x'>"),
        ("k='", lambda text: text.replace("'", "'\\''"), "' run"),
    ],
    ids=["JSON", "HTML", "HTML in single quotes", "shell"],
)
def test_the_quotes_around_a_value_in_quotes_stay(
    before: str, encode: Callable[[str], str], after: str, value: str, own_registry: None
) -> None:
    """Unescaped, they are one row with the value's own; without them a page's tag would not end."""
    registry.register(value, "QUOTED")
    assert registry.mask(f"{before}{encode(value)}{after}") == f"{before}‹QUOTED›{after}"


@pytest.mark.parametrize(
    "shown",
    [
        r"whispering\-meadow\_lantern\_of\_gold",
        r"whispering-meadow\_lantern\_of\_gold",
        "whispering&#45;meadow&#95;lantern&#95;of&#95;gold",
        "whispering-meadow&lowbar;lantern&lowbar;of&lowbar;gold",
        "whispering%2Dmeadow%5Flantern%5fof%5Fgold",
    ],
    ids=["Markdown", "TeX", "HTML by number", "HTML by name", "URL"],
)
def test_a_value_is_masked_where_a_program_escapes_its_dashes(shown: str, own_registry: None) -> None:
    """Few do, as what turns notebooks into Markdown and TeX; no piece of a passphrase is distinctive."""
    registry.register("whispering-meadow_lantern_of_gold", "PHRASE")
    assert registry.mask(f"before {shown} after") == "before ‹PHRASE› after"


@pytest.mark.parametrize(
    ("shown", "masked"),
    [
        (
            '<b><span class="n">whispering</span><span class="o">-</span><span class="n">meadow&amp;7</span></b>',
            '<b><span class="n">‹PHRASE›</span><span class="o"></span><span class="n"></span></b>',
        ),
        (
            'see whispering-meadow&amp;<span style="color: #008080">7</span> <span>now</span>',
            'see ‹PHRASE›<span style="color: #008080"></span> <span>now</span>',
        ),
        ("<mark>whisper</mark>ing-meadow&amp;7 <mark>whisper</mark>", "<mark>‹PHRASE›</mark> <mark>whisper</mark>"),
        (
            '<span title="whispering-meadow&amp;7">whispering</span>',
            '<span title="‹PHRASE›">whispering</span>',
        ),
        (r"\"<span class=\"n\">whispering</span>-meadow\u00267\"", r"\"<span class=\"n\">‹PHRASE›</span>\""),
    ],
    ids=["Pygments", "rich", "search", "attribute", "JSON"],
)
def test_a_value_is_masked_where_a_page_highlights_parts_of_it(shown: str, masked: str, own_registry: None) -> None:
    """As code is displayed in a notebook, and what rich prints there; the page's tags stay."""
    registry.register("whispering-meadow&7", "PHRASE")
    assert registry.mask(shown) == masked


def test_a_tag_between_the_parts_of_a_value_that_shows_it_goes_with_them(own_registry: None) -> None:
    """As a title does that has the whole text of what is shortened or highlighted; other tags stay."""
    registry.register("whispering-meadow&7", "PHRASE")
    shown = 'a <span>whisper</span><span title="whispering-meadow&amp;7">ing-meadow&amp;7</span> <span>b</span>'
    assert registry.mask(shown) == "a <span>‹PHRASE›</span> <span>b</span>"


def test_a_page_in_a_stream_keeps_its_tags(own_registry: None) -> None:
    """As it does in a display."""
    registry.register("whispering-meadow&7", "PHRASE")
    shown = '<span class="n">whispering</span><span>-meadow&amp;7</span>\n'
    assert StreamBuffer().feed(shown) == registry.mask(shown) == '<span class="n">‹PHRASE›</span><span></span>\n'


def test_the_tags_of_a_value_are_masked_with_it(own_registry: None) -> None:
    """They are not the page's, also where a piece of the value stands within it."""
    registry.register('<span id="meadow">q7x2k9w4j8m3</span>', "MARKUP")
    assert registry.mask('a <span id="meadow">q7x2k9w4j8m3</span> b') == "a ‹MARKUP› b"
    assert registry.mask_thoroughly('a <span id="meadow">q7x2k9w4j8m3</span> b') == "a ‹MARKUP› b"


@pytest.mark.parametrize("word", ["found", "2026"])
def test_a_common_word_is_left_in_a_page_that_highlights_it(word: str, own_registry: None) -> None:
    """Without the tags it would stand alone."""
    registry.register(word, "SMTP_PASSWORD")
    for text in (f"<span>{word}</span>", f"<span>a</span>\n<span>{word}</span>\n<span>b</span>"):
        assert registry.mask(text) == text


def test_a_log_of_a_logs_log_is_masked() -> None:
    """Depth costs nothing: six layers of JSON and repr, backslashes by the hundred."""
    registry.register(TEXT, "ODD")
    deep = encode(TEXT, "object", "JSON", "bytes", "JSON", "repr", "JSON")
    assert "‹ODD›" in registry.mask(deep) and not shows(registry.mask(deep), TEXT)


def test_a_short_value_behind_an_escape_is_masked() -> None:
    """The letter of an escape is no letter that touches the value."""
    registry.register("zork7", "WORD")
    assert registry.mask(r'"a\nzork7\n"') == r'"a\n‹WORD›\n"'


def test_a_stream_holds_back_an_escaped_value() -> None:
    """Split anywhere, what a log writes of a value comes out masked."""
    registry.register(TEXT, "ODD")
    encoded = encode(TEXT, "object", "bytes")
    for cut in range(1, len(encoded)):
        tail = StreamBuffer()
        assert not shows(tail.feed(encoded[:cut]) + tail.feed(encoded[cut:]) + tail.flush(), TEXT)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [("URL", "JSON"), ("URL", "URL"), ("JSON", "bytes"), ("bytes", "bytes"), ("URL", "bytes"), ("HTML", "URL")],
)
def test_a_stream_holds_back_an_escape_within_another(outer: str, inner: str, own_registry: None) -> None:
    """Its beginning may be undone to that of a character, which may be the first one of a value."""
    value = "éwhispering öl 😀-lantern"
    registry.register(value, "PHRASE")
    encoded = encode(value, inner, outer)
    for cut in range(1, len(encoded)):
        tail = StreamBuffer()
        output = tail.feed(f"a {encoded[:cut]}") + tail.feed(f"{encoded[cut:]} b") + tail.flush()
        assert "‹PHRASE›" in output and not shows(output, "whispering") and not shows(output, "lantern"), cut


@pytest.mark.parametrize("text", ["done 100%", "to be &c", "C:\\", "a %C3", "$&amp;50%"])
def test_what_only_looks_like_an_escape_comes_out(text: str, own_registry: None) -> None:
    """At the end of a cell, or before what follows."""
    registry.register("éwhispering öl", "PHRASE")
    buffer = StreamBuffer()
    assert buffer.feed(text) + buffer.flush() + buffer.feed(" then") == f"{text} then"
    buffer = StreamBuffer()
    assert buffer.feed(text) + buffer.feed(" then") == f"{text} then"


@pytest.mark.parametrize("sign", ["&", "?a=1&", "%", "\\x"])
def test_the_beginning_of_a_value_after_what_begins_an_escape_is_held_back(sign: str, own_registry: None) -> None:
    """As in the query of an address, whose `&amp` may be an entity's: its letters are masked where nothing follows."""
    registry.register("abcdefgh-ij", "PHRASE")
    for written in ("abcdefg", "abcdefgh-i", "abcdefgh-ij"):
        buffer = StreamBuffer()
        output = buffer.feed(f"x {sign}{written}") + buffer.flush()
        assert output == f"x {sign}‹PHRASE›", written
    buffer = StreamBuffer()
    output = "".join(buffer.feed(each) + buffer.flush() for each in f"x {sign}abcdefgh-ij b")
    assert output.count("‹PHRASE›") == 1 and "cdef" not in output and output.endswith("› b"), output


def test_masking_text_full_of_escapes_takes_milliseconds() -> None:
    """A hundred kilobytes of log against thirty values, of which half have signs to escape."""
    for number in range(30):
        registry.register(secrets.token_urlsafe(32) + "\"\\'\n" * (number % 2), f"KEY_{number}")
    text = json.dumps(json.dumps([f'a "{secrets.token_hex(8)}" \n <b>&amp;%41' for _ in range(2000)]))[:100_000]
    registry.mask("")
    started = time.process_time()
    assert registry.mask(text) == text
    assert time.process_time() - started < 0.3


WORDS = (
    "found",
    "after",
    "table",
    "2026",
    "error",
    "Staging",
    "stdout",
    "2026-11-25",
    "task-definition",
    "abc",
    "LinkText",
)


@pytest.mark.parametrize("word", WORDS)
def test_a_common_word_is_one(word: str) -> None:
    """Words of a dictionary, of our own, dates, short numbers and short texts would be masked in any text."""
    assert is_common(word)


@pytest.mark.parametrize(
    "value", ["hunter2", "qzjxkvbpwm", "correct-horse-battery-staple", "482913", "f0und!", "a long phrase, of words"]
)
def test_a_telling_value_is_no_common_word(value: str) -> None:
    """Whatever no text holds by chance is masked everywhere, weak as it may be."""
    assert not is_common(value)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "  {}\n",
        "first\n{}\nlast",
        "'{}'",
        'say "{}".',
        r"{{\"a\": \"{}\"}}",
        "b&quot;{}&quot;",
        "SMTP_PASSWORD={}",
        "export SMTP_PASSWORD={} && run",
        "OTHER_NAME={}",
        "SMTP_PASSWORD: {}",
        "SMTP_PASSWORD    {}",
        "<td>SMTP_PASSWORD</td>\n<td>{}</td>",
        "smtp://mailer:{}@mail.example.com",
        '<input value="{}">',
    ],
)
@pytest.mark.parametrize("word", ["found", "2026"])
def test_a_common_word_is_masked_where_it_stands_alone(text: str, word: str) -> None:
    """As a line, in quotes, behind its key and in an address, it is the value."""
    registry.register(word, "SMTP_PASSWORD")
    line = text.format(word)
    assert registry.mask(line) == text.format("‹SMTP_PASSWORD›")


@pytest.mark.parametrize(
    "text",
    [
        "An error was found after 2026-11-25, in a table.",
        "The table has 2026 rows, found after an error",
        "SMTP_PASSWORD is found in far too few guesses.",
        '<table class="table"><tr><td>found</td><td>2026</td></tr></table>',
        '{"found": 1, "after": [2026], "table": {"error": 0}}',
        "if found: table = after(error)",
        "2026-11-25T18:08:39Z",
        "took 0.2026 s",
    ],
)
def test_a_common_word_is_left_in_sentences_code_and_markup(text: str) -> None:
    """What happens to read like a value is not one."""
    for word in ("found", "after", "table", "2026", "error"):
        registry.register(word, "SMTP_PASSWORD")
    assert registry.mask(text) == text


@pytest.mark.parametrize("text", ["{}", "FIRST_PASSWORD    {}", "OTHER_PASSWORD    {}"])
def test_a_common_word_of_several_keys_has_the_name_of_the_first(text: str) -> None:
    """As any other value, and behind each of them it is masked."""
    for name in ("FIRST_PASSWORD", "OTHER_PASSWORD"):
        registry.register("found", name)
    assert registry.mask(text.format("found")) == text.format("‹FIRST_PASSWORD›")


def test_the_members_of_a_message_are_masked_with_their_names() -> None:
    """But for words of its format; a common word is one in a member that has text for a person."""
    registry.register("found", "WORD")
    registry.register(TEXT, "TOKEN")
    content = {"name": TEXT, "state": "found", "text": "found", "data": {"text/plain": "found"}, TEXT: "found"}
    masked = {"state": "found", "text": "‹WORD›", "data": {"text/plain": "‹WORD›"}, "‹TOKEN›": "‹WORD›"}
    assert mask_members(content, {"name"}) == masked


def test_a_value_in_small_letters_is_masked_as_a_name_of_data(own_registry: None) -> None:
    """As that of a member in JSON that is displayed; media types and fields of messages keep their names."""
    registry.register("whispering-meadow-lantern", "PHRASE")
    registry.register("text/plain", "KIND")
    content = {"data": {"application/json": {"whispering-meadow-lantern": 1, "meadow": 2}, "text/plain": "x"}}
    masked = {"data": {"application/json": {"‹PHRASE›": 1, "meadow": 2}, "text/plain": "x"}}
    assert mask_members(content, ()) == masked


@pytest.mark.parametrize("field", ["tooltips", "font_size", "_model_module"])
def test_a_field_of_a_widget_keeps_its_name(field: str, own_registry: None) -> None:
    """Without it JupyterLab shows no widget, whatever a secret has as its value."""
    registry.register(field, "FIELD")
    content = {"comm_id": "c", "data": {"method": "update", "state": {field: 7}, "buffer_paths": []}}
    assert mask_members(content, ()) == content


def test_a_number_that_is_a_value_is_masked_where_data_has_it_as_one(own_registry: None) -> None:
    """As in JSON that is displayed, in a widget, and in what `json.loads` makes of the secret; others stay numbers."""
    registry.register("48291034771", "PIN")
    registry.register("739164", "CODE")
    pins = [48291034771.0, numpy.float64(48291034771), 4829103477, 739164, True]
    content = {"data": {"application/json": {"pin": 48291034771, "pins": pins}}}
    masked = {"data": {"application/json": {"pin": "‹PIN›", "pins": ["‹PIN›", "‹PIN›", *pins[2:]]}}}
    assert mask_members(content, {"name"}) == masked
