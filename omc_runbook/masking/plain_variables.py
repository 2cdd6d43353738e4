"""Whether the values of plain variables are secrets, told by their names and forms."""

from __future__ import annotations

import re

from omc_runbook.masking.addresses import is_address, logins_of
from omc_runbook.masking.common import WORDS, is_random
from omc_runbook.masking.defects import PATH
from omc_runbook.masking.strength import is_strong
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model import issuers
from omc_runbook.model.placeholders import is_placeholder
from omc_runbook.model.secretive import is_frontend, is_issued, is_secret

_OWN_NAME = re.compile(r"(?i)(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASS|PWD|PASSPHRASE|CREDENTIALS?)S?_?\d?\Z")
"""What a secret's name ends with; after it comes what is said about the secret, as in API_KEY_ID."""
_PUBLIC = re.compile(r"(?i)\A(?:VITE|REACT_APP)_|PUBLIC|PUBLISHABLE|(?:SITE|HOST|KMS)[-_.]?KEYS?_?\d?\Z")
_VARIABLE = re.compile(r"\A\$(?=[A-Z0-9]*(?:_|PASS|PW|SECRET|KEY|TOKEN|AUTH|CRED))[A-Z][A-Z0-9_]*\Z")
"""What a program fills in with a variable, as it does with ${PASSWORD}; $ECRET2024 is a password."""
_REFERENCE = re.compile(
    r"\Aarn:|\A\w[\w+.-]*://|\A(?:~|\.{0,2})/|\w/.*\.\w{1,6}\Z|\A[A-Z]:\\|\A\x22?#?\{"
    r"|\A(?:true|false|yes|no|on|off|enabled|disabled)\Z",
    re.I,
)

_SETTING = re.compile(r"\A(?:https?://[^@\s]+|[a-z_]\w*(?:[. ]+[A-Za-z_]\w*)+)\Z")
"""An address without a login, the path of a Python class, or words: what is said about a secret, as TOKEN_ISSUER is."""


def has_secret(name: str, text: str, is_variable: bool = True) -> bool:
    """Whether what has a name is a secret, and masked from then on; a variable is masked for a secret's name alone.

    Of a label or an option such a name says less: "com.app.key" may have the name of a region.
    """
    if not text or _PUBLIC.search(name):
        return False
    if is_address(name, None):
        logins = logins_of(Masked(text, name), name, None) if "@" in text else ()
        return any(not login.password.matches(_VARIABLE) for login in logins)
    if not (is_secret(name) and _OWN_NAME.search(name)) or _REFERENCE.search(text) or _VARIABLE.search(text):
        return False
    is_password = is_issued(name) and not name.upper().endswith(("KEY", "TOKEN"))
    found = not is_placeholder(text, name) and (is_password or is_random(text))
    if found or is_variable:
        Masked(text, name)
    return found


def is_public(name: str, value: Masked) -> bool:
    """Whether a value under a secret's name is none: a publishable key, a file's path, or words, as in CACHE_KEY."""
    text = reveal(value)
    if is_frontend(name) or PATH.search(text):
        return True
    if kind := issuers.of_value(text):
        return not kind.is_secret
    is_of_words = not is_issued(name) and WORDS.search(text) is not None and not is_strong(value)
    is_setting = not _OWN_NAME.search(name) and _SETTING.search(text) is not None
    return is_of_words or is_setting or _PUBLIC.search(name) is not None
