"""The kinds of keys that providers issue: the names under which they are kept, and how their values begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class IssuedKind:
    """A kind of key: what it is called with its article, and the patterns of its variables' names and of its values."""

    title: str
    name: re.Pattern[str]
    value: re.Pattern[str]
    is_distinct: bool
    """Whether no other value begins like it."""

    @property
    def issuer(self) -> str:
        """Whose keys they are, in lower case."""
        return self.title.rpartition(" of ")[2].casefold()

    @property
    def is_secret(self) -> bool:
        """Whether its values are secret by themselves."""
        return "publishable" not in self.title and "access key id" not in self.title


def _kind(title: str, name: str, value: str, *, is_distinct: bool = True) -> IssuedKind:
    return IssuedKind(title, re.compile(name, re.IGNORECASE), re.compile(rf"\A(?:{value})"), is_distinct)


KINDS = (
    _kind("a key of Anthropic", r"(?:\A|_)(?:ANTHROPIC|CLAUDE)_", r"sk-ant-\w"),
    _kind("a key of OpenAI", r"(?:\A|_)OPENAI_(?:\w+_)?KEY\Z", r"sk-(?:proj|svcacct|admin)-\w"),
    _kind("a publishable key of Stripe", r"STRIPE_\w*PUBL\w*", r"pk_(?:live|test)_\w"),
    _kind("a webhook secret of Stripe", r"STRIPE_\w*WEBHOOK\w*", r"whsec_\w"),
    _kind("a secret key of Stripe", r"STRIPE_(?:SECRET|API|RESTRICTED)_?\w*", r"[rs]k_(?:live|test)_\w"),
    _kind("a token of GitHub", r"(?:\A|_)(?:GITHUB|GH)_(?:\w+_)?TOKEN\Z", r"gh[opsu]_\w|github_pat_\w"),
    _kind("a token of GitLab", r"(?:\A|_)GITLAB_(?:\w+_)?TOKEN\Z", r"gl(?:pat|dt|ptt)-\w"),
    _kind("an app token of Slack", r"SLACK_APP(?:_LEVEL)?_TOKEN\Z", r"xapp-\w"),
    _kind("a bot token of Slack", r"SLACK_(?:BOT_)?TOKEN\Z", r"xoxb-\w"),
    _kind("a key of Google", r"(?:\A|_)(?:GOOGLE|GEMINI|MAPS|FIREBASE)_(?:\w+_)?API_KEY\Z", r"AIza[\w-]{20}"),
    _kind("a key of Groq", r"(?:\A|_)GROQ_", r"gsk_\w"),
    # Of all values that secrets.token_urlsafe makes of 24, 32 or 64 bytes, one in 260,000 begins so by chance.
    _kind(
        "a token of Hugging Face",
        r"(?:\A|_)(?:HF|HUGGING_?FACE(?:HUB)?)_",
        r"hf_(?!(?:[\w-]{29}|[\w-]{40}|[\w-]{83})\Z)\w",
    ),
    _kind("a key of SendGrid", r"(?:\A|_)SENDGRID_(?:\w+_)?KEY\Z", r"SG\.[\w-]{10}"),
    _kind("an access key id of AWS", r"AWS_ACCESS_KEY_ID\Z", r"A(?:KIA|SIA)[A-Z2-7]{16}\Z"),
    _kind("a secret access key of AWS", r"AWS_SECRET_ACCESS_KEY\Z", r"[A-Za-z0-9/+]{40}\Z", is_distinct=False),
)
"""Kinds that are told apart by how they begin."""
PEM_KINDS = (
    _kind("a private key", r"PRIVATE_KEY(?:_PEM)?\Z", r"(?s:.*?)-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"),
    _kind("a certificate", r"(?:\A|_)CERT(?:IFICATE)?(?:_PEM)?\Z", r"(?s:.*?)-----BEGIN (?:[A-Z0-9]+ )*CERTIFICATE"),
    _kind("a public key", r"PUBLIC_KEY(?:_PEM)?\Z", r"(?s:.*?)-----BEGIN (?:[A-Z0-9]+ )*(?:PUBLIC KEY|CERTIFICATE)"),
)
"""Kinds of PEM files. One may hold several, such as a key and its certificate, which has the public key."""


@lru_cache(maxsize=8192)
def of_name(name: str) -> IssuedKind | None:
    """The kind of key that a variable of this name should have; None where its name tells none."""
    return next((kind for kind in (*KINDS, *PEM_KINDS) if kind.name.search(name)), None)


def names_another(text: str, name: str) -> bool:
    """Whether a text names an issuer, and not that of the keys of this name.

    OpenAI's is left out: its libraries, and so its name, serve for others.
    """
    own, folded = of_name(name), text.casefold()
    issuers = {kind.issuer for kind in KINDS if re.search(rf"\b{kind.issuer}\b", folded)}
    return bool(issuers - {"openai"}) and not (own and own.issuer in issuers)


def of_value(text: str) -> IssuedKind | None:
    """The kind of key that a text is; None where how it begins tells none."""
    kinds = (*(kind for kind in KINDS if kind.is_distinct), *PEM_KINDS)
    return next((kind for kind in kinds if kind.value.search(text)), None)
