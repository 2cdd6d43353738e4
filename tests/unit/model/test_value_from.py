"""The grammar of valueFrom, as ECS reads it."""

import itertools
import secrets

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omc_runbook.model.value_from import is_short_version, parse, split_suffix

ACCOUNT = "123456789012"
NAME = "ohmycoins-staging-app-secrets-AbC123"
ARN = f"arn:aws:secretsmanager:ap-southeast-2:{ACCOUNT}:secret:{NAME}"
VERSION = secrets.token_hex(16)


def test_a_full_reference_is_taken_apart() -> None:
    """Each field of the longest form has its name."""
    ref = parse(f"{ARN}:SECRET_KEY:AWSPREVIOUS:{VERSION}")
    assert (ref.kind, ref.partition, ref.region, ref.account) == (
        "secretsmanager",
        "aws",
        "ap-southeast-2",
        ACCOUNT,
    )
    assert (ref.secret_name, ref.key, ref.stage, ref.version_id) == (NAME, "SECRET_KEY", "AWSPREVIOUS", VERSION)
    assert ref.secret_arn == ARN
    assert ref.problem == ""


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc"])
def test_every_partition_is_known(partition: str) -> None:
    """An ARN outside the first partition is a Secrets Manager ARN all the same."""
    ref = parse(ARN.replace("arn:aws:", f"arn:{partition}:") + ":KEY::")
    assert (ref.kind, ref.partition, ref.key, ref.problem) == ("secretsmanager", partition, "KEY", "")
    assert ref.secret_arn.startswith(f"arn:{partition}:secretsmanager:")


@pytest.mark.parametrize("name", ["rds!cluster-1a2b-AbC123", "events!connection/api/1a2b-AbC123", "a_b+c=d.e@f-AbC123"])
def test_a_name_with_signs_is_one(name: str) -> None:
    """Secrets Manager accepts these signs, and "!" in the names that other services of AWS give."""
    assert parse(f"{ARN.removesuffix(NAME)}{name}:password::").problem == ""


@pytest.mark.parametrize(
    ("end", "fields", "pinned"),
    [
        ("", ("", "", ""), False),
        (":::", ("", "", ""), False),
        (":KEY::", ("KEY", "", ""), False),
        (":KEY:AWSCURRENT:", ("KEY", "AWSCURRENT", ""), False),
        (":KEY:AWSPREVIOUS:", ("KEY", "AWSPREVIOUS", ""), True),
        (f":KEY::{VERSION}", ("KEY", "", VERSION), True),
        (f"::AWSCURRENT:{VERSION}", ("", "AWSCURRENT", VERSION), True),
        (":omc-CryptoPanic-testkey::", ("omc-CryptoPanic-testkey", "", ""), False),
        (":a key/with=odd@signs::", ("a key/with=odd@signs", "", ""), False),
    ],
    ids=itertools.count(),
)
def test_the_last_three_fields_may_be_empty(end: str, fields: tuple[str, str, str], pinned: bool) -> None:
    """Empty means the whole string, the current stage and no fixed version."""
    ref = parse(ARN + end)
    assert (ref.key, ref.stage, ref.version_id) == fields
    assert ref.names_version is pinned
    assert ref.problem == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{ARN}:KEY", "8 colon-separated fields"),
        (f"{ARN}:KEY:", "9 colon-separated fields"),
        (f"{ARN}:KEY:::", "11 colon-separated fields"),
        (ARN.removesuffix(f":{NAME}"), "6 colon-separated fields"),
        (ARN.removesuffix(NAME) + ":KEY::", "it names no secret"),
        (ARN.replace(":secret:", ":sekret:"), "it names no secret"),
        (ARN.replace("ap-southeast-2", "") + ":KEY::", "it has no region"),
        (ARN.replace(ACCOUNT, "") + ":KEY::", "it has no account id"),
        (f"{ARN}:KEY::{'a' * 65}", "65 characters"),
        (f"{ARN}#KEY", "the secret's name has # in it"),
        ("arn:aws:kms:ap-southeast-2:123456789012:key/1234abcd", "an ARN of kms"),
        ("arn:aws:s3:::omc-staging/app.env", "an ARN of s3"),
        ("https://console.aws.amazon.com/secretsmanager/secret?name=omc", "a page's address"),
        ("", "empty"),
        (f"{ARN.upper()}:KEY::", "begins with arn:PARTITION:secretsmanager:"),
        (f"{ARN.replace('arn', 'Arn', 1).replace(':secret:', ':Secret:')}:KEY::", "begins with arn:PARTITION:"),
        (":KEY::", "nothing stands where the secret's ARN belongs"),
        ("None:KEY::", "None stands where"),
        ("NULL:KEY::", "NULL stands where"),
        ("undefined:KEY::", "undefined stands where"),
        (f"arn:aws:ssm:ap_southeast_2:{ACCOUNT}:parameter/level", "no whole ARN of an SSM parameter"),
        (f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/level ", "no whole ARN of an SSM parameter"),
        ("arn:aws:ssm:ap-southeast-2:1234:parameter/level", "no whole ARN of an SSM parameter"),
        ("arn:aws:ssm:ap-southeast-2::parameter/level", "no whole ARN of an SSM parameter"),
    ],
)
def test_a_malformed_reference_says_what_is_wrong(text: str, reason: str) -> None:
    """What does not follow the grammar has a problem, and is taken apart as far as it goes."""
    assert reason in parse(text).problem


@pytest.mark.parametrize(
    "text",
    [
        "ohmycoins-staging-app-secrets",
        "/ohmycoins/staging/SECRET_KEY",
        f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/ohmycoins/SECRET_KEY",
        f"arn:aws-cn:ssm:cn-north-1:{ACCOUNT}:parameter/SECRET_KEY",
        f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/ohmycoins/SECRET_KEY:3",
        f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/aws/reference/secretsmanager/shared/db_1+=.@-",
        "arn:aws:ssm:ap-southeast-2::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        *("SECRET_KEY", "Nonesuch:3", "nil/None", "None", "None:3"),
        "arn:aws:secretsmanager",
    ],
)
def test_anything_else_is_an_ssm_parameter(text: str) -> None:
    """ECS asks SSM for a text that is no Secrets Manager ARN."""
    ref = parse(text)
    assert (ref.kind, ref.text, ref.secret_arn, ref.problem) == ("ssm", text, "", "")
    assert ref.source == text and not ref.names_version


field = st.text(alphabet=st.characters(exclude_characters=":\n", codec="utf-8"), max_size=12)


@given(st.one_of(st.text(), st.lists(field, max_size=12).map(lambda fields: f"arn:aws:{':'.join(fields)}")))
@example("arn:aws:secretsmanager:::")
@example(ARN + "\n")
def test_parsing_never_fails(text: str) -> None:
    """Whatever stands in a task definition, the text is kept and has a kind."""
    ref = parse(text)
    assert ref.text == text
    assert ref.kind in ("secretsmanager", "ssm")


@given(st.tuples(field, field, field), st.sampled_from(["aws", "aws-cn", "aws-us-gov"]))
def test_fields_come_back_as_written(fields: tuple[str, str, str], partition: str) -> None:
    """The parts of a well-formed reference make its text again."""
    ref = parse(f"arn:{partition}:secretsmanager:eu-west-1:{ACCOUNT}:secret:{NAME}:{':'.join(fields)}")
    assert f"{ref.secret_arn}:{ref.key}:{ref.stage}:{ref.version_id}" == ref.text


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (NAME, ("ohmycoins-staging-app-secrets", "AbC123")),
        ("app-AbC123-XyZ789", ("app-AbC123", "XyZ789")),
        ("ohmycoins-staging-app", ("ohmycoins-staging-app", "")),
        ("ohmycoins-staging-app-AbC12", ("ohmycoins-staging-app-AbC12", "")),
        ("-AbC123", ("-AbC123", "")),
    ],
)
def test_the_suffix_is_six_letters_or_digits(name: str, parts: tuple[str, str]) -> None:
    """A name's last six characters behind a dash are AWS's own."""
    assert split_suffix(name) == parts


@pytest.mark.parametrize(("length", "short"), [(0, False), (1, True), (31, True), (32, False), (64, False)])
def test_a_version_id_has_32_characters_at_least(length: int, short: bool) -> None:
    """No version id, and one of 32 characters, is not too short."""
    assert is_short_version("a" * length) is short
