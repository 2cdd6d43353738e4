"""The judge of values: what it finds in a bad one, and that it finds nothing in good ones, however unusual."""

import base64
import hashlib
import html
import json
import secrets
import string
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_runbook.masking.defects import Defect, find_defect
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key, default_keys

KEYS = {
    **default_keys(),
    "DATABASE_URL": Key(form="url"),
    "POSTGRES_PORT": Key(form="number"),
}
TOKEN = secrets.token_hex(24)
PASSWORD = secrets.token_urlsafe(24)
FERNET = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
PEM = f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(secrets.token_bytes(48)).decode()}\n-----END PRIVATE KEY-----\n"
PUBLIC = PEM.replace("PRIVATE", "PUBLIC")
CERTIFICATE = PEM.replace("PRIVATE KEY", "CERTIFICATE")


def judge(name: str, text: str) -> Defect | None:
    """What is wrong with a value of a key."""
    return find_defect(Masked(text, name), name, KEYS.get(name))


BAD = {
    "quotes": ("SECRET_KEY", f'"{TOKEN}"', "bad-copy", "quotes"),
    "single quotes": ("SMTP_PASSWORD", f"'{PASSWORD}'", "bad-copy", "quotes"),
    "quotes with blanks": ("SECRET_KEY", f'" {TOKEN} "', "bad-copy", "quotes"),
    "a quoted passphrase": ("SMTP_PASSWORD", f"'{PASSWORD[:6]} {PASSWORD[6:]}'", "bad-copy", "quotes"),
    "quotes and braces": ("SECRET_KEY", '"{' + TOKEN + '}"', "bad-copy", "quotes"),
    "typographic quotes": ("SMTP_PASSWORD", f"“{PASSWORD}”", "bad-copy", "quotes"),
    "JSON's quotes": ("SMTP_PASSWORD", f'\\"{PASSWORD}\\"', "bad-copy", "quotes"),
    "a quoted e-mail address": ("FIRST_SUPERUSER", '"admin@ohmycoins.com"', "bad-copy", "quotes"),
    "a name in front": ("SECRET_KEY", f"SECRET_KEY={TOKEN}", "bad-copy", "name in front"),
    "export": ("SECRET_KEY", f"export SECRET_KEY={TOKEN}", "bad-copy", "name in front"),
    "a line of YAML": ("SECRET_KEY", f"SECRET_KEY: {TOKEN}", "bad-copy", "name in front"),
    "a member of JSON": ("SECRET_KEY", f'"SECRET_KEY": "{TOKEN}",', "bad-copy", "name in front"),
    "another name in front": ("SMTP_PASSWORD", f"MAIL_PASSWORD={PASSWORD}", "bad-copy", "name in front"),
    "Bearer": ("OPENAI_API_KEY", f"Bearer sk-{TOKEN}", "bad-copy", "Bearer"),
    "a header": ("GITHUB_TOKEN", f"Authorization: Bearer ghp_{TOKEN}", "bad-copy", "Bearer"),
    "a header of its own": ("ANTHROPIC_API_KEY", f"x-api-key: sk-ant-{TOKEN}", "bad-copy", "HTTP header"),
    "GitLab's header": ("GITLAB_TOKEN", f"PRIVATE-TOKEN: glpat-{TOKEN}", "bad-copy", "HTTP header"),
    "a zero-width space": ("OPENAI_API_KEY", f"sk-\u200b{TOKEN}", "bad-copy", "U+200B"),
    "a soft hyphen": ("SMTP_PASSWORD", f"{PASSWORD[:8]}\xad{PASSWORD[8:]}", "bad-copy", "U+00AD"),
    "a byte order mark": ("SECRET_KEY", f"\ufeff{TOKEN}", "bad-copy", "U+FEFF"),
    "a non-breaking space": ("SMTP_PASSWORD", f"{PASSWORD[:8]}\xa0{PASSWORD[8:]}", "bad-copy", "U+00A0"),
    "a control character": ("SMTP_PASSWORD", f"{PASSWORD}\x1b[0m", "bad-copy", "U+001B"),
    "a dash of a word processor": ("OPENAI_API_KEY", f"sk-proj\u2013{TOKEN}", "bad-copy", "outside ASCII"),
    "a Cyrillic letter": ("STRIPE_API_KEY", f"\u0455k_live_{TOKEN}", "bad-copy", "outside ASCII"),
    "a wrapped key": ("OPENAI_API_KEY", f"sk-{TOKEN[:20]}\n{TOKEN[20:]}", "bad-copy", "white space within"),
    "HTML": ("SMTP_PASSWORD", html.escape(f"{PASSWORD}&<>"), "bad-copy", "HTML"),
    "HTML in an address": ("DATABASE_URL", "postgresql://a@db/x?a=1&amp;b=2", "bad-copy", "HTML"),
    "HTML twice": ("SMTP_PASSWORD", html.escape(html.escape(f"{PASSWORD}&")), "bad-copy", "HTML"),
    "URL-escaped": ("SMTP_PASSWORD", quote(f"{PASSWORD}/@=", safe=""), "bad-copy", "URL-escaped"),
    "an escaped e-mail address": ("FIRST_SUPERUSER", "admin%40ohmycoins.com", "bad-copy", "URL-escaped"),
    "URL-escaped twice": (
        "DATABASE_URL",
        f"postgresql://app:{quote(quote('p/ss@word' + TOKEN, safe=''), safe='')}@db:5432/app",
        "bad-copy",
        "escaped twice",
    ),
    "asterisks": ("SMTP_PASSWORD", f"{PASSWORD[:4]}********", "bad-copy", "masked or shortened"),
    "an ellipsis": ("OPENAI_API_KEY", f"sk-proj-{TOKEN[:4]}…{TOKEN[-4:]}", "bad-copy", ""),
    "three full stops": ("SMTP_PASSWORD", f"{PASSWORD[:6]}...{PASSWORD[-4:]}", "bad-copy", "masked or shortened"),
    "bullets": ("SMTP_PASSWORD", "•" * 12, "bad-copy", "masked or shortened"),
    "our own label": ("SECRET_KEY", "‹SECRET_KEY›", "bad-copy", "masked or shortened"),
    "a hidden password": ("DATABASE_URL", "postgresql://app:***@db:5432/app", "bad-copy", "hidden"),
    "the secret's ARN": (
        "SECRET_KEY",
        "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbC123:SECRET_KEY::",
        "bad-copy",
        "a reference",
    ),
    "a parameter's ARN": ("DB_PASSWORD", "arn:aws:ssm:eu-west-1:123456789012:parameter/db", "bad-copy", "a reference"),
    "a vault's reference": ("OPENAI_API_KEY", "op://Private/OpenAI/credential", "bad-copy", "a reference"),
    "JSON around it": ("SMTP_PASSWORD", f'{{"SMTP_PASSWORD": "{PASSWORD}"}}', "bad-copy", "its name in front"),
    "HashiCorp Vault's path": ("POSTGRES_PASSWORD", "vault:secret/data/db#password", "bad-copy", "a reference"),
    "a reference of vals": ("SECRET_KEY", "ref+awssecrets://app/staging#/secret_key", "bad-copy", "a reference"),
    "a line of sops": ("SMTP_PASSWORD", "ENC[AES256_GCM,data:Tr7o=,iv:1=,tag:2=,type:str]", "bad-copy", "encrypted"),
    "the text of Python's bytes": ("SECRET_KEY", f"b'{TOKEN}'", "bad-copy", "quotes"),
    "a key of Spring's Config Server": ("STRIPE_API_KEY", f"{{cipher}}{TOKEN}", "bad-copy", "encrypted"),
    "Vault's transit": ("SMTP_PASSWORD", f"vault:v1:{PASSWORD}", "bad-copy", "encrypted"),
    "what openssl encrypts": ("SMTP_PASSWORD", f"U2FsdGVkX1{PASSWORD}", "bad-copy", "encrypted"),
    "what KMS encrypts": ("SMTP_PASSWORD", f"AQICAH{TOKEN}{TOKEN}", "bad-copy", "encrypted"),
    "a login of RDS": (
        *("SMTP_PASSWORD", f'{{"username": "app", "password": "{PASSWORD}"}}'),
        *("bad-copy", "JSON object"),
    ),
    "a database's login of RDS": (
        *("POSTGRES_PASSWORD", f'{{"password":"{PASSWORD}","host":"db"}}'),
        *("bad-copy", "JSON object"),
    ),
    "bcrypt's hash": ("FIRST_SUPERUSER_PASSWORD", f"$2b$12${TOKEN}", "bad-copy", "hash"),
    "Argon2's hash": ("FIRST_SUPERUSER_PASSWORD", f"$argon2id$v=19$m=65536$c2FsdA${TOKEN}", "bad-copy", "hash"),
    "Django's hash": ("FIRST_SUPERUSER_PASSWORD", f"pbkdf2_sha256$600000${TOKEN}$c2FsdA=", "bad-copy", "hash"),
    "Werkzeug's hash": ("FIRST_SUPERUSER_PASSWORD", f"scrypt:32768:8:1${TOKEN}${TOKEN}", "bad-copy", "hash"),
    "Werkzeug's older hash": ("FIRST_SUPERUSER_PASSWORD", f"pbkdf2:sha256:600000${TOKEN}${TOKEN}", "bad-copy", "hash"),
    "PostgreSQL's former hash": ("POSTGRES_PASSWORD", f"md5{secrets.token_hex(16)}", "bad-copy", "hash"),
    "PostgreSQL's hash": ("POSTGRES_PASSWORD", f"SCRAM-SHA-256$4096:{TOKEN}==${TOKEN}=:{TOKEN}=", "bad-copy", "hash"),
    "a JWT without its signature": ("SERVICE_ROLE_KEY", f"eyJ{TOKEN}.eyJ{TOKEN}", "bad-copy", "signature"),
    "a key twice": ("OPENAI_API_KEY", f"sk-{TOKEN}" * 2, "bad-copy", "twice"),
    "a key's id cut off": ("AWS_ACCESS_KEY_ID", "AKIA" + "A2B3C4D5E6F7G", "bad-copy", "cut off"),
    "a path": ("SECRET_KEY", "/run/secrets/secret_key", "bad-copy", "path"),
    "a home's path": ("POSTGRES_PASSWORD", "~/.config/db/password.txt", "bad-copy", "path"),
    "a quoted address": ("CACHE_URL", f'"redis://:{TOKEN}@cache:6379/0?x=1&y=%20"', "bad-copy", "quotes"),
    "HTML in any address": ("CACHE_URL", f"redis://:{TOKEN}@cache:6379/0?x=1&amp;y=2", "bad-copy", "HTML"),
    "a quote left over": ("OPENAI_API_KEY", f'sk-{TOKEN}"', "bad-copy", "at an end"),
    "a quote left over in front": ("OPENAI_API_KEY", f'"sk-{TOKEN}', "bad-copy", "at an end"),
    "a message of PGP": (
        *("SMTP_PASSWORD", f"-----BEGIN PGP MESSAGE-----\n\n{TOKEN}\n-----END PGP MESSAGE-----"),
        *("bad-copy", "encrypted"),
    ),
    "a file of age": (
        *("SMTP_PASSWORD", f"-----BEGIN AGE ENCRYPTED FILE-----\n{TOKEN}\n-----END AGE ENCRYPTED FILE-----"),
        *("bad-copy", "encrypted"),
    ),
    "a comma behind a key of another name": ("STRIPE_SECRET_KEY", f"sk_live_{TOKEN},", "bad-copy", "at an end"),
    "a quote behind a JWT": ("SERVICE_ROLE_KEY", f'eyJ{TOKEN}.eyJ{TOKEN}.{TOKEN}"', "bad-copy", "at an end"),
    "a line break left over": ("OPENAI_API_KEY", rf"sk-{TOKEN}\n", "bad-copy", "at an end"),
    "a PEM file in quotes": ("TLS_CERTIFICATE", f'"{CERTIFICATE}"', "bad-copy", "quote in front"),
    "JSON in quotes": ("GOOGLE_CREDENTIALS_JSON", f'\'{{"private_key_id": "{TOKEN}"}}\'', "wrong-form", "not JSON"),
    "a comma behind a key of Fernet": ("FERNET_KEY", f"{FERNET},", "wrong-form", "Fernet"),
    "a comma left over": ("STRIPE_API_KEY", f"rk-{TOKEN},", "bad-copy", "at an end"),
    "a wrapped signing key": ("SECRET_KEY", f"{TOKEN[:32]}\n{TOKEN[32:]}{TOKEN}", "bad-copy", "line break"),
    "base64 of a key": ("OPENAI_API_KEY", base64.b64encode(f"sk-{TOKEN}".encode()).decode(), "bad-copy", "base64"),
    "base64 of an address": (
        *("FIRST_SUPERUSER", base64.b64encode(b"admin@ohmycoins.com").decode()),
        *("bad-copy", "base64"),
    ),
    "mailto": ("FIRST_SUPERUSER", "mailto:admin@ohmycoins.com", "wrong-form", "e-mail"),
    "NUL": ("SECRET_KEY", f"{TOKEN}\0", "bad-copy", "NUL"),
    "half a pair": ("SECRET_KEY", f"{TOKEN}\ud800", "bad-copy", "damaged"),
    "white space": ("SECRET_KEY", f"{TOKEN}\n", "white-space", "white space"),
    "no e-mail address": ("FIRST_SUPERUSER", "admin.ohmycoins.com", "wrong-form", "e-mail"),
    "two e-mail addresses": ("FIRST_SUPERUSER", "a@ohmycoins.com,b@ohmycoins.com", "wrong-form", "e-mail"),
    "a display name": ("FIRST_SUPERUSER", "Admin <admin@ohmycoins.com>", "wrong-form", "e-mail"),
    "two full stops": ("FIRST_SUPERUSER", "admin@ohmycoins..com", "wrong-form", "e-mail"),
    "two at signs": ("FIRST_SUPERUSER", "admin@@ohmycoins.com", "wrong-form", "e-mail"),
    "no domain": ("FIRST_SUPERUSER", "admin@localhost", "wrong-form", "e-mail"),
    "no scheme": ("SENTRY_DSN", f"{TOKEN}@o1.ingest.sentry.io/4", "wrong-form", "not a URL"),
    "a DSN without its key": ("SENTRY_DSN", "https://o1.ingest.sentry.io/4", "wrong-form", "public key"),
    "a DSN without its project": ("SENTRY_DSN", f"https://{TOKEN}@o1.ingest.sentry.io", "wrong-form", "project"),
    "a host with a scheme": ("SMTP_HOST", "smtp://smtp.gmail.com", "wrong-form", "host name"),
    "a host with a port": ("SMTP_HOST", "smtp.gmail.com:587", "wrong-form", "host name"),
    "a wrong prefix": ("OPENAI_API_KEY", f"pk-{TOKEN}", "wrong-form", "begin with sk-"),
    "no number": ("POSTGRES_PORT", "postgres", "wrong-form", "not a number"),
    "a bare @ in an address": ("DATABASE_URL", f"postgresql://app:p@{TOKEN}@db:5432/app", "wrong-form", "@"),
    "a bare / in an address": ("DATABASE_URL", f"postgresql://app:p/{TOKEN}@db:5432/app", "wrong-form", "unescaped"),
    "a bare ? in an address": ("DATABASE_URL", f"postgresql://app:12?a={TOKEN}@db:5432/app", "wrong-form", "%3F"),
    "a bare @ and / in an address": ("DATABASE_URL", f"postgresql://app:p@/{TOKEN}@db:5432/app", "wrong-form", "%2F"),
    "a bare @ and ? in an address": ("DATABASE_URL", f"postgresql://app:p@s?{TOKEN}@db:5432/app", "wrong-form", "%2F"),
    "a bare ( in an address": ("DATABASE_URL", f"postgresql://app:a(/{TOKEN}@db:5432/app", "wrong-form", "%2F"),
    "a bare # in an address": ("REDIS_URL", f"redis://:p#{TOKEN}@cache:6379/0", "wrong-form", "unescaped"),
    "a bare % in an address": ("DATABASE_URL", f"postgresql://app:100%{TOKEN[:2]}x%y@db/app", "wrong-form", "%25"),
    "a bracket in an address": ("DATABASE_URL", f"postgresql://app:p[{TOKEN}@db/app", "wrong-form", "bracket"),
    "a port that is none": ("DATABASE_URL", f"postgresql://app:{TOKEN}@db:port/app", "wrong-form", "port"),
    "a port too high": ("DATABASE_URL", f"postgresql://app:{TOKEN}@db:99999/app", "wrong-form", ""),
    "a scheme twice": ("DATABASE_URL", "https://https://api.ohmycoins.com", "wrong-form", "no host"),
    "a scheme twice and a login": (
        *("DATABASE_URL", f"postgresql://postgresql://app:{TOKEN}@db:5432/app"),
        *("wrong-form", "scheme, which stands there twice"),
    ),
    "a scheme with one slash": ("DATABASE_URL", f"postgresql:/app:{TOKEN}@db:5432/app", "wrong-form", "lacks the ://"),
    "a scheme without its colon": ("REDIS_URL", f"redis//:{TOKEN}@cache:6379", "wrong-form", "lacks the ://"),
    "a scheme twice and its colon lost": ("API_URL", "https://https//api.ohmycoins.com", "wrong-form", "no host"),
    "a port of too many digits": ("API_URL", f"https://api.ohmycoins.com:{'9' * 5000}", "wrong-form", "port"),
    "a port out of range": ("SMTP_PORT", "587587", "wrong-form", "not a port"),
    "a number of too many digits": ("SMTP_PORT", "9" * 5000, "wrong-form", "not a port"),
    "JSON cut off": ("GOOGLE_CREDENTIALS_JSON", f'{{"private_key_id": "{TOKEN}', "wrong-form", "not JSON"),
    "JSON of Python": ("GOOGLE_CREDENTIALS_JSON", f"{{'private_key_id': '{TOKEN}'}}", "wrong-form", "not JSON"),
    "hex for Fernet": ("FERNET_KEY", secrets.token_hex(32), "wrong-form", "Fernet"),
    "a key of Fernet cut off": (
        *("FERNET_KEY", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()[:-1]),
        *("wrong-form", "Fernet"),
    ),
    "a temporary access key": ("AWS_ACCESS_KEY_ID", f"ASIA{'A2B3' * 4}", "wrong-form", "temporary"),
    "an issued key that should be generated": ("SECRET_KEY", f"sk-proj-{TOKEN}", "wrong-form", "a key of OpenAI"),
    "a token for a password": ("POSTGRES_PASSWORD", f"ghp_{TOKEN[:36]}", "wrong-form", "a token of GitHub"),
    "a DSN for a signing key": ("SECRET_KEY", f"https://{TOKEN}@sentry.io/4", "wrong-form", "is an address"),
    "a page where keys are": ("NEWS_API_KEY", "https://newsapi.org/account", "wrong-form", "address of a page"),
    "an unfilled address": ("DATABASE_URL", "postgresql://app:${POSTGRES_PASSWORD}@db/app", "placeholder", ""),
    "Supabase's placeholder": (
        *("DATABASE_URL", "postgresql://postgres.ref:[YOUR-PASSWORD]@aws-0.pooler.supabase.com:6543/postgres"),
        *("placeholder", ""),
    ),
    "a hidden password in a query": (
        "DATABASE_URL",
        "jdbc:mysql://db/app?user=app&password=****",
        "bad-copy",
        "hidden",
    ),
    "a placeholder in a query": ("DATABASE_URL", "postgresql://db/app?password=changethis", "placeholder", "password"),
    "a placeholder in an address": ("DATABASE_URL", "postgresql://app:password@db/app", "placeholder", "password"),
    "a note": ("SMTP_PASSWORD", "TODO: ask Dana for the app password", "placeholder", ""),
    "where it is": ("SMTP_PASSWORD", "see the entry in 1Password", "placeholder", ""),
    "empty": ("SECRET_KEY", "", "empty", "empty"),
    "blank": ("FIRST_SUPERUSER_PASSWORD", "   ", "empty", "blank"),
    "the template's default": ("SECRET_KEY", "changethis", "changethis", "default"),
    "short": ("SECRET_KEY", secrets.token_hex(8), "weak", "shorter than 32"),
    "words of its own": ("SECRET_KEY", "ohmycoins-staging-secret-key-2026", "weak", "easy to guess"),
    "a PEM file on one line": ("JWT_PRIVATE_KEY", PEM.replace("\n", " "), "bad-copy", "without its line breaks"),
    "a PEM file of no lines": ("TLS_CERTIFICATE", PEM.replace("\n", ""), "bad-copy", "without its line breaks"),
    "a PEM file cut off": ("JWT_PRIVATE_KEY", PEM[:-30], "bad-copy", "END line"),
    "the first line of a PEM file": ("JWT_PRIVATE_KEY", PEM.partition("\n")[0], "bad-copy", "END line"),
    "a PEM file escaped twice": ("JWT_PRIVATE_KEY", PEM.replace("\n", r"\\n"), "bad-copy", "escaped twice"),
    "another provider's key": ("ANTHROPIC_API_KEY", f"sk-proj-{TOKEN}", "wrong-form", "a key of OpenAI"),
    "a publishable key": ("STRIPE_SECRET_KEY", f"pk_live_{TOKEN}", "wrong-form", "a publishable key of Stripe"),
    "the public half of a key": ("JWT_PRIVATE_KEY", PUBLIC, "wrong-form", "like a public key, not like a private key"),
    "the private half of a key": ("JWT_PUBLIC_KEY", PEM, "wrong-form", "like a private key, not like a public key"),
    "a certificate's key": ("TLS_CERT", PEM, "wrong-form", "like a private key, not like a certificate"),
    "a key's id": ("AWS_SECRET_ACCESS_KEY", f"AKIA{'A2B3' * 4}", "wrong-form", "an access key id of AWS"),
    "a repetition": ("SECRET_KEY", "ab" * 20, "weak", "easy to guess"),
    "a sequence": ("SECRET_KEY", "0123456789" * 4, "weak", "easy to guess"),
    "a slash in a URL": ("POSTGRES_PASSWORD", f"{TOKEN}/x", "url-chars", "breaks a URL"),
}
"""Key, value, the check that finds it, and what it says."""


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_found_and_not_shown(case: str) -> None:
    """Each defect has its check, and a sentence that has no piece of the value."""
    name, text, check, words = BAD[case]
    defect = judge(name, text)
    assert defect and (defect.check, words in defect.sentence) == (check, True), defect
    assert not any(piece in defect.sentence for piece in (TOKEN[:6], PASSWORD[:6]))


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("quotes", (f"`{TOKEN}`", rf"\'{TOKEN}\'", f"‘{TOKEN}’", f"„{TOKEN}“", f"«{TOKEN}»", f"'x://a?b&c=#{TOKEN}'")),
        ("name in front", (f"export API_TOKEN={TOKEN}", f"set X_KEY={TOKEN}", f"JWT_SECRET={TOKEN}", f"A_DSN={TOKEN}")),
        ("name in front", (f"A_URL: {TOKEN}",)),
        ("HTTP header", (f"Basic {TOKEN}", f"token {TOKEN}", f"api-key: {TOKEN}", f"ApiKey {TOKEN}")),
        ("HTML", tuple(f"{TOKEN}&{each};" for each in ("lt", "gt", "quot", "apos", "nbsp", "#39", "#034", "#x27"))),
        ("masked or shortened", tuple(f"{TOKEN}[{each}]" for each in ("redacted", "masked", "hidden", "filtered"))),
        ("masked or shortened", (f"{TOKEN}[removed]", "ab●●", "ab∙∙∙", "ab···", "ab…yz", f"{TOKEN[:4]}XXXXXXXX")),
        ("encrypted", ("$ANSIBLE_VAULT;1.1;AES256\n6162",)),
        ("path", ("~/db.pem", "./db.key", "../db.txt", "/srv/db.json", "/srv/.x/db.env", "/srv/db.crt", "/srv/db.ini")),
        ("path", ("/srv/db.secret", "/srv/db.pass", "/srv/db.conf", "/srv/db.yml", "/srv/db.yaml", "/srv/db.toml")),
        ("path", ("/etc/ssl/server", "/var/run/db", "/home/app/.pgpass", "/root/.netrc", "/mnt/efs/db", "/usr/db")),
        ("path", ("/opt/app/db", "/app/secrets/db", "/tmp/db", "/secrets/db", "/Users/dana/db", "file:///srv/db")),
        ("path", (r"C:\omc\db",)),
    ],
)
def test_a_copy_of_any_kind_is_found(words: str, texts: tuple[str, ...]) -> None:
    """However files, pages and programs write, hide or name a value."""
    found = {text: judge("SECRET_KEY", text) for text in texts}
    assert all(defect and defect.check == "bad-copy" and words in defect.sentence for defect in found.values()), found


@pytest.mark.parametrize("sign", [*"!:@[`{"])
def test_an_address_that_was_escaped_twice_is_found(sign: str) -> None:
    """Whichever sign of its password shows it."""
    password = quote(quote(f"{TOKEN}{sign}", safe=""), safe="")
    defect = judge("DATABASE_URL", f"postgresql://app:{password}@db:5432/app")
    assert defect and (defect.check, "escaped twice" in defect.sentence) == ("bad-copy", True), defect


@pytest.mark.parametrize("host", ["${DB_HOST}", "{{ db_host }}", "<your host>"])
def test_an_address_with_an_unfilled_host_is_found(host: str) -> None:
    """Its password may be right already."""
    defect = judge("DATABASE_URL", f"postgresql://app:{TOKEN}@{host}:5432/app")
    assert defect and (defect.check, "has a part" in defect.sentence) == ("placeholder", True), defect


@pytest.mark.parametrize(
    "text",
    [
        *("changeme", "CHANGE_ME", "change-me-in-production", "changeMeNow!", "ReplaceMe", "replace_with_real_value"),
        *("your_api_key", "YOUR-API-KEY-HERE", "<your api key>", "[your-secret-key]", "my-super-secret-key"),
        *("insert key here", "INSERT_TOKEN_HERE", "put-your-key-here", "to be provided", "will be set by terraform"),
        *("super-secret-key", "supersecretkey", "mysecretpassword", "dummy-token", "fake_key_123", "test-secret"),
        *("dev-secret-key", "insecure-default", "not-a-real-key", "do not use", "secret_key_here", "example-key"),
        *("{{ api_key }}", "${API_KEY}", "%API_KEY%", "__API_KEY__", "(your key)", "TODO: set", "sk-your-key", "xxx"),
        *("todo-ask-dana", "TODO(JIRA-123)", "TBD - from 1Password", "fixme:later", "tba;2026"),
        *(
            "TODO(#123)",
            "TODO(@dana)",
            "TODO(#123): get it",
            "TBD:(ask dana)",
            "fixme,in Q3",
            "TODO:1Password",
            "TBD:Q3",
        ),
        *("set-me-before-deploy", "generate-with-openssl-rand-hex-32", "a-very-long-random-string", "update_me_please"),
        *("managed-outside-of-terraform", "set-manually-in-console", "injected-at-runtime", "ask-devops"),
        *("sk-xxxxxxxx", "stripe-api-key", "default-password", "sample_secret", "pending", "redacted"),
        *("(known after apply)", "(sensitive value)", 'python -c "import secrets; print(secrets.token_hex(32))"'),
        *(f"django-insecure-{TOKEN}", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    ],
)
def test_a_placeholder_of_any_spelling_is_known(text: str) -> None:
    """Words that stand for a value, whatever stands between them."""
    defect = judge("STRIPE_API_KEY", text)
    assert defect and defect.check in ("placeholder", "bad-copy"), defect


@pytest.mark.parametrize(
    "text",
    [
        "<set-me>",
        "[set-me]",
        "<your sender name>",
        "changeme",
        "please update me",
        "Your title here",
        "TODO",
        "{{ title }}",
    ],
)
def test_a_plain_setting_may_be_a_placeholder_too(text: str) -> None:
    """No title or mode is spelt like these."""
    defect = judge("APP_TITLE", text)
    assert defect and defect.check == "placeholder"


def test_a_signing_key_of_known_words_is_weak() -> None:
    """The project's name is no secret, whatever dictionary lacks it."""
    text = "quokkapay-staging-jwt-signing-secret-v2"
    assert judge("SECRET_KEY", text) is None
    defect = find_defect(Masked(text, "SECRET_KEY"), "SECRET_KEY", KEYS["SECRET_KEY"], ("quokkapay", "staging"))
    assert defect and defect.check == "weak"


def test_the_shape_of_a_mail_password_is_no_defect() -> None:
    """Gmail shows app passwords in four groups with spaces, and takes them so."""
    assert judge("SMTP_PASSWORD", "abcd efgh ijkl mnop") is None


def test_json_that_the_application_reads_is_no_copy() -> None:
    """It is another object than RDS's, or the name of its variable is not that of a password."""
    assert judge("PROXY_PASSWORD", f'{{"reader": "{PASSWORD}", "writer": "{TOKEN}"}}') is None
    login, key = f'{{"username": "app", "password": "{PASSWORD}"}}', Key(variable="PROXY_JSON")
    assert find_defect(Masked(login, "PROXY_PASSWORD"), "PROXY_PASSWORD", key) is None
    assert judge("PROXY_PASSWORD", login)


HEALTHY = {
    "POSTGRES_PASSWORD": [f"hf_{secrets.token_urlsafe(size)[3:]}" for size in (24, 32, 64)],
    "SECRET_KEY": [
        secrets.token_hex(32),
        base64.b64encode(secrets.token_bytes(48)).decode(),
        secrets.token_urlsafe(64),
    ],
    "SMTP_PASSWORD": [
        *(
            "correct horse battery staple",
            "Ünïcödé-Påsswörd-42-Łódź",
            "пароль-для-почты-73",
            "日本語のパスワード長い",
            "wait... what? 73 yaks",
        ),
        *(
            "👩‍👩‍👧-family-4-ever-91",
            "p'q\"r`s-91kd!",
            "100%sure-it-is-91",
            "a=b=c==-9123kd",
            "x&y<z>-9123kd",
            "K7-*-&#-k2.,;91",
        ),
        *("tba-9fK2mQx7Lz", "todo-Xk29dkQmz81", "TBD-k7fqRzLw", "fixme-9fK2mQx7Lz"),
        *(
            "--flag-like-9123k",
            "/aB3+kd91mQ0/zz==",
            "#9123kd-hash",
            "\\back\\slash-9123",
            "vK~9_.-3kd91",
            "'tis-a-9123-kd",
        ),
    ],
    "SMTP_USER": [
        "apikey",
        "ses-smtp-user.20240101-120000",
        "noreply@ohmycoins.com",
        "postmaster@mg.ohmycoins.com",
        "O'Brien",
    ],
    "SMTP_HOST": [
        "localhost",
        "smtp.gmail.com",
        "mail_server",
        "10.0.0.5",
        "::1",
        "fd00::25",
        "smtp.example.com.",
        "bücher.example",
    ],
    "FIRST_SUPERUSER": [
        *(
            "admin@ohmycoins.com",
            "o'brien+omc@sub.ohmycoins.co.uk",
            "a@b.io",
            "müller@bücher.example",
            "x_y.z-1@1und1.de",
        ),
        *("admin@xn--bcher-kva.example", "first.last@ohmycoins.technology", "admin@ohmycoins.test"),
    ],
    "SENTRY_DSN": [
        f"https://{secrets.token_hex(16)}@o123.ingest.us.sentry.io/4507",
        f"https://{secrets.token_hex(16)}:{secrets.token_hex(16)}@sentry.ohmycoins.com/prefix/42",
        f"http://{secrets.token_hex(16)}@localhost:9000/1",
        f"https://{secrets.token_hex(16)}@o1.ingest.de.sentry.io/4507?timeout=5",
        "",
    ],
    "OPENAI_API_KEY": [f"sk-{TOKEN}", f"sk-proj-{PASSWORD}", f"sk-or-v1-{TOKEN}", f"sk-svcacct-{PASSWORD}_{TOKEN}"],
    "POSTGRES_PORT": ["5432", "+5", "-1", "1.5"],
    "DATABASE_URL": [
        f"postgresql://app:{TOKEN}@db:5432/app",
        f"postgresql+psycopg://app:{quote('p/@:#?%[] ' + TOKEN, safe='')}@db.internal:5432/app?sslmode=require",
        f"postgres://app:{quote('a%40b' + TOKEN + '/!', safe='!')}@db/app",
        "postgresql://app@db/app",
        f"jdbc:postgresql://db:5432/app?user=app&password={TOKEN}@x",
        "postgresql:///app?host=/cloudsql/project:region:instance",
        f"postgresql+psycopg2://app:{TOKEN}@/app?host=/cloudsql/p:r:i",
        f"postgresql://app:{TOKEN}@[fd00::1]:5432/app",
        f"postgresql://app:{TOKEN}@h1:5432,h2:5433/app?target_session_attrs=any",
        f"mysql://app:{TOKEN}@tcp(db:3306)/app",
        f"oracle+oracledb://app:{TOKEN}@(DESCRIPTION=(ADDRESS=(HOST=db)(PORT=1521)))",
        f"postgresql://app:{TOKEN}@db/app?application_name=a@b",
        f"jdbc:postgresql://db:5432/app?user=app&password={TOKEN}",
        f"mongodb+srv://app:{TOKEN}@cluster0.abcde.mongodb.net/?retryWrites=true&w=majority",
        "sqlite:///./app.db",
        "https://ohmycoins.com/@team/page?mail=a@b.io",
        "https://api.ohmycoins.com:8443/v1?x=%40&y=%2540",
        "https://api.ohmycoins.com//v1",
        f"jdbc:sqlserver://db.internal:1433;databaseName=app;user=app;password={TOKEN}",
        f"postgresql://app:{TOKEN}@[fe80::1%eth0]:5432/app",
    ],
    "REDIS_URL": [
        f"redis://:{TOKEN}@cache:6379/0",
        f"rediss://default:{PASSWORD}@cache:6380",
        "redis://cache",
        "unix:///run/redis.sock",
    ],
    "BROKER_URL": [
        *(f"amqps://u:{TOKEN}@mq:5671//", "sqs://", "memory://"),
        f"amqp://u:{TOKEN}@one.internal:5672//;amqp://u:{TOKEN}@two.internal:5672//",
        "sentinel://one.internal:26379;sentinel://two.internal:26379",
        "failover:(amqps://one.internal:5671,amqps://two.internal:5671)?randomize=false",
    ],
    "LDAP_URI": ["ldaps://one.internal ldaps://two.internal"],
    "EMAIL_URL": [f"{way}://noreply@ohmycoins.com:{TOKEN}@smtp.ohmycoins.com" for way in ("smtp+tls", "submission")],
    "APPRISE_URL": [f"tgram://123456789:{TOKEN}/-1001234567890/"],
    "API_URL": ["/api/v1", "api.ohmycoins.com", "http://localhost:8000", ""],
    "TWITTER_BEARER_TOKEN": ["A" * 20 + "BdefgAAA%2B" + TOKEN + "%3D" + TOKEN[:8]],
    "JWT_PRIVATE_KEY": [
        *(PEM, PEM.strip(), PEM + PEM, PEM.replace("\n", "\r\n"), PEM.replace("\n", r"\n"), f"\n{PEM}"),
        "/etc/keys/jwt.pem",
        *(CERTIFICATE + PEM, base64.b64encode(PEM.encode()).decode()),
    ],
    "TLS_CERT": [CERTIFICATE, PEM + CERTIFICATE, "required"],
    "JWT_PUBLIC_KEY": [PUBLIC, f"ssh-ed25519 {TOKEN}", f"ssh-ed25519 {TOKEN} ci@ohmycoins\n", CERTIFICATE],
    "GOOGLE_CREDENTIALS": [json.dumps({"type": "service_account", "private_key_id": TOKEN})],
    "SERVICE_ROLE_KEY": [f"eyJ{TOKEN}.eyJ{TOKEN}.{PASSWORD}", f"eyJ{TOKEN}"],
    "SMTP_PORT": ["587", "+587", "65535", "smtp"],
    "METRICS_PORT": ["0"],
    "LOGIN_CONFIG_JSON": ["{}", "[]", "login.json", f'{{"a": "{TOKEN}"}}', "[1, 2]", "{}\n"],
    "FERNET_KEYS": [
        *(between.join((FERNET, FERNET)) for between in (",", ", ", " ", "\n", ";")),
        *(json.dumps([FERNET, FERNET]), json.dumps({"v1": FERNET})),
    ],
    "ADMIN_PASSWORD_HASH": [f"$2b$12${TOKEN}"],
    "BASIC_AUTH_PASSWORD": [f"$apr1$x${TOKEN}", f"$2y$05${TOKEN}"],
    "AWS_ACCESS_KEY_ID": [f"AKIA{'A2B3' * 4}", "minioadmin"],
    "KMS_KEY": ["arn:aws:kms:ap-southeast-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
    "DB_SECRET": ["arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-1-AbC123"],
    "OTEL_EXPORTER_OTLP_HEADERS": [f"Authorization=Bearer {TOKEN}"],
    "BACKEND_CORS_ORIGINS": [
        '["http://localhost","https://ohmycoins.com"]',
        '"https://a.io"',
        "http://a.io,http://b.io",
    ],
    "SAS_TOKEN": [f"https://ohmycoins.blob.core.windows.net/c?sv=2024&sig={TOKEN}"],
    "SLACK_WEBHOOK_TOKEN": [f"https://hooks.slack.com/services/T0123/B4567/{TOKEN}"],
    "APP_STORE_CONNECT_API_KEY": [PEM],
    "PARTITION_KEY": ["ASIAPACIFIC"],
    "ENCRYPTED_DB_PASSWORD": [f"AQICAH{TOKEN}{TOKEN}", f"{{cipher}}{TOKEN}"],
    "FIRST_SUPERUSER_PASSWORD": ["$6$8.(<919-[[5*${!#{", ">&:>:,[<{://)#'{?;|)_!=^:+{~", "H!j<O);<k_BY[{my"],
    "EMAIL_SUBJECT_PREFIX": ["[Oh My Coins] ", "[Oh My Coins]"],
    "ADMIN_IDS": ["[42]"],
    "RETIRED_KEYS": ["[42]"],
    "SLUG_PATTERN": ["[a-z]"],
    "HEALTH_COMMAND": ["python -c 'import app.health'"],
    "PROJECT_NAME": ["My Test App", '"Oh My Coins"', "Oh My Coins… beta", "Oh\xa0My\xa0Coins", "none of it"],
    "SESSION_COOKIE_SAMESITE": ["None", "none"],
    "CACHE_BACKEND": ["dummy"],
    "CLIENT_CERTIFICATE": ["required", "none"],
    "APP_TITLE": ["Your Numbat", "<no subject>", "Change your password here"],
    "AVATAR_URL": ["https://cdn.ohmycoins.com/img/placeholder.png"],
    "STRIPE_PUBLISHABLE_KEY": [f"pk_test_{TOKEN}"],
    "STRIPE_API_VERSION": ["2026-06-20"],
    "GITHUB_TOKEN": [f"ghp_{TOKEN}", TOKEN, f"ghs_{TOKEN}"],
    "AWS_SECRET_ACCESS_KEY": [base64.b64encode(secrets.token_bytes(30)).decode()],
    "ENVIRONMENT": ["staging", "production", "local"],
    "SLACK_BOT_TOKEN": ["-".join(("xoxb", "1234567890", "1234567890123", TOKEN))],
    "GOOGLE_TOKEN": [json.dumps({"access_token": TOKEN, "expires": 3600}), json.dumps(["a", "b"])],
    "AZURE_STORAGE_KEY": [base64.b64encode(secrets.token_bytes(64)).decode()],
}
"""Values that are right, though many look odd."""


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_value_is_no_defect(name: str) -> None:
    """However unusual it looks, nothing is wrong with it."""
    assert {text: judge(name, text) for text in HEALTHY[name]} == dict.fromkeys(HEALTHY[name])


def generated(data: bytes) -> list[str]:
    """What openssl, Python's secrets and password managers make of some bytes."""
    encoded = base64.b64encode(data).decode()
    return [
        data.hex(),
        data.hex().upper(),
        encoded,
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        base64.b32encode(data).decode(),
    ]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=32), st.integers(32, 64))
@pytest.mark.long
def test_a_generated_value_is_no_defect(seed: bytes, size: int) -> None:
    """No value of a generator is taken for a bad one, whichever key has it."""
    for text in generated(hashlib.shake_256(seed).digest(size)):
        found = {
            name: judge(name, text)
            for name in ("SECRET_KEY", "SMTP_PASSWORD", "STRIPE_API_KEY", "FIRST_SUPERUSER_PASSWORD")
        }
        assert set(found.values()) == {None}, found
        assert judge("OPENAI_API_KEY", f"sk-proj-{text}") is None


def test_a_random_password_with_punctuation_is_no_defect() -> None:
    """Passwords of all printable characters, as GetRandomPassword makes them, but for rare accidents."""
    alphabet = string.ascii_letters + string.digits + string.punctuation
    texts = ["".join(secrets.choice(alphabet) for _ in range(32)) for _ in range(1000)]
    assert sum(judge("SMTP_PASSWORD", text) is not None for text in texts) <= 1


@pytest.mark.long
def test_the_password_of_any_address_may_be_anything() -> None:
    """A password with any characters is right in an address once it is escaped."""
    alphabet = string.ascii_letters + string.digits + string.punctuation
    for _ in range(500):
        # In angle brackets it would be a placeholder.
        password = "a" + "".join(secrets.choice(alphabet) for _ in range(23))
        for scheme in ("postgresql", "redis", "amqp", "https"):
            assert judge("DATABASE_URL", f"{scheme}://app:{quote(password, safe='')}@db.internal:5432/app") is None
