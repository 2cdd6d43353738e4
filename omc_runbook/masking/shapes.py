"""Secrets that nobody registered, told by their shape: a password in an address, a provider's key, a private key.

Log lines, error messages and what a person pastes may have them. A pattern is only tried where a text has one of its
marks, so that the search costs next to nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from omc_runbook.masking.common import SHORTEST, is_random
from omc_runbook.masking.span import Span
from omc_runbook.model import issuers
from omc_runbook.model.placeholders import is_placeholder

_LONG = 20
"""From so many characters what follows "Bearer" is no word."""
_REFERENCE = re.compile(
    r"[‹<$%{\[(*•…]|`[a-z]+\Z|\\+[SDW][*+]|\.\.|(?![A-Za-z0-9+/]{40}\Z|[A-Za-z0-9+/]{20,}={1,2}\Z)\.?/[\w.-]+/"
    r"|(?i:arn:|(?:none|null|true|false|not|str|int|bool|secretstr|required)\b)"
    r"|[A-Za-z_][\w.]*[(\[]|(?:self|settings|var|local|data|each|module|os|process|secrets)\."
)
"""How a text begins that is no value: a label, a variable, a command, a pattern, a path (no base64), an ARN, a call."""
_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|PASSWORD")
_MARK, _BEFORE_KEY = 64, 160
"""Most characters of a mark and what separates it from its value; and of what stands before a private key."""
_PART, _ALL = 199, sys.maxsize
"""From so many characters, a password may be a part of a longer one; what has no maximum is never a part."""
_WORDS = re.compile(r"[-_]?(?:[A-Z]?[a-z]+|[A-Z]+)(?:[-_](?:[A-Z]?[a-z]+|[A-Z]+))*")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESOURCE = re.compile(
    r"(?:acl|eigw|eni|igw|lgw|nat|pcx|pl|rtb|sg|subnet|tgw|vgw|vpc|vpce)-(?:[0-9a-f]{8}|[0-9a-f]{17})\.?"
)
"""The id of something in a network, perhaps at a sentence's end."""
_QUOTE = r"""(?:\\*["']|&(?:quot|apos|\#x?\d{1,3});)"""
_ASSIGNED = (
    rf"{_QUOTE}?\s{{0,3}}(?:=(?:>|&gt;)?\s{{0,3}}(?P<open>{_QUOTE})?|:\s{{0,3}}(?P<opened>{_QUOTE})|(?P<prose>:)\s{{1,3}})"
    r"(?P<value>"
)
_TEXT = rf"(?:(?!{_QUOTE})[^\n<>])"
_WORD = rf"(?:(?!{_QUOTE})[^\s<>])"
_ANY = rf"(?(open){_TEXT}{{4,200}}|(?(opened){_TEXT}{{4,200}}|{_WORD}{{3,200}}(?<![,;)\]}}]){_WORD}(?<![,;)\]}}]))))"
_CODE = r"(?:[\w.~+/-]|%[0-9A-Fa-f]{2}){8,}={0,2})"
_PROSE = r"(?:option|flag|argument|parameter|value|file|stdin)s?|must|should|instead|without|prompt"
"""Words of a sentence about an option, after its name."""
_ACCESS_KEY = r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9/+])"
_SECRET_ACCESS_KEY = r"[A-Za-z0-9/+]{40})(?![\w/+=])"


@dataclass(frozen=True)
class _Shape:
    """A pattern that is tried at each of its marks (in small letters), with a group `value`.

    `judge` decides whether a match is a secret, None for each. A value of fewer than `whole_below` characters is whole,
    so that nothing within it is looked for; one of more may be a part of a longer value.
    """

    name: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Callable[[str], bool] | None = None
    whole_below: int = 0


def find(text: str) -> Iterator[Span]:
    """Yield where a text has what looks like a secret, in no particular order."""
    if len(text) <= SHORTEST:
        return
    small = text.lower()
    if len(small) != len(text):
        # A few capitals have two small letters.
        small = "".join(each if len(each.lower()) > 1 else each.lower() for each in text)
    for shape in _SHAPES:
        for mark in shape.marks:
            if mark in small:
                yield from _find(text, small, shape, mark)


def _find(text: str, small: str, shape: _Shape, mark: str) -> Iterator[Span]:
    at, skipped = small.find(mark), 0
    while at >= 0:
        match = shape.pattern.match(text, at)
        start, end = match.span("value") if match else (0, 0)
        is_value = match is not None and _is_value(match, shape)
        if is_value:
            yield Span(start, end, shape.name)
        after = skipped if skipped and not is_value else at + len(mark)
        # A part of what has no digit, or no letter, has none either.
        is_over = is_value or (shape.judge is _is_mixed and not _is_mixed(text[start:end]))
        last = small.rfind(mark, after, end - _MARK) if is_value and 0 < shape.whole_below <= end - start else -1
        if is_over and end - start < shape.whole_below:
            after = max(after, end - _BEFORE_KEY)
        # Of parts, the last goes on furthest; where it is none, those before it are tried.
        at, skipped = (last, after) if last >= 0 else (small.find(mark, after), 0)


def _is_value(match: re.Match[str], shape: _Shape) -> bool:
    text = match["value"]
    is_word = match.groupdict().get("prose") is not None and not _is_mixed(text)
    return not is_word and (shape.judge is None or (_REFERENCE.match(text) is None and shape.judge(text)))


def _is_password(text: str) -> bool:
    return _NAME.fullmatch(text) is None and not is_placeholder(text, "password")


def _is_mixed(text: str) -> bool:
    return re.search(r"[A-Za-z]", text) is not None and re.search(r"\d", text) is not None


def _is_key(text: str) -> bool:
    is_id = _UUID.fullmatch(text) or _RESOURCE.fullmatch(text)
    return is_random(text) and not is_id and not is_placeholder(text, "key")


def _is_login(text: str) -> bool:
    return len(text) >= _LONG or _is_mixed(text)


def _is_argument(text: str) -> bool:
    return _is_password(text) and re.fullmatch(r"[A-Z_]+|[a-z]{1,4}|" + _PROSE, text) is None


def _is_token(text: str) -> bool:
    end = text[-_LONG:]
    return end not in (end.upper(), end.lower()) and _WORDS.fullmatch(end) is None


def _is_signature(text: str) -> bool:
    return _is_mixed(text) or text.isdigit()


def _issued() -> re.Pattern[str]:
    kinds = [each for each in issuers.KINDS if each.is_distinct and each.is_secret]
    own = "|".join(each.value.pattern.removeprefix(r"\A") for each in kinds)
    others = r"sk-\w|hf_\w|xox[aeoprs]-\w|npm_\w|pypi-\w|dop_v1_\w|shpat_\w|hvs\.\w"
    return re.compile(rf"(?<![A-Za-z0-9_])(?P<value>(?:{own}|{others})[\w.-]{{12,}})")


_SHAPES = (
    _Shape(
        "private-key",
        ("-----begin",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----\s*(?P<value>[^‹]{0,99}?[A-Za-z0-9+/]{16}.*?)\s*(?:-----END|\Z)",
            re.DOTALL,
        ),
        whole_below=_ALL,
    ),
    _Shape(
        "password",
        ("://",),
        re.compile(
            r"""://[^\s"'<>@/:?#]*:(?P<value>[^\s"'<>/]{1,200}|(?!\d{1,5}[/?#])[^\s"'<>?]{1,200})@(?=[\w\[.-])"""
        ),
        _is_password,
    ),
    _Shape(
        "password",
        ("%3a%2f%2f",),
        re.compile(r"""(?i)%3A%2F%2F[^\s"'<>@/:&%]*%3A(?P<value>(?!%40)[^\s"'<>@&/]{1,2000}?)%40"""),
        _is_password,
    ),
    _Shape("access-key", ("akia", "asia"), re.compile(rf"(?<![A-Za-z0-9/+])(?P<value>{_ACCESS_KEY})")),
    _Shape(
        "secret-access-key",
        ("akia", "asia"),
        re.compile(
            rf"(?<![A-Za-z0-9/+]){_ACCESS_KEY}.{{1,60}}?(?<![A-Za-z0-9/+])(?P<value>{_SECRET_ACCESS_KEY}", re.DOTALL
        ),
    ),
    _Shape(
        "secret-access-key",
        ("secret_access_key", "secretaccesskey"),
        # One in a thousand has no digit.
        re.compile(rf"(?i:secret_?access_?key){_ASSIGNED}(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z]){_SECRET_ACCESS_KEY}"),
    ),
    _Shape("token", ("eyj",), re.compile(r"(?<![\w-])(?P<value>eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?)")),
    _Shape(
        "token",
        ("bearer", "basic"),
        re.compile(rf"(?i:bearer|basic)(?:\s{{1,3}}|%20|\+)(?P<value>{_CODE}"),
        _is_login,
        _ALL,
    ),
    _Shape(
        "token",
        ("authorization",),
        re.compile(
            # Fluent Bit has no sign between the two.
            rf"(?i:authorization)(?:{_QUOTE}?\s{{0,3}}[:=]\s{{0,3}}(?:{_QUOTE}\s{{0,3}})?|\s(?=(?i:splunk|apikey)\s))"
            rf"(?:(?!aws4-)[A-Za-z][\w-]{{0,15}}\s{{1,3}})?(?P<value>{_CODE}"
        ),
        _is_login,
    ),
    _Shape(
        "signature",
        ("signature=", "sig=", "signature%3d"),
        re.compile(r"(?i:signature|(?<![a-z])sig)(?:=|%3[dD])(?P<value>(?:[\w.~+/-]|%[0-9A-Fa-f]{2}){16,}={0,2})"),
        _is_signature,
        _ALL,
    ),
    _Shape(
        "password",
        ("--",),
        re.compile(
            r"(?<![\w-])--(?:[a-z]+-){0,3}(?i:password|passwd|passphrase|pwd|(?:require)?pass)\s{1,3}"
            rf"(?P<open>{_QUOTE})?(?P<value>(?(open){_TEXT}{{3,200}}|(?!-)[^\s<>]{{2,199}}[^\s<>,;.)\]}}]))"
        ),
        _is_argument,
    ),
    _Shape(
        "key",
        ("--",),
        re.compile(rf"(?<![\w-])--(?:[a-z]+-){{0,3}}(?:token|secret|key)\s{{1,3}}{_QUOTE}?(?P<value>{_CODE}"),
        _is_key,
    ),
    _Shape(
        "key",
        (
            *("sk-", "ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-", "gldt-", "glptt-", "xox", "xapp-"),
            *("aiza", "gsk_", "hf_", "sg.", "sk_", "rk_", "whsec_", "npm_", "pypi-", "dop_v1_", "shpat_", "hvs."),
        ),
        _issued(),
        _is_mixed,
        _ALL,
    ),
    _Shape(
        "key",
        ("ghp_", "gho_", "ghs_", "ghu_", "glpat-", "aiza", "gsk_", "hf_", "sk_", "rk_", "whsec_", "npm_"),
        # Of a whole token; one in 30 of GitLab's has no digit, one in 600 of GitHub's, and none of Hugging Face's has.
        re.compile(
            r"(?<![A-Za-z0-9_])(?P<value>(?:(?:gh[opsu]|npm)_[A-Za-z0-9]{36}|hf_[A-Za-z]{34}|gsk_[A-Za-z0-9]{52}"
            r"|[rs]k_(?:live|test)_[A-Za-z0-9]{24}|whsec_[A-Za-z0-9]{32})(?!\w)|(?:glpat-[\w-]{20}|AIza[\w-]{35})(?![\w-]))"
        ),
        _is_token,
    ),
    _Shape(
        "webhook",
        ("hooks.slack.com/",),
        re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<value>\w{8,}/[\w/]{16,})"),
    ),
    _Shape(
        "password",
        ("password", "passwd", "passphrase", "pwd"),
        re.compile(rf"(?i:password|passwd|passphrase|pwd){_ASSIGNED}{_ANY}"),
        _is_password,
        _PART,
    ),
    _Shape(
        "key",
        ("key", "token", "secret"),
        re.compile(
            r"(?i:(?:(?<=[_-])|(?<=api)|(?<=secret)|(?<=access)|(?<=private))key"
            rf"|(?:(?<![a-z])|(?<=access)|(?<=auth)|(?<=session)|(?<=refresh))token|(?:(?<![a-z])|(?<=client))secret)"
            rf"{_ASSIGNED}{_CODE}"
        ),
        _is_key,
    ),
)
