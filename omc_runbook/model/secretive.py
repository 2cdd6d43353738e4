"""Whether a name, such as a variable's, says that its value is secret."""

from __future__ import annotations

import re

from omc_runbook.model.catalogue import Key

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_STEM = re.compile(r"(?i)PASSW|PASSPHRASE|SECRET|CREDENTIAL|(?:KEY|TOKEN|DSN|PWD|CRED)S?\Z|\APASS\Z")
_ABOUT = frozenset(
    {
        *("EXPIRE", "EXPIRES", "EXPIRY", "EXPIRATION", "LIFETIME", "TTL", "AGE"),
        *("SECONDS", "MINUTES", "HOURS", "DAYS", "LENGTH", "LEN", "SIZE", "COUNT", "LIMIT"),
        *("ALGORITHM", "ALG", "TYPE", "PREFIX", "HEADER", "ENABLED", "REQUIRED"),
        *("NAME", "ARN", "HOST", "PORT", "URL", "URI", "FILE", "PATH", "DIR"),
    }
)
"""Last words of names that tell of a secret's surroundings, as in ACCESS_TOKEN_EXPIRE_MINUTES."""
_ISSUED = re.compile(
    r"(?i)(?:PASSWORD|PASSWD|PASSPHRASE|PWD|\bPASS|_PASS|TOKEN|API_?KEY|CLIENT_SECRET|SECRET_KEY|ACCESS_KEY)\Z"
)
_PASSWORD = re.compile(r"(?i)(?:PASSWORD|PASSWD|PASSPHRASE|PWD|(?:\b|_)PASS)\Z")
_COUNTS = frozenset({"MAX", "MIN", "NUM", "TOTAL"})
"""Words of names that count something, as in LLM_MAX_TOKENS."""

_PUBLIC_KEY = re.compile(r"(?i)PUBLIC_?KEYS?(?![a-z])")
"""The half of a pair of keys that is meant to be known, as in DOTENV_PUBLIC_KEY."""

_FRONTEND = re.compile(r"(?:VITE|NEXT_PUBLIC|NUXT_PUBLIC|REACT_APP|VUE_APP|NG_APP|GATSBY|EXPO_PUBLIC)_(?=.)")
"""Prefixes of variables that a frontend's build puts into the files that browsers load."""


def is_frontend(name: str) -> bool:
    """Whether a variable is one of a frontend's build, by its prefix: everybody can read its value."""
    return _FRONTEND.match(name) is not None


def without_frontend_prefix(name: str) -> str:
    """The name without the prefix of a frontend's build."""
    return _FRONTEND.sub("", name, count=1)


def is_secret(name: str, key: Key | None = None) -> bool:
    """Whether a variable's value is a secret: by what the catalogue says of its key, else by the words of its name."""
    if key is not None and (key.generate or key.obtain_from):
        return True
    name = _PUBLIC_KEY.sub("", name)
    words = _WORD.findall(name)
    if not any(map(_STEM.search, words)):
        return False
    upper = [word.upper() for word in words]
    # Of MAX_TOKENS_PER_REQUEST, what is counted stands before PER.
    last = upper[upper.index("PER") - 1] if "PER" in upper[1:] else upper[-1]
    return last not in _ABOUT and not (last.endswith("S") and ("PER" in upper or _COUNTS.intersection(upper)))


def is_issued(name: str) -> bool:
    """Whether a name is that of a password, a token or an API key, and of nothing that refers to one."""
    return _ISSUED.search(name) is not None


def is_password(name: str) -> bool:
    """Whether a name is that of a password, which a person may have made up."""
    return _PASSWORD.search(name) is not None
