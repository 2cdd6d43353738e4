"""Which plain variables of a task definition are secrets."""

import pytest

from omc_runbook.masking.plain_variables import has_secret, is_public
from omc_runbook.masking.value import Masked

TOKEN = "f3a91c7e52d84b06a1e9c4770b6d2f58ae31c09d"
"""The same in each worker of a test run, which have to call a case alike."""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("STRIPE_API_KEY", f"rk-{TOKEN}"),
        ("POSTGRES_PASSWORD", "hunter2hunter2"),
        ("DB_PASS", "Summer2024"),
        ("DB_PASS", "$Summer2024"),
        ("DB_PASS", "$ECRET2024"),
        ("SITE_KEY_SECRET", TOKEN),
        ("SECRET_KEY", TOKEN),
        ("GITHUB_TOKEN", f"gh-{TOKEN}"),
        ("JWT_SECRET_2", TOKEN),
        ("DATABASE_URL", f"postgresql://app:{TOKEN}@db:5432/app"),
        ("REDIS_URL", f"redis://:{TOKEN}@cache:6379/0"),
        ("BROKER_URL", f"amqp://u:{TOKEN}@one:5672//;amqp://u:{TOKEN}@two:5672//"),
        ("BROKER_URL", f"redis://one:6379/0,redis://:{TOKEN}@two:6379/0"),
        ("REDIS_PASSWD", "hunter2hunter2"),
        ("ADMIN_PWD", "hunter2hunter2"),
        ("SSH_KEY_PASSPHRASE", "hunter2hunter2"),
        ("MAIL_CREDENTIALS", TOKEN),
        ("AWS_SECRET_ACCESS_KEY", f"{TOKEN[:20]}/{TOKEN[20:]}+X"),
    ],
)
def test_a_secret_in_a_plain_variable_is_known(name: str, text: str) -> None:
    """By its name and its form."""
    assert has_secret(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ENVIRONMENT", "staging"),
        ("PROJECT_NAME", "Oh My Coins"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "11520"),
        ("SECRET_NAME", "ohmycoins-staging-app-secrets"),
        ("SECRET_ID", "ohmycoins-staging-app-secrets-v2"),
        ("APP_SECRET", "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbC123"),
        ("KMS_KEY", "arn:aws:kms:ap-southeast-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("KMS_KEY_ID", "1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("S3_KEY", "releases/2024-11-05/build-1234567.tar.gz"),
        ("CACHE_KEY", "user-session-v2"),
        ("TOKEN_AUDIENCE", "ohmycoins-api-2024-production"),
        ("STRIPE_PUBLISHABLE_KEY", f"pk_live_{TOKEN}"),
        ("VITE_SENTRY_TOKEN", TOKEN),
        ("SSH_PUBLIC_KEY", f"ssh-ed25519 {TOKEN}"),
        ("TLS_KEY", "/etc/ssl/private/server-2024.key"),
        ("SECRET_KEY", ""),
        ("SMTP_PASSWORD", ""),
        ("SECRET_KEY", "changethis"),
        ("SMTP_PASSWORD", "your-app-password"),
        ("PASSWORD_HASHER", "argon2id-v19-m65536"),
        ("DATABASE_URL", "postgresql://app@db/app"),
        ("DATABASE_URL", "postgresql://app:password@db/app"),
        ("DATABASE_URL", "postgresql://$POSTGRES_USER:$POSTGRES_PASSWORD@db/app"),
        ("LOKI_PASSWORD", "$GRAFANA_PASSWORD"),
        ("DATABASE_URL", "postgresql://app:$PW@db/app"),
        ("BROKER_URL", "amqp://u:$PW@one:5672//;amqp://u:$PW@two:5672//"),
        ("BROKER_URL", "amqp://one:5672//;amqp://two:5672//"),
        ("API_URL", "https://api.ohmycoins.com/v1?user=a@b.io"),
        ("SENTRY_DSN", f"https://{TOKEN}@o1.ingest.sentry.io/4"),
        ("REQUIRE_PASSWORD", "true"),
        ("FORGOT_PASSWORD", "on"),
        ("com.app.reset-password", "disabled"),
        ("DB_PASS", "$PASSWORD"),
        ("app.kms-key", "7c1f2b3a-0000-4000-8000-123456789abc"),
        ("S3_KMS_KEY", "mrk-1234abcd12ab34cd56ef1234567890ab"),
        ("app.site-key", f"6L-{TOKEN}"),
        *(("REQUIRE_PASSWORD", word) for word in ("false", "None", "NULL", "yes", "no")),
        ("REACT_APP_MAPS_TOKEN", TOKEN),
        ("NEXT_PUBLIC_MAPS_TOKEN", TOKEN),
        ("JWT_PUBLIC_KEY", TOKEN),
        ("RECAPTCHA_SITE_KEY", TOKEN),
        ("SSH_HOST_KEY", TOKEN),
        *(("DB_PASSWORD", path) for path in ("~/db-2024", "./db-2024", "../db-2024", r"C:\db-2024", "vault://db-2024")),
        ("DB_PASSWORD", '{"a": "b-2024"}'),
        # Fluentd's reference to a variable, in an option of the log driver FireLens.
        *(("http_password", text) for text in ("#{ENV['A_PASSWORD']}", "\"#{ENV['A_PASSWORD']}\"")),
    ],
)
def test_an_ordinary_plain_variable_is_no_secret(name: str, text: str) -> None:
    """Settings, references, public keys and placeholders may stand in plain sight."""
    assert not has_secret(name, text)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("STRIPE_PUBLISHABLE_KEY", f"pk_test_{TOKEN}", True),
        ("STRIPE_PUBLISHABLE_KEY", f"sk_test_{TOKEN}", False),
        ("STRIPE_KEY", f"pk_test_{TOKEN}", True),
        ("AWS_ACCESS_KEY_ID", f"AKIA{'Q' * 16}", True),
        ("RECAPTCHA_SITE_KEY", TOKEN, True),
        ("RECAPTCHA_SECRET_KEY", TOKEN, False),
        ("SSH_HOST_KEY", f"-----BEGIN PRIVATE KEY-----\n{TOKEN}", False),
        ("VITE_MAPS_API_KEY", TOKEN, True),
        ("GOOGLE_APPLICATION_CREDENTIALS", "./secrets/service-account.json", True),
        ("GOOGLE_CREDENTIALS", f'{{"private_key": "{TOKEN}"}}', False),
        ("JWT_SECRET", "/run/secrets/jwt_secret", True),
        ("CACHE_KEY", "coins:collector:snapshot", True),
        ("MODEL_KEY", "models/2026/price-forecast.onnx", True),
        ("TOKEN_ISSUER", "https://issuer.test/v2/coins", True),
        ("TOKEN_SCOPES", "openid profile email offline_access", True),
        ("PASSWORD_HASHER", "django.contrib.auth.hashers.Argon2PasswordHasher", True),
        ("JOBS_DSN", f"https://{TOKEN}@jobs.test/1", False),
        ("PASSPHRASE", "collector snapshot forecast 7", False),
        ("SECRET_KEY_BASE", TOKEN, False),
        ("SMTP_PASSWORD", "collector-snapshot-forecast", False),
        ("ENCRYPTION_KEY", TOKEN, False),
        ("WEBHOOK_SECRET", f"/{TOKEN}/{TOKEN}", False),
    ],
)
def test_what_only_is_called_like_a_secret_is_public(name: str, text: str, expected: bool) -> None:
    """Everybody may read it, in a file that git tracks too."""
    assert is_public(name, Masked(text, name)) == expected
