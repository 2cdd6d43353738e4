"""Whether a name is a secret's: the same answer for masking, for checks and for what is read of Compose."""

import secrets
from pathlib import Path

import pytest

from omc_runbook.masking.public_values import find_public
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key
from omc_runbook.model.secretive import is_frontend, is_issued, is_password, is_secret, without_frontend_prefix
from omc_runbook.repository.compose import read_compose

SECRET = (
    *("SECRET_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "FIRST_SUPERUSER_PASSWORD", "SMTP_PASSWORD", "SENTRY_DSN"),
    *("DB_PASS", "MYSQL_PWD", "PGPASSWORD", "REDIS_PASSWD", "SSH_PASSPHRASE", "API_KEYS", "ACCESS_TOKEN", "apiKey"),
    *(
        "SECRET_KEY_2",
        "API_KEY2",
        "SECRETKEYBASE",
        "JWT_SECRET_OLD",
        "AWS_ACCESS_KEY_ID",
        "CLIENT_CREDENTIALS",
        "API_KEY_PER_TENANT",
        "token",
        "PUBLIC_API_KEY",
        "PUBLIC_KEY_SECRET",
    ),
)
PLAIN = (
    *("ACCESS_TOKEN_EXPIRE_MINUTES", "EMAIL_RESET_TOKEN_EXPIRE_HOURS", "JWT_SECRET_ALGORITHM", "PASSWORD_MIN_LENGTH"),
    *(
        "KEYCLOAK_REALM",
        "SECRET_NAME",
        "TOKEN_URL",
        "PASSWORD_FILE",
        "BYPASS",
        "COMPASS_MODE",
        "LOG_LEVEL",
        "SMTP_HOST",
    ),
    *("PROJECT_NAME", "POSTGRES_USER", "LLM_MAX_TOKENS", "llm_max_tokens", "", "_"),
    *("MAX_TOKENS_PER_REQUEST", "TOKENS_PER_MINUTE", "MIN_TOKENS", "NUM_TOKENS", "TOTAL_TOKENS"),
    *("TOKEN_EXPIRE", "TOKEN_EXPIRES", "TOKEN_EXPIRY", "TOKEN_EXPIRATION", "TOKEN_LIFETIME", "TOKEN_TTL"),
    *("PASSWORD_MAX_AGE", "TOKEN_EXPIRE_SECONDS", "PASSWORD_EXPIRE_DAYS", "SECRET_LEN", "SECRET_SIZE", "TOKEN_COUNT"),
    *("TOKEN_LIMIT", "JWT_SECRET_ALG", "CREDENTIAL_TYPE", "API_KEY_PREFIX", "API_KEY_HEADER", "PASSWORD_ENABLED"),
    *("PASSWORD_REQUIRED", "SECRET_ARN", "TOKEN_HOST", "TOKEN_PORT", "TOKEN_URI", "SECRETS_PATH", "SECRETS_DIR"),
    *("DOTENV_PUBLIC_KEY", "JWT_PUBLIC_KEY", "vapidPublicKey", "DOTENV_PUBLIC_KEY_PRODUCTION"),
)


@pytest.mark.parametrize("name", SECRET)
def test_a_secrets_name(name: str) -> None:
    """Whoever masks, checks or reads Compose takes it for a secret's."""
    assert is_secret(name)
    assert find_public([(name, "swordfish"), ("LOG_LEVEL", "swordfish")]) == frozenset()


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_of_something_else(name: str) -> None:
    """A name that only says something about a secret is no secret's."""
    assert not is_secret(name)
    assert find_public([(name, "swordfish")]) == {"swordfish"}


@pytest.mark.parametrize(
    ("name", "issued", "password"),
    [
        *(
            (name, True, True)
            for name in ("DB_PASSWORD", "DB_PASSWD", "SSH_PASSPHRASE", "MYSQL_PWD", "PASS", "DB_PASS")
        ),
        *((name, True, False) for name in ("GITHUB_TOKEN", "API_KEY", "APIKEY", "OAUTH_CLIENT_SECRET")),
        *((name, True, False) for name in ("SECRET_KEY", "AWS_SECRET_ACCESS_KEY")),
        *((name, False, False) for name in ("S3_KEY", "BYPASS", "APP_SECRET", "PASSWORD_FILE")),
    ],
)
def test_what_somebody_issues_or_makes_up(name: str, issued: bool, password: bool) -> None:
    """Another secret's name may be that of a reference to it."""
    assert (is_issued(name), is_password(name)) == (issued, password)


def test_the_catalogue_knows_better() -> None:
    """A key that is generated, or got from somebody, is a secret under any name."""
    assert is_secret("PEPPER", Key(generate="hex-32"))
    assert is_secret("LICENCE", Key(obtain_from="the vendor"))
    assert not is_secret("SMTP_HOST", Key(form="host"))


def test_compose_is_read_the_same_way(tmp_path: Path) -> None:
    """What a compose file writes out under a secret's name is masked, and under another one is not."""
    names = (*(name for name in (*SECRET, *PLAIN) if name.isupper()),)
    literal = secrets.token_hex(12)
    lines = "".join(f"      {name}: {literal}\n" for name in names)
    (tmp_path / "docker-compose.yml").write_text(f"services:\n  app:\n    image: app\n    environment:\n{lines}")
    compose = read_compose(tmp_path)
    assert compose is not None
    settings = compose.services[0].environment
    assert {each.variable for each in settings if isinstance(each.value, Masked)} == {*filter(is_secret, names)}


def test_a_variable_of_a_frontend_s_build() -> None:
    """By the prefixes that Vite, Next.js and their like make public."""
    names = ("VITE_API_KEY", "NEXT_PUBLIC_STRIPE_SECRET", "REACT_APP_TOKEN", "EXPO_PUBLIC_KEY")
    assert all(map(is_frontend, names))
    assert [without_frontend_prefix(name) for name in names] == ["API_KEY", "STRIPE_SECRET", "TOKEN", "KEY"]
    assert all(map(is_frontend, ("NUXT_PUBLIC_KEY", "VUE_APP_KEY", "NG_APP_KEY", "GATSBY_KEY")))
    assert not any(map(is_frontend, ("INVITE_KEY", "VITE_", "PUBLIC_KEY", "NEXT_KEY", "API_KEY")))
