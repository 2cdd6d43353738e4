"""What is wrong with a value, judged where the value is, and reported without it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from omc_runbook.masking import addresses
from omc_runbook.masking.strength import SIGNED, is_guessable, required_digits
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model import issuers, json_text
from omc_runbook.model.catalogue import EDGE_SPACE, FORMS, SEVERAL_LINES, URL_BREAKERS, Form, Key
from omc_runbook.model.placeholders import (
    CIPHERTEXT,
    LIKE_GENERATED,
    PLACEHOLDER,
    REFERENCE,
    SETTING,
    TEMPLATE_DEFAULT,
    is_made_of_placeholder_words,
)
from omc_runbook.model.secretive import is_issued, is_password, is_secret

CheckId = Literal["bad-copy", "white-space", "placeholder", "changethis", "empty", "wrong-form", "weak", "url-chars"]

_NOT_OF: dict[Form, str] = {
    "email": "is not an e-mail address",
    "host": "is not a host name",
    "url": "is not a URL",
    "dsn": "is not a URL",
    "number": "is not a number",
}
_STRICT_FORMS = frozenset({"email", "url", "dsn", "number"})
"""Forms that the application validates when it starts."""

_DAMAGED = re.compile(r"[\ufffd\ud800-\udfff]")
"""A character that was decoded wrongly: its replacement, or half of a surrogate pair."""
_INVISIBLE = re.compile(
    r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xa0\xad\u061c\u180e\u2000-\u200b\u200e\u200f\u2028-\u202f\u205f-\u2064"
    r"\u2066-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]"
    # These two join letters of other scripts, and emoji.
    r"|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
# Of a value with more punctuation inside, the quotes may be two characters of a random password.
_QUOTED = re.compile(
    r"""(?x) \A (?: (?P<quote>["'`]) (?=[\s{]*[^\s{"'`]) (?P<brace>\{)? [\w.\-+=/@:\s]+ (?(brace)\}) (?P=quote)
    | \\"[^"]+\\" | \\'[^']+\\'
    | b"[^"]+" | b'[^']+'
    | "\w[\w+.-]*://[^"]+" | '\w[\w+.-]*://[^']+' | “[^”]+” | ‘[^’]+’ | „[^“”]+[“”] | «[^»]+» ) [,;]? \Z""",
    re.ASCII,
)
_ASSIGNED = re.compile(
    r"""(?x) \A (?:export\s+|set\s+)? ["']? [A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN|SECRET|PASSWORD|DSN|URL) ["']?
    \s* (?: =(?!=) | :\s ) \s* \S"""
)
_SCHEME = re.compile(
    r"(?i)\A(?:(?:authorization:\s*)?(?:bearer|basic|token|api[-_]?key)[ \t:]|(?:[a-z]+-){1,3}(?:key|token):)"
    r"\s*\S{12,}\Z"
)
_LEFT_OVER = re.compile(r"""\A(?:["'`][\w.\-=+/:~|%]{8,}[,;]?|[\w.\-=+/:~|%]{8,}(?:["'`,;]|\\[nr])+)\Z""", re.ASCII)
_HTML = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#0*3[49]|#x0*2[27]);", re.IGNORECASE)
_RESERVED = r"%(?:2[0-9A-F]|3[A-F]|40|5[BCDE]|60|7[BCD])"
_QUOTED_FOR_URL = re.compile(rf"(?i)\A(?:[A-Z0-9_.~-]|{_RESERVED})*{_RESERVED}(?:[A-Z0-9_.~-]|{_RESERVED})*\Z")
_AS_ISSUED = re.compile(r"\AA{10}")
"""The beginning of X's bearer tokens, which are issued with escapes."""
_HIDDEN = re.compile(
    rf"(?sx)\A(?! {LIKE_GENERATED} )"
    r".*?(?:\*{3}|•{2}|●{2}|∙{3}|·{3}|…|\.{3}|[xX]{8}|‹.+›|\[(?:redacted|masked|hidden|filtered|removed)\])"
)
_SAYS_ENCRYPTED = re.compile(r"ENCRYPTED|CIPHER", re.IGNORECASE)
"""Names of values that the application itself decrypts."""
_HASH = re.compile(
    r"\A(?:\$(?:2[abxy]|5|6|y|argon2\w{0,2}|scrypt|pbkdf2[\w-]*)\$|pbkdf2[_:]sha\d+[:$]\d|scrypt[:$]\w|SCRAM-SHA-256\$)"
    r"[\w./+=,:$-]{12,}\Z|\Amd5[0-9a-f]{32}\Z"
)
"""The hashes of passwords, as crypt, Django, Werkzeug and PostgreSQL write them."""
_LOGIN = re.compile(r"""\A\{.*"password"\s*:""", re.DOTALL)
"""RDS's JSON. Another object may be what the application reads, such as each user's password."""
_TWICE = re.compile(r"\A(?P<half>\S{20,})(?P=half)\Z")
_TOKEN = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}")
"""The first two parts of a JWT."""
_SPACED = re.compile(r"(?:\A|_)(?:PREFIX|SUFFIX|SEPARATOR|DELIMITER|JSON|PUBLIC_KEY)\Z", re.IGNORECASE)
"""Names of what may begin or end with white space: a subject's prefix, or a file of one line."""
_PORT = re.compile(r"(?:\A|_)PORT\Z", re.IGNORECASE)
_JSON = re.compile(r"_JSON\Z", re.IGNORECASE)
_FERNET = re.compile(r"(?:\A|_)FERNET_KEYS?\Z", re.IGNORECASE)
_FERNET_BYTES = 32
_TEMPORARY = re.compile(r"\AASIA[A-Z2-7]{16}\Z")
_PAGE = re.compile(r"\Ahttps?://[^\s\d]+\Z")
"""The address of a page; one with a token in it, such as Slack's for messages, has digits."""
_CUT_ID = re.compile(r"\AAKIA[A-Z2-7]{4,15}\Z")
PATH = re.compile(
    r"\A(?:file://\S+|(?:~|\.{1,2})?/(?:[\w.-]+/)*[\w-]+\.(?:pem|key|txt|json|env|crt|secret|pass|conf|ini|ya?ml|toml)"
    r"|/(?:run|etc|var|home|root|mnt|usr|opt|app|tmp|secrets|Users)/[\w./-]+|[A-Z]:\\[\w\\. -]+)\Z"
)
"""The path of a file, as no key or password is."""
_ARMOUR = re.compile(r"\s*(?P<quote>[\"'`]?)-----BEGIN (?P<label>[A-Z0-9 ]+)-----[ \t]*")
_FEW = 8
"""So few different characters are a pattern, not a value that was pasted twice."""
_HOST = re.compile(r"\A(?:[\w](?:[\w.-]*[\w.])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)\Z")
_LOCAL_PART = re.compile(r"\A[^@\s,;:<>()\[\]\\\"]{1,64}\Z")
_DOMAIN = re.compile(r"\A(?=.{1,253}\Z)(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_](?:[\w-]*[^\W_])?\Z")
_DSN = re.compile(r"\Ahttps?://[^\s/@:]+(?::[^\s/@]*)?@[^\s/@]+/(?:[^\s?#]*/)?\d+/?(?:\?\S*)?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Defect:
    """A defect of a value: the check that finds it, and the end of a sentence that begins with the key's name."""

    check: CheckId
    sentence: str
    consequence: str = ""
    """What comes of the value, as a sentence without its end; "" where it may do no harm."""


def find_defect(value: Masked, name: str, key: Key | None, words: Sequence[str] = ()) -> Defect | None:
    """The first defect of a key's value, None for a good one.

    `key` is the catalogue's entry; without one, only what is wrong with any value of such a name is found. `words` are
    words that an attacker would try first, beside those of the name.
    """
    defect = next(_defects(value, name, key, words), None)
    if defect and key and not value.is_empty and key.form in _STRICT_FORMS and not has_form(value, key):
        return Defect(defect.check, defect.sentence, "the application refuses to start with it")
    return defect


def objection(value: Masked, key: Key | None, words: Sequence[str] = ()) -> str:
    """What is wrong with a new value, as the end of a sentence that begins with its key; "" where it is valid."""
    defect = find_defect(value, value.name, key, words)
    return defect.sentence if defect else ""


def is_stand_in(value: Masked, name: str, key: Key | None = None) -> bool:
    """Whether a value only stands for one that is still to come: a placeholder, or the template's default."""
    defect = find_defect(value, name, key)
    return defect is not None and defect.check in ("placeholder", "changethis")


def is_shortened(text: str) -> bool:
    """Whether a secret's text is a masked or shortened one, as a page or a template shows it: gsk_… or ****."""
    return _HIDDEN.search(text) is not None and re.search(r"\s", text) is None


def has_form(value: Masked, key: Key) -> bool:
    """Whether a value has the form and the prefix that the catalogue wants of its key."""
    return not _form_problem(reveal(value), key)


def has_shape(value: Masked, key: Key) -> bool:
    """Whether a value has a form or prefix of its key that few other values have."""
    is_distinct = key.prefix or key.form in ("email", "url", "dsn") or (key.form == "host" and "." in reveal(value))
    return bool(is_distinct) and has_form(value, key)


def _defects(value: Masked, name: str, key: Key | None, words: Sequence[str]) -> Iterator[Defect]:
    text = reveal(value)
    is_chosen = key is not None or is_secret(name) or addresses.is_address(name, key)
    if "\0" in text:
        yield Defect("bad-copy", "has a NUL character, which environment variables cannot contain")
    if _DAMAGED.search(text):
        yield Defect("bad-copy", "has a damaged character (U+FFFD, or half of a surrogate pair)")
    if key and key.required and not text.strip():
        yield Defect("empty", "is required, and blank" if text else "is required, and empty")
    if armour := _ARMOUR.match(text):
        yield from (Defect("bad-copy", sentence) for sentence in _armour_problems(text, armour))
    has_own_edges = SEVERAL_LINES.search(text) or _SPACED.search(name)
    if EDGE_SPACE.search(text) and not has_own_edges and not (key and key.in_url):
        yield Defect("white-space", "begins or ends with white space")
    if is_chosen and (invisible := _INVISIBLE.search(text)):
        yield Defect("bad-copy", f"has an invisible character (U+{ord(invisible.group()):04X})")
    if TEMPLATE_DEFAULT.search(text):
        yield Defect("changethis", "is a placeholder, not a value: the template's default")
    is_known = PLACEHOLDER.search(text) and (is_chosen or not SETTING.search(text))
    if is_known or (is_secret(name, key) and is_made_of_placeholder_words(text, name)):
        yield Defect("placeholder", "is a placeholder, not a value")
    if not text:
        return
    if is_chosen:
        yield from (Defect("bad-copy", sentence) for sentence in _copy_problems(text, name, key))
    if address := addresses.problem_of(value, name, key):
        yield Defect(address.check, address.sentence, "nothing can connect with it")
    if misplaced := _misplaced(text, name, key):
        yield misplaced
    yield from (Defect("wrong-form", sentence) for sentence in _contradictions(text, name, key))
    if key is None:
        return
    if problem := _form_problem(text, key):
        yield Defect("wrong-form", problem)
    if len(text) < key.weak_below:
        yield Defect("weak", f"is shorter than {key.weak_below} characters")
    if key.in_url and URL_BREAKERS.search(text):
        yield Defect("url-chars", "has a character that breaks a URL (/ @ : # and the like)")
    if required_digits(key) == SIGNED and is_guessable(value, key, (*name.split("_"), *words)):
        yield Defect("weak", "signs, and is easy to guess: it consists of words, repetitions or patterns")


def _copy_problems(text: str, name: str, key: Key | None) -> Iterator[str]:
    """What went wrong when a value was copied."""
    names = "|".join(map(re.escape, filter(None, (name, key.variable if key else ""))))
    own = rf"""(?xi) \A \s* (?: (?:export\s+|set\s+)? ["']? (?:{names}) ["']? \s* (?: =(?!=) | :\s )
        | \{{ \s* ["'] (?:{names}) ["'] \s* : ) \s* \S"""
    if re.search(own, text) or _ASSIGNED.search(text):
        yield "has its name in front of the value, as in a .env or in JSON"
    if _QUOTED.search(text):
        yield "has quotes of its own around it"
    is_value = is_secret(name, key) or (key is not None and bool(key.prefix))
    if is_value and _SCHEME.search(text):
        yield "has an HTTP header or its scheme (Bearer and the like) in front of it"
    if _HTML.search(text):
        yield "is HTML-escaped (&amp; and the like)"
    has_reference_form = is_issued(name) or (key is not None and (bool(key.generate) or bool(key.prefix)))
    is_escaped = _QUOTED_FOR_URL.search(text) and not _AS_ISSUED.search(text)
    if is_escaped and not (key and key.in_url) and (is_value or (key and key.form == "email")):
        yield "is URL-escaped (%40 and the like)"
    if is_value and is_shortened(text):
        yield "is a masked or shortened copy (*** or an ellipsis)"
    if has_reference_form and REFERENCE.search(text):
        yield "is a reference to a secret, not its value"
    if has_reference_form and not _SAYS_ENCRYPTED.search(name) and CIPHERTEXT.search(text):
        yield "is encrypted, as a file of secrets keeps it: decrypt it first"
    if is_password(key.variable if key and key.variable else name) and _LOGIN.match(text) and _is_json(text):
        yield "is a JSON object, as RDS keeps a login, not the password in it"
    if key and is_password(name) and _HASH.search(text):
        yield "is the hash of a password, not the password"
    if is_value and _TOKEN.fullmatch(text):
        yield "is a token (JWT) that lacks its third part, the signature"
    if _CUT_ID.search(text):
        yield "is an access key id of AWS that is cut off: it has 20 characters"
    if has_reference_form and not (key is None and name.upper().endswith("KEY")) and PATH.search(text):
        yield "is the path of a file, not its content"
    if key and key.generate and "\n" in text and not text.startswith("-----BEGIN"):
        yield "has a line break within it"
    if key and _form_problem(text, key) and not _form_problem(_decoded(text), key):
        yield "is base64-encoded"
    if _names_issued(name, key) or _is_issued(text):
        if _LEFT_OVER.search(text):
            yield "has a quote, a comma or \\n at an end"
        if _TWICE.search(text) and len(set(text)) > _FEW:
            yield "stands there twice in a row"
        if not text.isascii():
            yield "has a letter or dash outside ASCII, which may look like another"
        if re.search(r"\s", text) and not text.startswith(("{", "[", "-----BEGIN ")):
            yield "has white space within it"


def _names_issued(name: str, key: Key | None) -> bool:
    """Whether a provider issues the values of a key, by its prefix in the catalogue or by its name."""
    return bool(key and key.prefix) or name.upper().endswith(("API_KEY", "_TOKEN"))


def _is_issued(text: str) -> bool:
    """Whether a text begins like a provider's key or a JWT, of which nothing has white space or a quote."""
    kind = issuers.of_value(text)
    return kind in issuers.KINDS or _TOKEN.match(text) is not None


def _armour_problems(text: str, armour: re.Match[str]) -> Iterator[str]:
    """What went wrong with a PEM file: its lines, or its end. Many programs restore line breaks written as \\n."""
    after = text[armour.end() :]
    if armour["quote"]:
        yield "is a PEM file with a quote in front"
    elif f"-----END {armour['label']}-----" not in after:
        yield "is a part of a PEM file: its END line is missing"
    elif after.startswith("\\\\"):
        yield "is a PEM file whose line breaks are escaped twice"
    elif not after.startswith(("\n", "\r\n", "\\n", "\\r\\n")):
        yield "is a PEM file without its line breaks"


def _decoded(text: str) -> str:
    """What a text in base64 stands for; "-" for none."""
    try:
        return base64.b64decode(text, validate=True).decode("ascii") or "-"
    except ValueError:
        return "-"


def _contradictions(text: str, name: str, key: Key | None) -> Iterator[str]:
    """What the name of a key says that its value is, and it is not."""
    if _PORT.search(name) and text.isdecimal() and int(text[:9]) > addresses.LARGEST_PORT:
        yield f"is not a port: a number up to {addresses.LARGEST_PORT}"
    if _JSON.search(name) and re.match(r"\s*[\"']?[\[{]", text) and not _is_json(text):
        yield "is not JSON: it was cut off, or has other quotes"
    if _FERNET.search(name):
        parts = re.findall(r"[\w+/=-]{9,}", text) if name[-1:] in "sS" else text.split(",")
        if not all(map(_is_fernet, parts or [text])):
            yield "is not a key of Fernet: 32 bytes in base64"
    if key and key.generate and FORMS["url"].search(text):
        yield "is an address, not a generated value"
    if _TEMPORARY.search(text):
        yield "is the id of a temporary access key of AWS (ASIA…), which expires within hours"
    if _names_issued(name, key) and _PAGE.search(text):
        yield "is the address of a page, not a key"


def _is_json(text: str) -> bool:
    try:
        json_text.parse(text)
    except ValueError:
        return False
    return True


def _is_fernet(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == _FERNET_BYTES
    except ValueError:
        return False


def _misplaced(text: str, name: str, key: Key | None) -> Defect | None:
    """What other kind of key a text is than its name says; None where it is none."""
    own = issuers.of_name(name)
    other = issuers.of_value(text) if own is None or not own.value.search(text) else None
    if other is None:
        return None
    if own is None:
        is_issued_here = key is None or not key.generate or other in issuers.PEM_KINDS
        return (
            None if is_issued_here else Defect("wrong-form", f"begins like {other.title}, not like a generated value")
        )
    is_certain = {own, other}.issubset(issuers.PEM_KINDS)
    consequence = "no program can use it in its place" if is_certain else ""
    return Defect("wrong-form", f"begins like {other.title}, not like {own.title}", consequence)


def _form_problem(text: str, key: Key) -> str:
    """What form or prefix a value lacks; "" where it has both."""
    if not text:
        return ""
    if not _has_form(text, key.form):
        return _NOT_OF[key.form]
    if key.form == "dsn" and not _DSN.search(text):
        return "is not a DSN: it lacks the public key before @, or the project's number at its end"
    if not text.startswith(key.prefix):
        return f"does not begin with {key.prefix}"
    return ""


def _has_form(text: str, form: Form) -> bool:
    if form == "text":
        return True
    if form == "host":
        return _HOST.search(text) is not None
    if form == "email":
        local, _, domain = text.rpartition("@")
        is_dotted_well = not (local.startswith(".") or local.endswith(".") or ".." in local)
        return is_dotted_well and bool(_LOCAL_PART.search(local) and _DOMAIN.search(domain))
    return FORMS["url" if form == "dsn" else form].search(text) is not None
