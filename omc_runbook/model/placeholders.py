"""Texts that stand for a value that is still missing: by their forms, or by the words that they are made of."""

from __future__ import annotations

import re

LIKE_GENERATED = r"(?: [^\s!\"$%'+;@\[\\\]^`{}~]* [!\"$%'+;@\[\\\]^`{}~] ){4}"
"""Four characters that few words or addresses have: the beginning of a password drawn from all characters."""

PLACEHOLDER = re.compile(
    rf"(?ix) ^ \s* (?! < {LIKE_GENERATED} )"  # noqa: S608 - no SQL
    r"""(?:
        < [^<>]* > | \$\{ [^}]* \} | \{ [\w-]+ \} | \{\{ .* \}\} | % \w+ % | \[ (?! \d+ \] ) [\w\s-]+ \] | __ \w+ __
        | \?{2,} | \*{3,}
        | [*!#=~]{2,} \s* (?: changed? | replaced? | removed | redacted | hidden | masked | missing | required | set
            | update | fill | insert | enter | todo | fixme | tbd | your | placeholder
            ) (?! [a-z\d] ) [\w\s-]* [*!#=~]{2,}
        | (?: # What the keys of some providers begin with.
            (?: [spr]k | whsec | xapp | xox[abp] | gh[opsu] | github_pat | glpat | hf | re | npm | sg ) [-_.]
                (?: (?: test | live | ant | proj | api03 | or | v1 ) [-_] )*
            | akia | aiza (?: sy )?
          )? (?: \.{3} | x{3,} (?: - x+ )* )
        # A certificate or key has no dots, brackets or hyphens in it; what stands between two of them may.
        | (?: -----begin [ ] [a-z\d ]*? (?: key | certificate ) -----
            (?: (?: (?! -----end | \.{3} | […<\[] | \{\{ | (?: your | insert | paste | replace ) [-_ ] ) [\s\S] )*+
                (?: (?! -----end ) [\s\S] )++
              | (?: [\sx*] | \\[nr] | (?: change | replace ) [-_ ]? me | placeholder | todo | dummy | fake )*+ )
            -----end [ ] [a-z\d ]+ ----- (?: \s | \\[nr] )*+ )+
        | \$\( .* \) | ` [^`]* \s [^`]* ` | python3? \s+ -c \s .*
        | \( (?: known [ ] after [ ] apply | sensitive [ ] value ) \)
        # What documentation and generators of projects have: Django's, AWS's, FastAPI's, Slack's.
        | django-insecure- .* | akia [a-z2-7]{9} example | wjalrxutnfemi .* examplekey | 09d25e094faa [0-9a-f]{52}
        | https://hooks\.slack\.com/services/t0+/b0+/x+
        | required | redacted | your \w* (?: key | password | secret | token )
        | generate [-_ ]? (?: me | this | one | it ) (?: [-_ ] .* )?
        | placeholder | todo | tbd | fixme | dummy | none | null | n/a | undefined | unset | not [-_ ] set
        | (?: please [-_ ]? )? (?: change | replace | update | set | fill ) [-_ ]? (?: me | this | it | in )
            (?: [-_ ! .] .* )?
        | please [-_ ]? (?: change | replace | update | set ) | replace [-_ ] with [-_ ] .*
        | (?: to | will ) [-_ ] be [-_ ] (?: changed | replaced | updated | set | filled ) .*
        | temporary [-_ ] .* | .* [-_ ] please [-_ ] (?: update | change | replace | set ) .*
        | (?: sk- )? (?: your | actual | insert | enter | add [-_ ] your | dummy | fake ) [-_ ] .*
        | (?: sk- )? example [-_ ] (?: .* [-_ ] )? (?: key | secret | token | password | value | dsn )
        | .* [-_ ] goes [-_ ] here | .* (?: key | secret | token | password | value | dsn | url ) [-_ ] here
        | (?! [a-z] [\w+.-]* :// ) .* placeholder .*
        | https?:// (?: (?: your | actual | placeholder ) [-_ @]
            | (?: public | (?: example (?: public )? )? key | example ) @ ) .*
    ) \s* $"""
)
"""Placeholders: texts that stand for a value, as Terraform, the template and the guide spell them."""

TEMPLATE_DEFAULT = re.compile(r"(?i)^\s*changethis\s*$")
"""The template's default, at which the application refuses to start: one of the placeholders."""

_VOCABULARY = """
    change changed replace replaced update updated set fill filled insert enter
    put add edit provide provided override overwrite overridden me this that it in out here there
    later soon now before after first for from with by of on at as is are was will be to do not dont use used using
    please your yours my our the an some any new real actual valid correct own
    secret secrets key keys api token tokens password passwords passwd pass pwd value values string text credential
    credentials dsn url
    placeholder placeholders example examples sample dummy fake mock test tests testing temp tmp temporary default
    defaults initial todo tbd tba fixme xxx yyy zzz foo bar baz
    none null nil undefined unset unknown missing required empty blank invalid pending redacted hidden masked
    super very long strong secure insecure unsafe random generated generate generator
    managed manage manually manual hand outside elsewhere externally external console bootstrap injected inject
    runtime pipeline supplied supply created create configured configure populated populate ask ops devops apply ignored
    production prod staging stage dev development local deploy deployed deploying deployment terraform vault manager
    openssl rand hex base64 min minimum least chars characters bytes
"""
_WORDS = frozenset(_VOCABULARY.split())
_ALONE = frozenset(
    {
        *("changed", "dummy", "fake", "mock", "sample", "example", "tba", "fixme", "undefined", "unset", "redacted"),
        *("pending", "unknown", "missing", "xxx", "yyy", "zzz", "invalid"),
    }
)
"""Words that stand for a value by themselves."""
_NOTE = re.compile(
    r"""(?ix) \A \W* (?:
        (?: todo | fixme | tbd | tba ) \b (?:
            \s* [:(,;] \s* \S
            | \s+ - \s* \S
            # A random password may begin so, and has neither a space nor goes on in a word or a number.
            | - (?: (?= .* \s \S ) | (?-i: [a-z]{2,} | [A-Z]{2,} | [A-Z][a-z]+ | \d{1,4} ) (?! [a-zA-Z0-9] ) )
        )
        | (?: ask | see | get | copy | take | fetch | look | stored | kept | same ) \b
            .* \s (?: in | from | for | as | at | the | to | up ) \s
    )"""
)
"""A sentence to a colleague. The words of a generated passphrase have none between them such as in or the."""
_SEPARATOR = re.compile(r"[\W_]+")
_LONGEST = 80
_MANY = 2
"""So many of the words make a placeholder; one may be a bad password."""


COMMAND = re.compile(r"\A\s*(?:\$\(|`)")
"""The beginning of a placeholder that a shell would run."""

ENCRYPTED = re.compile(r"\A\s*(?:ENC\[AES256_GCM,data:|encrypted:[\w+/=]{60,}\s*\Z)")
"""A value that sops or dotenvx has encrypted, in the place of which they give a program the real one."""

CIPHERTEXT = re.compile(
    r"\AENC(?:\[[A-Z][A-Z0-9_]*,|\([\w+/=]+\)\Z)|\A-----BEGIN (?:PGP MESSAGE|AGE ENCRYPTED FILE)-----"
    r"|\A\$ANSIBLE_VAULT;|\A\{cipher\}\S|\Avault:v\d+:|\AU2FsdGVkX1|\AAQICAH[\w+/=]{60,}\Z"
)
"""What sops, eyaml, Jasypt, Ansible Vault, GnuPG, age, Spring, HashiCorp Vault, openssl and AWS KMS make of a value."""

REFERENCE = re.compile(
    r"""(?ix) \A (?:
        arn:aws[\w-]*:(?:secretsmanager|ssm):
        | (?: \{\{ \s* | << )? (?:
            op | 1password | bws? | bitwarden | keeper | pass | gopass | lpass | keychain | conjur | doppler | infisical
            | akeyless | berglas | sops | chamber | vault | bao | openbao | secrets? | secretsmanager | ssm
            | aws-?(?: sm | ssm | ps | secrets? | secretsmanager ) | gcp-?sm | gsm | sm | akv | azkv | keyvault
          ) ://\S
        | \{\{resolve: | @Microsoft\.KeyVault\( | projects/[\w-]+/secrets/
        | (?: >> )? vault:[\w.-]+/[\w./-]+ | akeyless:/\S | ref\+\w+://\S
    )"""
)
"""Where a value is in a secret manager: only that manager's own program puts the value in its place."""

SETTING = re.compile(
    r"""(?ix) \A \s* (?:
        none | null | n/a | undefined | unset | not [-_ ] set | dummy | required | redacted
        | (?! . (?:your|the|insert|enter|add|put|set|fill|replace|change|update|some|any|todo|to|value|name) \b )
            (?: < [^<>]* \s [^<>]* > | \[ .* \] )
        | python3? \s .*
        | (?:your|actual|enter|insert|dummy|fake) \s (?! .* \b here \b ) .*
        | (?! (?:your|insert|enter|add|put|paste) \b ) \w+ \s .* \s here
    ) \s* \Z"""
)
"""What a plain setting may have, where a secret may not: SameSite=None, a title, <no subject>, a subject's [prefix]."""


def is_placeholder(text: str, name: str) -> bool:
    """Whether a secret's text stands for a value that is still missing, in any spelling."""
    return PLACEHOLDER.search(text) is not None or is_made_of_placeholder_words(text, name)


def is_made_of_placeholder_words(text: str, name: str) -> bool:
    """Whether a secret's text is a note, or has nothing in it but words of placeholders and of its own name.

    Separators, case, brackets and a few digits do not count: <Your_API_Key>, changeMeNow!, my-secret-key-123.
    """
    if not 2 < len(text) <= _LONGEST or not text.isascii():
        return False
    if _NOTE.match(text):
        return True
    own = [word for word in _SEPARATOR.split(name.casefold()) if len(word) > 2]
    letters = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", text).casefold().removeprefix("sk-")
    words = [word for word in _SEPARATOR.split(letters) if len(word) > 1 and not (word.isdigit() and len(word) <= 4)]
    if len(words) == 1 and re.sub(r"\d{1,4}\Z", "", words[0]) in _ALONE:
        return True
    counts = [_count(word, own) for word in words]
    # A random password with many punctuation marks may leave two words such as "by" and "my".
    is_much = 3 * len("".join(words)) > len(text)
    return is_much and all(counts) and sum(counts) >= _MANY


def _count(word: str, own: list[str]) -> int:
    """How many words of placeholders a word is joined from; 0 where it has anything else in it."""
    parts = _WORDS.union(own)
    longest = max(map(len, parts))
    ends: list[int | None] = [0] + [None] * len(word)
    for start, count in enumerate(ends):
        if count is None:
            continue
        for end in range(start + 1, min(start + longest, len(word)) + 1):
            if word[start:end] in parts:
                ends[end] = min(ends[end] or count + 1, count + 1)
    digits = re.search(r"\d{1,4}\Z", word)
    return ends[len(word)] or (ends[digits.start()] if digits else 0) or 0
