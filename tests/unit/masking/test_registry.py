"""Text that holds a registered value is masked in every spelling, and other text is left alone."""

import base64
import html
import itertools
import json
import os
import pprint
import re
import secrets
import shlex
import string
import textwrap
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from support.call_counts import count_calls

from omc_runbook.masking import registry
from omc_runbook.masking.escapes import without_unfinished
from omc_runbook.masking.index import Index
from omc_runbook.masking.spelling import spell
from omc_runbook.masking.stream_buffer import StreamBuffer

ODD = secrets.token_urlsafe(12) + " ü'\"<\\&/+%\t" + secrets.token_urlsafe(12)


@pytest.fixture(scope="module", autouse=True)
def odd() -> None:
    """Register a value that every way of escaping spells differently."""
    registry.register(ODD, "ODD")


def shows(text: str, value: str) -> bool:
    """Whether any five characters in a row of the value are in the text."""
    return any(value[at : at + 5] in text for at in range(len(value) - 4))


@pytest.mark.parametrize(
    "spelling",
    [
        ODD,
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        json.dumps({"a": json.dumps({"b": ODD})}),
        repr(ODD),
        repr(ODD.encode()),
        json.dumps(repr(ODD)),
        urllib.parse.quote(ODD),
        urllib.parse.quote(ODD, safe=""),
        urllib.parse.quote_plus(ODD),
        re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(ODD)),
        html.escape(ODD),
        html.escape(ODD, quote=False),
        shlex.quote(ODD),
        shlex.join(["echo", ODD]),
        ODD.encode().hex(),
        ODD.encode().hex().upper(),
        "\x1b[31m".join(ODD),
        json.dumps(ODD).replace("<", "\\u003c").replace("&", "\\u0026").replace("'", "\\u0027"),
    ],
    ids=itertools.count(),
)
def test_a_value_is_masked_in_every_spelling(spelling: str) -> None:
    """Escaped, quoted, encoded or coloured, the value's name stands in its place, between what was around it."""
    masked = registry.mask(f"<<{spelling}>>")
    assert "‹ODD›" in masked
    assert masked.startswith("<<") and masked.endswith(">>")
    assert not shows(masked, ODD) and not shows(masked, ODD.encode().hex())


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_masked_wherever_the_value_starts(before: str, encode: object) -> None:
    """A value inside longer encoded data is found at each of the three alignments, in wrapped lines too."""
    assert callable(encode)
    data = encode(f"{before}{ODD}:after".encode()).decode()
    masked = registry.mask(data)
    assert "‹ODD›" in masked
    assert len(masked) < len(data) - len(ODD)


def test_wrapped_base64_is_masked() -> None:
    """Each line that a command-line encoder makes of a long value is found."""
    text = secrets.token_urlsafe(150)
    registry.register(text, "WRAPPED")
    lines = base64.encodebytes(text.encode()).decode().splitlines()
    masked = registry.mask("\n".join(lines)).splitlines()
    assert [line for line in masked if len(line) > len("‹WRAPPED›") + 4] == []


def test_the_short_last_line_of_wrapped_base64_is_no_spelling() -> None:
    """A letter or two would be masked everywhere."""
    assert min(map(len, spell("x" * 58))) == 58


def test_pieces_of_a_long_value_are_masked() -> None:
    """A shortened representation shows no five characters of the value."""
    text = "".join(f"{letter}{secrets.randbelow(10)}" for letter in secrets.token_urlsafe(15))
    registry.register(text, "LONG")
    for cut in (text[:12] + "…", "…" + text[-15:], text[5:25], f"{text[:10]}...{text[-10:]}"):
        masked = registry.mask(f"cut {cut} here")
        assert "‹LONG›" in masked and not shows(masked, text)
        assert masked.startswith("cut ") and masked.endswith(" here")


@pytest.mark.parametrize("before", range(9))
def test_a_piece_is_masked_wherever_it_stands(before: int) -> None:
    """Alone at either end of a text, and with a piece of another value right behind it."""
    one = "".join(f"{secrets.choice('abcde')}{secrets.choice('1234')}" for _ in range(16))
    other = "".join(f"{secrets.choice('vwxyz')}{secrets.choice('6789')}" for _ in range(16))
    registry.register(one, "ONE")
    registry.register(other, "OTHER")
    filling = "." * before
    for at in range(len(one) - 7):
        piece = one[at : at + 8]
        assert registry.mask(filling + piece) == f"{filling}‹ONE›"
        assert registry.mask(filling + piece + other[-8:] + filling) == f"{filling}‹ONE›‹OTHER›{filling}"


def test_what_a_program_cut_short_is_masked_only_where_it_is_a_values_beginning() -> None:
    """A sentence that begins as an address does goes on otherwise."""
    registry.register(f"postgresql://app:{secrets.token_hex(12)}@db", "DATABASE_URL")
    assert registry.mask("postgresql is down ...") == "postgresql is down ..."
    assert registry.mask("postgresql://app:...") == "‹DATABASE_URL›..."


def test_a_path_that_a_program_cut_short_is_masked(own_registry: None) -> None:
    """A webhook's secret is in its path."""
    registry.register("https://hooks.example.com/whispering-meadow-lantern", "HOOK")
    assert registry.mask("https://hooks.example...") == "https://hooks.example..."
    assert registry.mask("https://hooks.example.com/...") == "https://hooks.example.com/..."
    assert registry.mask("https://hooks.example.com/whispering-mea...") == "‹HOOK›..."
    registry.register("whispering-lantern-meadow", "WORDS")
    assert registry.mask("whisperi...") == "‹WORDS›..." and registry.mask("...n-meadow") == "...‹WORDS›"


@pytest.mark.parametrize("value", ["https://whispering-meadow@example.com/1", "https://whispering-meadow.example.com/"])
def test_what_an_address_has_in_the_place_of_a_host_alone_is_masked_where_it_is_cut(
    value: str, own_registry: None
) -> None:
    """A token before the host, or a host that is all of a value."""
    registry.register(value, "DSN")
    assert registry.mask("https://whispering-mea...") == "‹DSN›..." and registry.mask("https://...") == "https://..."
    buffer = StreamBuffer()
    assert buffer.feed("https://whispering-mea") + buffer.flush() == "‹DSN›"


def test_a_row_of_dots_is_one_cut_and_what_it_leaves_of_a_value_is_masked() -> None:
    """A progress bar takes a few calls for each dot, not for each possible end of a value, and both ends are found."""
    text, row = secrets.token_urlsafe(40), "." * 3000
    registry.register(text, "LONG")
    masked: list[str] = []
    assert count_calls(lambda: masked.append(registry.mask(row))) < 20 * len(row)
    assert masked == [row]
    assert registry.mask(f"{text[:12]}{'.' * 30}{text[-12:]}") == f"‹LONG›{'.' * 30}‹LONG›"


def test_a_log_with_a_cut_in_each_line_takes_few_calls() -> None:
    """Where nothing before it begins a value, as in a log of downloads, only a look is taken at each place."""
    text = "".join(f"Downloading part {number} of the image ... done\n" for number in range(2000))
    registry.register(secrets.token_urlsafe(40), "LONG")
    masked: list[str] = []
    assert count_calls(lambda: masked.append(registry.mask(text))) < 100 * 2000
    assert masked == [text]


def test_a_row_of_backslashes_is_read_once() -> None:
    """Its time grows with its length, not with the square of that, which would be hours here."""
    row, begin = "\\" * 200_000, time.process_time()
    assert registry.mask(f"'{row}z") == f"'{row}z"
    assert without_unfinished(f"'{row}z") == f"'{row}z"
    assert time.process_time() - begin < 60


@pytest.mark.parametrize("alphabet", [string.ascii_lowercase, string.ascii_uppercase, string.digits])
def test_pieces_of_a_long_value_of_one_kind_are_masked(alphabet: str) -> None:
    """Random letters make no words, and so many digits no number that anybody writes."""
    text = "".join(secrets.choice(alphabet) for _ in range(48))
    registry.register(text, "LONG")
    for cut in (f"{text[:12]}…", f"…{text[-12:]}", text[20:32]):
        assert registry.mask(f"cut {cut} here").replace("…", "") == "cut ‹LONG› here"


@pytest.mark.parametrize("text", ["STONCNSIXVBHERALETIN", "thinerolmarsqendistovelpricato"])
def test_pieces_of_letters_that_only_look_like_syllables_are_masked(text: str) -> None:
    """By chance random letters have many pairs that words have, too."""
    registry.register(text, "LONG")
    assert registry.mask(f"cut {text[:12]}… here") == "cut ‹LONG›… here"


@pytest.mark.parametrize("part", ["qzvkwjxqmfpt", "QZVKWJXQMFPT", "qzvk/wjxqmfp"])
def test_a_piece_of_one_kind_within_letters_and_digits_is_masked(part: str) -> None:
    """Its surroundings show that it is random, as in the lines of a private key; a word there is not masked."""
    registry.register(f"a1B2c3D4e5F6g7H8{part}i9J1k2L3m4N5o6P7password", "LONG")
    assert registry.mask(f"cut …{part}… here") == "cut …‹LONG›… here"
    assert registry.mask("a password here") == "a password here"


def test_pieces_that_are_words_or_addresses_are_left_alone() -> None:
    """What a value shares with public text does not mask that text."""
    registry.register("mysqlrootpasswordforstaging", "PHRASE")
    assert registry.mask("the password of postgres for staging") == "the password of postgres for staging"
    registry.register("https://k3y@errors.example.com/team-settings/1", "SENTRY_DSN")
    registry.register("correct-horse-battery-staple", "WORDS")
    for text in ("https://docs.example.com/team-settings", "a battery and a staple", "errors.example.com"):
        assert registry.mask(text) == text


def test_short_values_are_masked_only_where_they_stand_alone() -> None:
    """A port number or a short word neither shreds other numbers and words nor shows itself."""
    registry.register("7391", "PORT")
    registry.register("zork", "WORD")
    registry.register("z!q", "TOO_SHORT")
    registry.register("739164", "CODE")
    assert registry.mask("db:7391/x 'zork' zork.") == "db:‹PORT›/x '‹WORD›' ‹WORD›."
    for text in ("arn:aws:x:173912345678:y", "0.7391 s", "7391.25", "0.739164 s", "zorkmid", "z!q", b"zork".hex()):
        assert registry.mask(text) == text


def test_a_number_is_no_part_of_a_longer_number() -> None:
    """A command with an account's id stays one; a number that is as long as that is masked wherever it is."""
    registry.register("12345678", "PIN")
    registry.register("998877665544", "LONG")
    assert registry.mask("arn:aws:iam::123456789012:role/a 12345678 pin12345678.") == (
        "arn:aws:iam::123456789012:role/a ‹PIN› pin‹PIN›."
    )
    assert registry.mask("0998877665544") == "0‹LONG›"


@pytest.mark.parametrize("blanks", ["\n" * 4, " " * 4, "\t\r\n\u2003"])
def test_blanks_are_no_value(blanks: str) -> None:
    """They are between all other texts, and in every record."""
    registry.register(blanks, "BLANKS")
    assert registry.mask(f"a{blanks}b") == f"a{blanks}b"


def test_public_words_are_not_masked() -> None:
    """A word that must stay readable stays so, whether it was exempted before the value came or after."""
    word = "pub" + secrets.token_hex(5)
    registry.exempt({word})
    registry.register(word, "SAME")
    assert registry.mask(f"{word} in") == f"{word} in"
    later = "pub" + secrets.token_hex(5)
    registry.register(later, "LATER")
    assert registry.mask(later) == "‹LATER›"
    registry.exempt([later])
    assert registry.mask(later) == later


def test_words_that_every_message_needs_are_public() -> None:
    """A secret that holds a boolean does not mask all booleans."""
    registry.register("true", "FLAG")
    assert registry.mask('{"found": true}') == '{"found": true}'


def test_masking_twice_changes_nothing() -> None:
    """What is masked is masked for good, even when a value reads like a name."""
    registry.register("WEIRD_NAME", "WEIRD_NAME")
    once = registry.mask(f"{ODD} ‹WEIRD_NAME›")
    assert registry.mask(once) == once == "‹ODD› ‹WEIRD_NAME›"


def test_overlapping_values_leave_no_rest() -> None:
    """Where one value begins inside another, both go."""
    middle = secrets.token_hex(6)
    first, second = "1st" + middle, middle + "2nd"
    registry.register(first, "FIRST")
    registry.register(second, "SECOND")
    masked = registry.mask(f"({first}2nd)")
    assert masked == "(‹FIRST›)"


def test_each_long_line_of_a_value_is_masked_quickly() -> None:
    """The lines of a key file are distinguished from its armour, and preparing for them takes no second."""
    body = "\n".join(secrets.token_urlsafe(48) for _ in range(26))
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    started = time.process_time()
    registry.register(pem, "PEM")
    assert registry.mask(f"> {body.splitlines()[7]} <") == "> ‹PEM› <"
    assert registry.mask("\x1b[32m".join(body.splitlines()[3])).startswith("‹PEM›")
    assert time.process_time() - started < 1
    assert registry.mask("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_a_value_is_masked_without_its_blanks_and_line_ends(own_registry: None) -> None:
    """Collapsed, trimmed, joined or line by line, as messages and logs show it, the value is found."""
    one, two, three = (secrets.token_hex(5) for _ in range(3))
    registry.register(f" {one}  {two}\t{three}\n", "SPACED")
    assert registry.mask(f"<{one} {two} {three}>") == "<‹SPACED›>"
    registry.register(f"{one}!\r\n  {two}!\n", "LINES")
    assert registry.mask(f"<{one}!{two}!>") == "<‹LINES›>"
    assert registry.mask(f"<{one}! {two}!>") == "<‹LINES›>"
    registry.register(f"{three}@\na1b2\nname\n", "SHORT_LINE")
    assert registry.mask("a1b2 name xa1b2y") == "‹SHORT_LINE› name xa1b2y"
    registry.register("new \t tasks\n", "WORDS")
    assert registry.mask("The new tasks, 'new tasks'") == "The new tasks, '‹WORDS›'"


def test_a_value_put_out_bit_by_bit_is_masked_thoroughly() -> None:
    """One character a line, or wrapped by a narrow terminal, the value is found where that is asked for."""
    text = secrets.token_hex(12)
    registry.register(text, "BITS")
    assert registry.mask_thoroughly("\n".join(text)) == "‹BITS›"
    assert registry.mask_thoroughly(f"see {text[:10]}\n    {text[10:]} there") == "see ‹BITS› there"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: textwrap.fill(text, 30),
        lambda text: textwrap.indent(textwrap.fill(text, 30), "│ "),
        lambda text: "\n".join(f"│ {part:30} │" for part in textwrap.wrap(text, 30)),
        lambda text: pprint.pformat({"k": text}, width=30),
        lambda text: yaml.safe_dump({"k": text}, width=30),
        lambda text: yaml.safe_dump({"k": text}, width=30, default_style='"'),
    ],
    ids=["lines", "error's frame", "table", "pprint", "YAML", "YAML in quotes"],
)
def test_a_phrase_that_a_program_wraps_is_masked_thoroughly(wrap: Callable[[str], str], own_registry: None) -> None:
    """Its blanks are where lines break, with a frame, quotes or indents around them."""
    phrase = "my dog ate a birthday cake on a sunny tuesday and slept for a week"
    registry.register(phrase, "PHRASE")
    masked = registry.mask_thoroughly(f"before\n{wrap(phrase)}\nafter")
    assert "‹PHRASE›" in masked and not {*phrase.split()} & {*re.findall(r"\w{2,}", masked)}
    assert masked.startswith("before") and masked.endswith("after")


def test_a_phrase_with_escapes_that_yaml_wraps_is_masked_thoroughly(own_registry: None) -> None:
    """The backslash of an escape, and a quote of the value, may be the first sign of the second line."""
    phrase = "käse é'n \"brot\" é 'ün' dé"
    registry.register(phrase, "PHRASE")
    for width in range(8, 40):
        folded = yaml.safe_dump({"k": phrase}, width=width, default_style='"')
        masked = registry.mask_thoroughly(f"before\n{folded}after")
        assert masked == 'before\n"k": "‹PHRASE›"\nafter', folded


@pytest.mark.parametrize("sign", ["'", '"', "\\", "=", '="'])
def test_a_wrapped_value_that_ends_as_a_half_in_quotes_does_is_masked_thoroughly(sign: str, own_registry: None) -> None:
    """What stands before a line's end may be of the value, or what a program puts there."""
    registry.register(f"troubadour-and-horse{sign}", "PHRASE")
    masked = registry.mask_thoroughly(f"before\ntroubadour-\nand-horse{sign}\nafter")
    assert masked.startswith("before\n‹PHRASE›") and masked.endswith("\nafter")


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("kubernetes terraform postgresql elasticsearch grafana", "kubernetes and elasticsearch with terraform"),
        ("test 1", "the host test1"),
        ("123 456", "number 123456"),
        ("a b c d e f g", "abcdefghi"),
    ],
)
def test_words_and_numbers_of_a_phrase_are_left_alone(phrase: str, text: str, own_registry: None) -> None:
    """Without its blanks a phrase is no token of random letters, and a short one is like any word."""
    registry.register(phrase, "PHRASE")
    assert registry.mask_thoroughly(text) == text


def test_masking_a_large_text_takes_milliseconds(own_registry: None) -> None:
    """A hundred kilobytes against thirty values stay far below what a reader notices."""
    for number in range(30):
        registry.register(secrets.token_urlsafe(32), f"KEY_{number}")
    text = " ".join(secrets.token_hex(16) for _ in range(3000))
    registry.mask("")
    started = time.process_time()
    assert registry.mask(text) == text
    assert time.process_time() - started < 0.3


@pytest.mark.long
def test_a_large_text_is_not_searched_for_each_of_many_values() -> None:
    """It has every value that it shows wherever that begins, and the others take no search each."""
    present = [secrets.token_urlsafe(24) for _ in range(8)]
    present += [f"q7x{secrets.token_hex(3)}", f"q7x{secrets.token_hex(2)}"]
    others = [secrets.token_urlsafe(24) for _ in range(200)]
    index = Index([(text, f"V{at}") for at, text in enumerate([*present, *others])], frozenset())
    words = "".join(f"{'.' * at} {text} {html.escape(json.dumps(text))}" for at, text in enumerate(present))
    text = f"{words}{'<td>prose</td> ' * 4000}{present[0]}"
    assert {span.name for span in index.find(text)} == {f"V{at}" for at in range(len(present))}
    assert index.find(text)[-1].end == len(text)
    assert count_calls(lambda: index.find(f"{text} "), "find") < len(others)


def test_a_small_text_has_each_of_many_values_that_it_shows() -> None:
    """It has every spelling that it shows, as a large one has."""
    present = [secrets.token_urlsafe(24) for _ in range(8)]
    present += [f"q7x{secrets.token_hex(1)}", f"q7x{secrets.token_hex(2)}", 'a"b\\c Delta1Echo2', "x7y8", "päss-W0rt-7"]
    others = [f"q7x{secrets.token_urlsafe(24)}" for _ in range(60)]
    index = Index([(text, f"V{at}") for at, text in enumerate([*present, *others])], frozenset())
    spell_all = (str, json.dumps, html.escape, repr, urllib.parse.quote, urllib.parse.quote_plus)
    for at, value in enumerate(present):
        for spelling in [each(value) for each in spell_all]:
            assert [span.name for span in index.find(f" {spelling} ")] == [f"V{at}"]
            for text in (spelling, f"= {spelling} ", f"'{spelling}{spelling}'", f"V {spelling} {present[0]}"):
                # Of a text that is longer than there are spellings, each is looked for.
                assert index.find(text) == index.find(f"{text}{' ' * 2_000}")


def test_small_texts_take_as_long_with_many_values_as_with_few() -> None:
    """Eight times as many take less than three times the time."""

    def measure(values: int) -> float:
        index = Index([(f"q7{secrets.token_hex(12)}", f"V{at}") for at in range(values)], frozenset())
        rounds = []
        for turn in range(3):
            texts = [f"Service backend-{at} runs {at} tasks in round {turn}" for at in range(500)]
            started = time.process_time()
            assert not any(map(index.find, texts))
            rounds.append(time.process_time() - started)
        return min(rounds)

    assert measure(800) < 3 * measure(100)


@pytest.mark.long
def test_a_fork_in_the_middle_of_registering_can_mask() -> None:
    """The registry's lock is free in a child, whatever another thread was doing when it was born."""
    stop = threading.Event()

    def mask_anew() -> None:
        text = "child" + secrets.token_hex(6)
        registry.register(text, "CHILD")
        assert registry.mask(text) == "‹CHILD›"

    def busy() -> None:
        while not stop.is_set():
            registry.register(secrets.token_hex(6), "BUSY")
            registry.mask("x")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                work = threading.Thread(target=mask_anew, daemon=True)
                work.start()
                work.join(5)
                os._exit(1 if work.is_alive() else 0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_a_thread_that_makes_the_index_lets_others_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed meanwhile, as when an object's removal fails, waits for whoever writes an output."""
    value, masked = secrets.token_hex(12), list[str]()
    writer = threading.Thread(target=lambda: masked.append(registry.mask(value)), daemon=True)

    def make(*arguments: Any) -> Index:
        if writer.ident is None:
            writer.start()
            writer.join(10)
        return Index(*arguments)

    monkeypatch.setattr(registry, "Index", make)
    registry.register(value, "NEW")
    assert registry.mask(value) == "‹NEW›"
    assert masked == ["‹NEW›"] and not writer.is_alive()


def test_a_stream_holds_back_what_may_become_a_value() -> None:
    """A value split at any place comes out masked once, and text after a false start comes out whole."""
    for cut in range(1, len(ODD)):
        tail = StreamBuffer()
        assert tail.feed(f"a {ODD[:cut]}") + tail.feed(f"{ODD[cut:]} b") + tail.flush() == "a ‹ODD› b"
    tail = StreamBuffer()
    assert tail.feed(f"a {ODD[:6]}") == "a "
    assert tail.feed("; b\n") == f"{ODD[:6]}; b\n"
    assert tail.is_empty


def test_a_stream_holds_back_a_value_in_colours(own_registry: None) -> None:
    """Wherever a write ends, within a code too; the codes come out, and so do those where nothing follows."""
    registry.register("whispering-meadow-lantern", "PHRASE")
    coloured = "a \x1b[31mwhis\x1b[0;1mpering\x1b[0m-meadow-\x1b[31mlantern\x1b[0m b"
    for cut in range(1, len(coloured)):
        tail = StreamBuffer()
        output = tail.feed(coloured[:cut]) + tail.feed(coloured[cut:]) + tail.flush()
        assert output == "a \x1b[31m‹PHRASE›\x1b[0;1m\x1b[0m\x1b[31m\x1b[0m b", cut
    tail = StreamBuffer()
    assert tail.feed("a \x1b[31mwhisperin\x1b[0m\x1b[") + tail.flush() == "a \x1b[31m‹PHRASE›\x1b[0m\x1b["
    tail = StreamBuffer()
    assert tail.feed("a \x1b[31mw\x1b[0m") + tail.flush() == "a \x1b[31mw\x1b[0m"


@pytest.mark.parametrize("text", ["waiting for postgresql", "see https://", "https://hooks.example.com", "-" * 20])
def test_a_stream_that_ends_as_many_texts_do_is_left_alone(text: str, own_registry: None) -> None:
    """A prompt or a progress line without a line end may begin as a value does, though none follows."""
    registry.register(f"postgresql://app:{secrets.token_hex(12)}@db", "DATABASE_URL")
    registry.register(f"https://hooks.example.com/{secrets.token_hex(12)}", "HOOK")
    registry.register(f"-----BEGIN PRIVATE KEY-----\n{secrets.token_hex(12)}\n-----END PRIVATE KEY-----", "PEM")
    buffer = StreamBuffer()
    assert buffer.feed(text) + buffer.flush() + buffer.feed(" now") + buffer.flush() == f"{text} now"


def test_a_stream_that_must_let_go_shows_three_characters_at_most() -> None:
    """Let out after every character, a value shows its beginning and then its name, once."""
    tail = StreamBuffer()
    output = "".join(tail.feed(character) + tail.flush() for character in ODD)
    assert output == f"{ODD[:3]}‹ODD›"
    tail = StreamBuffer()
    output = tail.feed(ODD[:2]) + tail.flush() + tail.feed(f"{ODD[2:]} b") + tail.flush()
    assert output == f"{ODD[:2]}‹ODD› b"


@pytest.mark.parametrize("later", ["", "port-Alpha7Bravo8-x", "Alpha7Bravo8Charlie9", "guest"])
def test_an_index_that_has_grown_finds_what_one_of_all_values_finds(later: str) -> None:
    """Values and public words that come one after the other count as if they had come at once."""
    values = [
        *(("Alpha7Bravo8Charlie9", "FIRST"), ("guest", "COMMON"), ("x7y8", "SHORT"), ('a"b\\c Delta1Echo2', "QUOTED")),
        *(("Alpha7Bravo8Foxtrot3", "SECOND"), ("guest", "AGAIN"), ("monkey", "OTHER"), ("Echo2Golf4Hotel5", "LAST")),
    ]
    words = ["FIRST", "staging", *([later] if later else [])]
    grown = Index((), frozenset())
    for end in range(1, len(values) + 1):
        public_words = frozenset(words[: max(0, end - 2)])
        assert not grown.is_of(values[:end], public_words)
        grown = Index(values[:end], public_words, grown)
    assert grown.is_of(values, words)
    whole = Index(values, frozenset(words))
    spellings = [spelling for text, _ in values for spelling in (text, repr(text), text.encode().hex(), text[2:11])]
    for text in ("\n".join(spellings), *(f"KEY={spelling} and '{spelling}'" for spelling in spellings)):
        assert grown.find(text) == whole.find(text)
        assert [grown.unfinished(text[:end]) for end in range(20)] == [
            whole.unfinished(text[:end]) for end in range(20)
        ]
    assert whole.find("\n".join(spellings))


def test_a_value_of_which_a_stream_has_shown_the_public_beginning_is_masked(own_registry: None) -> None:
    """Only the scheme or the host has come out, and a label stands for the rest."""
    registry.register("https://hooks.example.com/whispering-meadow-lantern", "HOOK")
    buffer = StreamBuffer()
    output = buffer.feed("see https://hooks.example.com") + buffer.flush()
    output += buffer.feed("/whispering-meadow") + buffer.flush() + buffer.feed("-lantern.") + buffer.flush()
    assert output == "see https://hooks.example.com‹HOOK›."


@pytest.mark.parametrize("value", ["running", "https://dashboard.example.com"])
def test_a_value_with_which_a_longer_one_begins_is_masked_where_a_stream_ends(value: str, own_registry: None) -> None:
    """Such as a host and a list of hosts, whichever of the two would come."""
    registry.register(value, "VALUE")
    registry.register(f"{value},7f3k9x2", "LONGER")
    buffer = StreamBuffer()
    assert buffer.feed(value) + buffer.flush() + buffer.feed("\n") + buffer.flush() == "‹VALUE›\n"


@pytest.mark.parametrize(("value", "public"), [("sunshine-9f8axx", "sun"), ("postgresql://u:x9f8ab@db", "post")])
def test_nothing_of_a_value_follows_its_label_in_a_stream(value: str, public: str, own_registry: None) -> None:
    """Though a longer piece of it, which comes later, is a word or the scheme of an address."""
    registry.register(value, "VALUE")
    buffer = StreamBuffer()
    assert "".join(buffer.feed(sign) + buffer.flush() for sign in value) == f"{public}‹VALUE›"


def test_an_index_finds_out_about_ends_of_texts_only_where_it_is_asked_for_them() -> None:
    """A new one is made with each value, and most look for whole values alone."""
    value = secrets.token_hex(20)
    index = Index([(value, "K")], frozenset())
    assert [span.name for span in index.find(f"a {value} b")] == ["K"]
    attributes = {"_ordered", "_ordered_plain", "_initials", "_longest", "_secret_hosts", "_ends"}
    assert not attributes & vars(index).keys()
    assert index.find(f"{value[:14]}...")[0].name == index.unfinished(f"a {value[:3]}").name == "K"
    assert {"_ordered", "_ends"} <= vars(index).keys()
