"""The keys of the secret, and the texts that stand for a value and are none."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from omc_runbook.model.catalogue import catalogue, default_keys, provider_keys, variable_of
from omc_runbook.model.placeholders import PLACEHOLDER, TEMPLATE_DEFAULT

GUIDE_KEYS = [
    "SECRET_KEY",
    "POSTGRES_PASSWORD",
    "OPENAI_API_KEY",
    "FIRST_SUPERUSER",
    "FIRST_SUPERUSER_PASSWORD",
    "SMTP_HOST",
    "SMTP_USER",
    "SMTP_PASSWORD",
    "SENTRY_DSN",
]


@pytest.mark.parametrize(
    "text",
    [
        # The guide's template and its secrets.json.
        "your-secret-key-here",
        "your-postgres-password",
        "your-admin-password",
        "sk-your-openai-api-key-here",
        "your-email@gmail.com",
        "your-app-password",
        "https://your-sentry-dsn@sentry.io/project-id",
        "...",
        "sk-...",
        *(
            "sk-ant-...",
            "sk_test_xxx",
            "pk_live_XXXXXXXX",
            "whsec_...",
            "xoxb-xxx",
            "ghp_xxxxx",
            "hf_xxx",
            "re_xxxxxxxx",
        ),
        *("SG.xxxxx", "AKIA" + "X" * 16, "AIzaSy...", "AIzaxxxx"),
        "actual-secret-key",
        "actual-password",
        "sk-actual-key",
        "actual-admin-password",
        "actual-smtp-password",
        "https://actual-sentry-dsn@sentry.io/project",
        "<your-api-key-here>",
        # The platform's Terraform.
        "temporary-secret-key-please-update",
        "temporary-password-please-update",
        "<generate-with-openssl-rand-hex-32>",
        "changethis",
        # Near spellings of the same.
        "CHANGETHIS",
        "change-me",
        "changeme",
        "change_me!",
        "please-change-me",
        "PLACEHOLDER",
        "placeholder-openai-key",
        "sk-placeholder",
        "REPLACE_ME",
        "replace-this-value",
        "update-me",
        "todo",
        "TBD",
        "xxxxxxxx",
        "****",
        "*** REPLACE ***",
        "***REMOVED***",
        "!!!SET DJANGO_SECRET_KEY!!!",
        "## your key ##",
        "${SECRET_KEY}",
        "{{ secret_key }}",
        "insert-key-here",
        "api key goes here",
        " changethis\n",
        # Keys and certificates, of several lines or with \\n between them.
        *(
            f"-----BEGIN {kind}-----{text}-----END {kind}-----"
            for kind in ("RSA PRIVATE KEY", "PUBLIC KEY", "CERTIFICATE")
            for text in ("\n...\n", "\nMIIE...\n", r"\n…\n", "\n<the key>\n", "\nYOUR_KEY\n", "xxx\n", "\n\n", "")
        ),
        "-----BEGIN PUBLIC KEY-----\\n...\\n-----END PUBLIC KEY-----\\n",
        *(
            f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"
            for text in ("TODO", "changeme", "replace-me", "[snip]", "{{ key }}", "insert key here")
        ),
        2 * "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_placeholder_is_known(text: str) -> None:
    """Each spelling seen in the guide and on the platform is taken for a placeholder."""
    assert PLACEHOLDER.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "admin@ohmycoins.com",
        "admin@example.com",
        "noreply@ohmycoins.com",
        "smtp.gmail.com",
        "smtp.example.com",
        "email-smtp.ap-southeast-2.amazonaws.com",
        "ohmycoins",
        "true",
        "5432",
        "587",
        "info",
        "staging",
        "https://sentry.io/4",
        "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/4",
        "postgres.internal",
        "http://localhost:5173,https://staging.ohmycoins.com",
        "updated-daily",
        "***settlement***",
        "!!update",
        "factual-numbers",
        "-----BEGIN EC PRIVATE KEY-----\nMHcCxxxxyour+here/AB==\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMHcC==\n-----END RSA PRIVATE KEY-----\n",
        # As openssl pkcs12 writes them.
        *(
            f"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n{between}\n"
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
            for between in ("Key Attributes: <No Attributes>", "# ...", "your key:")
        ),
        "-----BEGIN PGP MESSAGE-----\nComment: <https://example.com>\n\nwcBM\n-----END PGP MESSAGE-----\n",
        "there",
    ],
)
def test_an_ordinary_value_is_no_placeholder(text: str) -> None:
    """Settings that the secret holds as well are left alone."""
    assert not PLACEHOLDER.search(text)


@given(st.binary(min_size=16, max_size=64))
def test_a_generated_value_is_no_placeholder(data: bytes) -> None:
    """Nothing that openssl or Python's secrets would make looks like a placeholder."""
    texts = (data.hex(), base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).rstrip(b"=").decode())
    assert not any(PLACEHOLDER.search(text) or PLACEHOLDER.search(f"sk-{text}") for text in texts)


def test_a_generated_value_of_any_length_is_no_placeholder() -> None:
    """Sixteen random characters are never taken for a placeholder."""
    generated = [make(size) for make in (secrets.token_hex, secrets.token_urlsafe) for size in range(12, 48)]
    assert [text for text in generated if len(text) >= 16 and PLACEHOLDER.search(text)] == []


@pytest.mark.parametrize(
    ("text", "is_default"), [("changethis", True), (" ChangeThis ", True), ("changethis-2", False)]
)
def test_the_templates_default_is_one_text(text: str, is_default: bool) -> None:
    """The application refuses to start at one text only."""
    assert bool(TEMPLATE_DEFAULT.search(text)) is is_default


def test_the_catalogue_starts_with_the_guides_nine_keys() -> None:
    """The keys stand in the guide's order, the required ones as the guide has them."""
    keys = default_keys()
    assert list(keys)[:9] == GUIDE_KEYS
    assert [name for name in GUIDE_KEYS if keys[name].required] == GUIDE_KEYS[:5]


def test_a_key_says_when_a_change_takes_effect() -> None:
    """Three keys do more, or less, than wait for the next deployment."""
    special = {name: key.effect for name, key in default_keys().items() if key.effect != "next-deployment"}
    assert special == {
        "SECRET_KEY": "signs-everybody-out",
        "POSTGRES_PASSWORD": "database-too",
        "FIRST_SUPERUSER_PASSWORD": "first-start-only",
    }


def test_a_password_names_the_key_of_its_login() -> None:
    """The two passwords that are one half of a login say where the other half is."""
    logins = {name: key.login for name, key in default_keys().items() if key.login}
    assert logins == {"POSTGRES_PASSWORD": "POSTGRES_USER", "SMTP_PASSWORD": "SMTP_USER"}


def test_a_key_can_be_generated_or_obtained() -> None:
    """Whoever lacks a required key learns how to come by one, save for an address that only they know."""
    keys = default_keys()
    helpless = [name for name, key in keys.items() if key.required and not (key.generate or key.obtain_from)]
    assert helpless == ["FIRST_SUPERUSER"]


def test_a_table_changes_only_what_it_names() -> None:
    """A change to one field keeps the others of the key."""
    keys = catalogue({"SMTP_HOST": {"required": True}, "NEW_KEY": {"variable": "NEW"}})
    assert keys["SMTP_HOST"] == default_keys()["SMTP_HOST"].model_copy(update={"required": True})
    assert list(keys) == [*default_keys(), "NEW_KEY"]


def test_a_table_with_an_unknown_field_is_refused() -> None:
    """A field that a key does not have is an error, and so is a value of another kind."""
    with pytest.raises(ValidationError):
        catalogue({"SMTP_HOST": {"requird": True}})
    with pytest.raises(ValidationError):
        catalogue({"SMTP_HOST": {"effect": "never"}})


def test_a_variable_is_the_keys_own_name_unless_set() -> None:
    """A key without another variable, known or not, is read under its own name."""
    keys = catalogue({"omc-key": {"variable": "OMC_KEY"}})
    assert [variable_of(name, keys) for name in ("omc-key", "SMTP_HOST", "stranger")] == [
        "OMC_KEY",
        "SMTP_HOST",
        "stranger",
    ]


@pytest.mark.parametrize("rule", ["LLM_PROVIDER", "=google", "LLM_PROVIDER=", "LLM_PROVIDER=a b", "LLM PROVIDER=a"])
def test_a_rule_names_a_variable_and_its_values(rule: str) -> None:
    """Anything else is refused, with the table's name."""
    with pytest.raises(ValidationError, match=r"keys\.GOOGLE_API_KEY\.required_if"):
        catalogue({"GOOGLE_API_KEY": {"required_if": rule}})
    assert catalogue({"GOOGLE_API_KEY": {"required_if": "LLM_PROVIDER=google|gemini"}})["GOOGLE_API_KEY"].required_if


def test_each_provider_is_chosen_by_its_own_values() -> None:
    """No value requires two keys, and each key says where to get it."""
    keys = [*default_keys().values(), *provider_keys().values()]
    options = [each for key in keys if key.required_if for each in key.required_if.partition("=")[2].split("|")]
    assert len(options) == len({*options}) and "openai" in options and "google" in options
    assert all(key.obtain_from.startswith("https://") for key in provider_keys().values())
