"""Secrets that nobody registered are masked by their shape, and nothing else is."""

import base64
import itertools
import re
import secrets
import string
import time

import pytest

from omc_runbook.masking import registry
from omc_runbook.masking.index import Index
from omc_runbook.masking.shapes import find
from omc_runbook.model import issuers

HEX = secrets.token_hex(16)
BLOCK = base64.encodebytes(secrets.token_bytes(200)).decode()
ACCESS, SECRET = f"AKIA{secrets.token_hex(8).upper()}", base64.b64encode(secrets.token_bytes(30)).decode()
WITHOUT_DIGIT = re.sub(r"\d", "x", SECRET)
TEMPORARY = f"ASIA{ACCESS[4:]}"
WITHOUT_DIGITS = "qZ" + "".join(f"{small}{small.upper()}{small}" for small in string.ascii_lowercase)
TOKENS = (
    *(f"{prefix}{WITHOUT_DIGITS[:36]}" for prefix in ("ghp_", "gho_", "ghs_", "ghu_", "npm_")),
    *(f"{prefix}{WITHOUT_DIGITS[:24]}" for prefix in ("sk_live_", "sk_test_", "rk_live_", "rk_test_")),
    *(f"hf_{WITHOUT_DIGITS[:34]}", f"gsk_{WITHOUT_DIGITS[:52]}", f"whsec_{WITHOUT_DIGITS[:32]}"),
    *(f"glpat-{WITHOUT_DIGITS[:9]}-_{WITHOUT_DIGITS[9:18]}", f"AIza{WITHOUT_DIGITS[:34]}-"),
)
"""Tokens as long as their issuers make them, without a digit."""
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJ{HEX}.{HEX}"


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("postgres://user:", "hunter2", "@host/db"),
        ("postgresql+psycopg://user:", "pa/ss@w", "@host:5432/db?x=1"),
        ("redis://:", HEX, "@cache:6379"),
        ("url=postgres%3A%2F%2Fuser%3A", "hunter2", "%40host"),
        ("url=postgres%3A%2F%2Fuser%3A", HEX * 60, "%40host"),
        ("Authorization: Bearer ", HEX, "\n"),
        ("authorization: basic ", "dXNlcjpodW50ZXIy", ""),
        ("connect failed: password=", "hunter2", " host=db"),
        ("SMTP_PASSWORD: ", "hunter2", ""),
        ('{"dbPassword": "', "hunter two", '"}'),
        ("{&quot;password&quot;: &quot;", "hunter2", "&quot;}"),
        (r"{\"password\":\"", "hunter2", r"\"}"),
        ("SECRET_KEY=", HEX, ""),
        ("{:password => '", "hunter2", "'}"),
        ("POST https://hooks.slack.com/services/", f"T0AAAA1111/B0BBBB2222/{HEX}", " failed"),
        ("https://api/x?access_token=", HEX, "&y=1"),
        ("https://b.s3.amazonaws.com/x?X-Amz-Expires=900&X-Amz-Signature=", HEX + HEX, "&x-id=GetObject"),
        ("X-Amz-Security-Token=", f"IQoJb3JpZ2luX2VjE{HEX}%2F%2F%2F{HEX}%3D%3D", "&X-Amz-Date=20260101T000000Z"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host;x-amz-date, Signature=", HEX + HEX, "'"),
        ("https://x.blob.core.windows.net/y?sv=2024-01-01&sig=", "aB3%2Bd5EfGh7IjKlMnOpQr%3D", "&se=2026"),
        ("Authorization: token ", HEX, "\n"),
        ("authorization: ", HEX, ""),
        ("{'Authorization': 'ApiKey ", HEX, "'}"),
        ("Header Authorization Splunk ", f"176FCEBF-4CF5-4EDF-91BC-{HEX[:12]}", "\n"),
        ("redis-server --requirepass ", "hunter2", " --port 6379"),
        ("mysql --user app --password ", "hunter2", " --host db"),
        ("aws rds modify-db-instance --master-user-password '", "open sesame", "' --apply-immediately"),
        ("docker login --password ", "sesame-open", "\n"),
        ("tool --api-key ", HEX, " --verbose"),
        ("key ", ACCESS, "."),
        (f"{ACCESS[:4]} aws_secret_access_key = ", SECRET, "\n"),
        ("", JWT, " is expired"),
        ("", f"sk-proj-{HEX}", ","),
        ("(", f"SG.{HEX}.{HEX}", ")"),
        ("", f"xoxb-{HEX}", ""),
        ("", f"ghp_{HEX}", ""),
        ("-----BEGIN RSA PRIVATE KEY-----\n", BLOCK.rstrip(), "\n-----END RSA PRIVATE KEY-----"),
        ("-----BEGIN PRIVATE KEY-----\n", BLOCK.rstrip(), ""),
        ("postgres://app:", "p?ssw0rd", "@host"),
        *((f"{name}=", "hunter2", " host=db") for name in ("passwd", "passphrase", "pwd")),
        *((f"tool --{name} ", "hunter2", " app") for name in ("passwd", "passphrase", "pwd", "db-pass")),
        *((f"tool --{name} ", HEX, "") for name in ("auth-token", "client-secret")),
        *((f"GET /x?auth={begin}", HEX, "&y=1") for begin in ("Bearer ", "basic ", "bearer%20", "Basic+")),
        ("https://x/?to=y%3FX-Amz-Signature%3D", HEX + HEX, ""),
        *((f"https://hooks.slack.com/{kind}/", f"T0AAAA1111/{HEX}", "") for kind in ("workflows", "triggers")),
        *((f"{name}key=", HEX, "") for name in ("api", "secret", "access", "private", "ssh-")),
        *((f"{name}token: '", HEX, "'") for name in ("access", "auth", "session", "refresh", "x-")),
        *((f"{name}secret=", HEX, "") for name in ("client", "")),
        ("key ", TEMPORARY, "."),
        ("key ", f"hf_{HEX}{HEX[:8]}", ""),
        (f"{TEMPORARY[:4]} aws_secret_access_key = ", SECRET, "\n"),
        ("-----BEGIN PRIVATE KEY-----\n", f"/path/{BLOCK.rstrip()}", ""),
        ("aws_secret_access_key = ", f"/ab/{SECRET[4:]}", "\n"),
        ("aws_secret_access_key = ", WITHOUT_DIGIT, "\n"),
        ('"SecretAccessKey": "', WITHOUT_DIGIT, '"'),
        ("password=", f"/ab/{SECRET}=", ""),
    ],
    ids=itertools.count(),
)
def test_a_secret_is_masked_by_its_shape(before: str, value: str, after: str) -> None:
    """What is around it stays, and masking again changes nothing."""
    masked = registry.mask(f"{before}{value}{after}")
    assert masked.startswith(f"{before}‹") and masked.rstrip().endswith(f"›{after}".rstrip())
    assert not any(value[at : at + 6] in masked.replace(before, "").replace(after, "") for at in range(len(value) - 5))
    assert registry.mask(masked) == masked


def test_the_secret_of_an_access_key_is_masked_beside_it() -> None:
    """Without any name, as a table has it."""
    for key in (ACCESS, TEMPORARY):
        assert registry.mask(f"{key},{SECRET}") == "‹access-key›,‹secret-access-key›"


def test_the_keys_of_all_providers_are_known() -> None:
    """Whatever name a kind is kept under."""
    begins = [each.value.pattern.removeprefix(r"\A") for each in issuers.KINDS if each.is_distinct and each.is_secret]
    assert len(begins) > 9
    samples = ["sk-ant-", "sk-svcacct-", "whsec_", "sk_live_", "rk_test_", "github_pat_", "gho_", "glpat-", "gldt-"]
    samples += ["xapp-", "AIza", "gsk_", "hf_", "ghs_", "ghu_", "glptt-", "npm_", "pypi-", "dop_v1_", "shpat_", "hvs."]
    for kind in begins:
        assert any(issuers.re.match(kind, f"{sample}{HEX}") for sample in [*samples, "xoxb-", "SG."]), kind
    for sample in samples:
        assert registry.mask(f"<{sample}{HEX}>") == "<‹key›>", sample


@pytest.mark.parametrize("token", TOKENS)
def test_a_whole_token_is_masked_without_a_digit(token: str) -> None:
    """Told by its prefix, its length and its letters."""
    for after in ("", ".", ", and so on", "\n", ".git"):
        assert registry.mask(f"token {token}{after}") == f"token ‹key›{after}"
    assert registry.mask(f"{token}x") == f"{token}x"


def test_a_name_as_long_as_a_token_is_none() -> None:
    """Nor is a row of one letter, which stands for a token."""
    for prefix, length in (("ghp_", 36), ("glpat-", 20), ("hf_", 34), ("AIza", 35), ("sk_live_", 24)):
        for words in ("your-own-token-value-", "Your_Own_Token_Value_", "xxxx", "XXXX", "TOKEN_", "notes_of_"):
            name = f"{prefix}{(words * 36)[:length]}"
            assert registry.mask(name) == name
    for name in ("sk-learn-something-of-mine", "ghp_notes_on_the_pages", "glpat-Words", "npm_Config_Registry"):
        assert registry.mask(name) == name


def test_what_is_no_secret_stays() -> None:
    """Names, ids, ARNs, digests, revisions, placeholders, references and what we say ourselves."""
    for text in (
        "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbC1d2:SECRET_KEY::",
        f"task/ohmycoins-staging/{HEX} of ohmycoins-staging-backend:47, "
        "ClientRequestToken=7c1f2b3a-0000-4000-8000-123456789abc",
        f"image@sha256:{HEX}{HEX}, ecs-svc/1234567890123456789, commit {HEX[:10]}, digest: {HEX}",
        "POSTGRES_PASSWORD=changethis, POSTGRES_PASSWORD: refused, password=‹POSTGRES_PASSWORD›, password=$PASSWORD",
        "postgresql://ROLE:${POSTGRES_PASSWORD}@HOST/DB and postgres://app:‹POSTGRES_PASSWORD›@db and http://h:80/a@b",
        "postgresql://ROLE:DB_LOGIN@HOST/DB",
        "PGPASSWORD=$(aws secretsmanager get-secret-value --secret-id x) psql, PWD=/srv/checkout, secret=True",
        'name = "SECRET_KEY", valueFrom = "${aws_secretsmanager_secret.app.arn}:SECRET_KEY::", secret: ohmycoins-x',
        "SECRET_KEY: str = secrets.token_urlsafe(32); api_key=settings.OPENAI_API_KEY; token: required",
        "a bearer of news, basic authentication, -----BEGIN PRIVATE KEY----- is missing, disk-usage-of-the-machine1",
        "give --password PASSWORD, --password <text> or --password-stdin; the --password option, --password is asked",
        "--secret-id ohmycoins-staging-app-secrets --key SECRET_KEY "
        "--client-request-token 7c1f2b3a-0000-4000-8000-123456789abc",
        "Authorization: required; AuthorizationError: not allowed; signature=valid, sig=none; authorization: denied",
        "authorization Splunk needs, authorization failures2024, encoded authorization failure message: unknown",
        "PGPASSWORD=`cat /run/secrets/db` psql",
        r'{"type": "mask_sequences", "pattern": "password=\\S+", "replace_placeholder": "password=[redacted]"}',
        "const password = process.env.PASSWORD; token = process.env.TOKEN, redis-server --requirepass $PASSWORD",
        "password=None, password: null, password = true, password=False, password: not set, password=required",
        "password: str, password: int = 1, password: bool, password: SecretStr, passwd=../pass.txt, pwd=./a/b",
        "?password=true&x=1, ?pwd=false&x=1, ?pwd=none&x=1, ?pwd=null&x=1, password=not-given, password=required&x=1",
        "password=str|None, password=int|None, password=bool|None, password=SecretStr|None, password=PASSWORD",
        "password=arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbC1d2",
        "password = var.db_login, password=local.login, pwd=data.x.y, pwd=each.value, pwd=module.db.login",
        "pwd=self.login, pwd=settings.login, pwd=os.environ, pwd=secrets.login, pwd=get(x), pwd=a[1]",
        "keeps the execution role from the secret: vpce-85a3e7d4c1b29f06e. Fix that first, secret: sg-1f9e7d3a",
        "secret: pl-85a3e7d4c1b29f06e, secret: pcx-1f9e7d3a85a3e7d4c; secret: eigw-06e85a3e7d4c1b29f",
        "keys SECRET_KEY, OPENAI_API_KEY; key-missing; the key `list-lacks`; https://eu.console.aws.amazon.com/ecs/v2",
    ):
        assert registry.mask(text) == text


def test_a_value_keeps_its_own_name() -> None:
    """Also where what looks like a secret goes on behind it; a public word is no secret anywhere."""
    registry.register("hunter2-hunter2", "SMTP_PASSWORD")
    assert registry.mask("password=hunter2-hunter2x") == "password=‹SMTP_PASSWORD›"
    registry.exempt({"sesame1"})
    assert registry.mask("password=sesame1") == "password=sesame1"


def test_what_has_several_values_is_named_after_the_first_in_the_text() -> None:
    """In whatever order they were registered, and looked for."""
    first, second = secrets.token_hex(8), secrets.token_hex(8)
    registry.register(second, "SECOND")
    registry.register(first, "FIRST")
    assert registry.mask(f"password={first}{second}x") == "password=‹FIRST›"


def test_a_log_with_a_value_in_each_line_takes_as_long_as_its_lines() -> None:
    """Ten times as many lines take less than thirty times the time."""
    value = f"postgresql://app:{secrets.token_hex(8)}@db/app"
    index = Index([(value, "URL")], frozenset())

    def measure(lines: int) -> float:
        rounds = []
        for turn in range(2):
            started = time.process_time()
            assert len(index.find(f"{turn} {value}\n" * lines)) == lines
            rounds.append(time.process_time() - started)
        return min(rounds)

    assert measure(5_000) < 30 * measure(500)


def test_a_letter_whose_small_one_is_two_moves_nothing() -> None:
    """Such as the capital i with a dot of Turkish: what is masked stands behind it."""
    assert registry.mask("\u0130\u0130 PASSWORD=hunter2-hunter2x.") == registry.mask(
        "ii PASSWORD=hunter2-hunter2x."
    ).replace("ii", "\u0130\u0130")


def test_a_secret_access_key_may_begin_as_a_path_does() -> None:
    """Base64 has the slash."""
    value = f"/ab/{SECRET[4:]}"
    assert value not in registry.mask(f"key {ACCESS} aws_secret_access_key = {value}\n")


@pytest.mark.parametrize(
    "mark",
    [
        *("password=", "%3A%2F%2Fa%3A", "basic+", "Bearer%20", "Signature%3d", "sk-", "hvs.", "xoxb-"),
        "-----BEGIN PRIVATE KEY-----AAAAAAAAAAAAAAAA",
    ],
)
def test_marks_within_a_value_are_not_tried_one_after_the_other(mark: str) -> None:
    """A row of them takes milliseconds, and what stands behind them is found as it is alone."""
    text = mark * (20_000 // len(mark))
    started = time.process_time()
    spans = [*find(f"{text} Bearer {HEX}")]
    assert time.process_time() - started < 0.2
    assert any(span.start == len(f"{text} Bearer ") for span in spans)


def test_a_part_of_a_password_that_is_none_hides_no_other() -> None:
    """Of several within the longest part, the last may be a reference."""
    text = f"password={'a1' * 30}password={'b2' * 60}password=$REFERENCE{'c3' * 45}"
    assert {at for span in find(text) for at in range(span.start, span.end)} == {*range(9, 279)}


@pytest.mark.long
def test_looking_for_shapes_takes_milliseconds() -> None:
    """A hundred kilobytes of marks, none of which has a secret behind it."""
    for text in (
        "password: no ",
        "://",
        "AKIA",
        "secret key token ",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "Bearer ",
        "--",
        "--password ",
        "Authorization: a ",
    ):
        text *= 100_000 // len(text)
        started = time.process_time()
        assert registry.mask(text) == text
        assert time.process_time() - started < 0.5, text[:20]
