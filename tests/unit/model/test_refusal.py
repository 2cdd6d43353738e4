"""What AWS's messages of refused calls name, by the texts that AWS documents and sends."""

from __future__ import annotations

import pytest

from omc_runbook.model.refusal import refusals, refused_action

BY = "User: arn:aws:sts::123456789012:assumed-role/deploy/jane@example.com is not authorized to perform: "
SECRET = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbC123"
OF_RDS = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:rds!cluster-0a1b-AbC123"
PARAMETER = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/app/v1.2/KEY"
KEY = "arn:aws:kms:ap-southeast-2:123456789012:key/0a1b2c3d-1111-2222-3333-444455556666"
ROLE = "arn:aws:iam::123456789012:role/team/read+only,a@b"
OBJECT = "arn:aws:s3:::records/verify staging/outcome.json"
GET, DECRYPT, ASSUME, PUT = "secretsmanager:GetSecretValue", "kms:Decrypt", "sts:AssumeRole", "s3:PutObject"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"{BY}{GET} on resource: {SECRET} because no identity-based policy allows the {GET} action", [(GET, SECRET)]),
        (f"{BY}{GET} on resource: {SECRET} with an explicit deny in a resource-based policy", [(GET, SECRET)]),
        (
            f"{BY}{GET} on resource: {SECRET} with an explicit deny in a service control policy:"
            " arn:aws:organizations::123456789012:policy/o-1/service_control_policy/p-1",
            [(GET, SECRET)],
        ),
        (f"{BY}{GET} on resource: {OF_RDS}.", [(GET, OF_RDS)]),
        (f"AccessDeniedException: {BY}{GET} on resource: {SECRET}: status code: 400", [(GET, SECRET)]),
        (f'{{"message": "{BY}{GET} on resource: {SECRET}"}}', [(GET, SECRET)]),
        (f"{BY}ssm:GetParameters on resource: {PARAMETER}", [("ssm:GetParameters", PARAMETER)]),
        (f"{BY}{DECRYPT} on resource: {KEY} because no identity-based policy allows the action", [(DECRYPT, KEY)]),
        (f"{BY}{DECRYPT} on resource: * because no identity-based policy allows the action", [(DECRYPT, "*")]),
        (f"{BY}{DECRYPT} on the resource associated with this ciphertext because the resource", [(DECRYPT, "")]),
        ("Access to KMS is not allowed", []),
        (f"{BY}{ASSUME} on resource: {ROLE}", [(ASSUME, ROLE)]),
        (f'{BY}{PUT} on resource: "{OBJECT}" because no identity-based policy allows the action', [(PUT, OBJECT)]),
        (rf"{BY}{PUT} on resource: \"{OBJECT}\" because no identity-based policy allows it", [(PUT, OBJECT)]),
        (f"{BY}iam:GetRolePolicy on resource: role deploy because no", [("iam:GetRolePolicy", "role")]),
        (f"{BY}ecs:ListServices because no identity-based policy allows the action", [("ecs:ListServices", "")]),
        (
            "You are not authorized to perform this operation. Encoded authorization failure message: 4Rvp-EXAMPLE",
            [],
        ),
        (
            f"{BY}ec2:DescribeSubnets because no identity-based policy allows the ec2:DescribeSubnets action. Encoded"
            " authorization failure message: 4Rvp-EXAMPLE",
            [("ec2:DescribeSubnets", "")],
        ),
        (f"{BY}sso-directory:DescribeUser on resource: {ROLE}", [("sso-directory:DescribeUser", ROLE)]),
        (f"{BY}{DECRYPT} on resource: {KEY}. {BY}{GET} on resource: {SECRET}.", [(DECRYPT, KEY), (GET, SECRET)]),
        (f"{BY}{DECRYPT} because no. {BY}{GET} on resource: {SECRET}", [(DECRYPT, ""), (GET, SECRET)]),
        (f"no such permission on resource: {SECRET}, ({BY}{GET} on resource: {SECRET})", [("", SECRET), (GET, SECRET)]),
        (f"`ClientError('{BY}{GET} on resource: {SECRET}')`", [(GET, SECRET)]),
        ("Access Denied", []),
    ],
)
def test_a_refusal_names_its_action_and_its_resource(message: str, expected: list[tuple[str, str]]) -> None:
    """Whatever stands after the ARN; a service that names none has none."""
    assert refusals(message) == expected
    assert refused_action(message) == next((action for action, _ in expected if action), "")
