"""Records in S3: tried before the run, sealed, never overwritten, and kept on this machine where that fails."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.outcomes import NOW, an_outcome
from support.records import keep
from support.runs import COMMAND, Desk, caller, client, values
from support.small_world import until

from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.report.archive import kept_records, stems
from omc_runbook.report.archive.bucket import parse
from omc_runbook.report.archive.record import Record
from omc_runbook.report.display.table import Table
from omc_runbook.sandbox.lifecycle import Sandbox

PLACE = "night/ly"


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    return Desk(tmp_path, sandbox)


@pytest.fixture
def bucket(sandbox: Sandbox) -> str:
    """A bucket of its own."""
    name = f"records-{secrets.token_hex(4)}"
    client(sandbox, "s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    return name


def person(desk: Desk, *statements: dict[str, Any]) -> dict[str, str]:
    """The variables of somebody who may do everything but what these statements deny."""
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denied = [{"Effect": "Deny", **each} for each in statements]
    return somebody(desk, {"Version": "2012-10-17", "Statement": [allowed, *denied]})


def somebody(desk: Desk, document: dict[str, Any]) -> dict[str, str]:
    """The variables of somebody with this policy."""
    return caller(desk.sandbox, json.dumps(document))


def run(desk: Desk, address: str, *words: str, **variables: str) -> Any:
    """`omc-runbook run verify` with its record in that place."""
    return desk.call([str(COMMAND), "run", "verify", "--record", address, *words], **variables)


def with_a_key(desk: Desk) -> None:
    """Encrypt the records by a customer managed key, which has an alias."""
    kms = client(desk.sandbox, "kms")
    if not [each for each in kms.list_aliases()["Aliases"] if each["AliasName"] == "alias/records"]:
        kms.create_alias(AliasName="alias/records", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    (desk.work / "runbook.toml").write_text('[records]\nkms_key = "alias/records"\n')


def leftovers(desk: Desk) -> list[str]:
    """What a run left in the working folder and in that for temporary files."""
    return [path.name for folder in (desk.work, desk.root / "tmp") for path in folder.glob("*")]


def test_a_record_is_made_on_this_machine_and_kept_in_s3(desk: Desk, bucket: str, tmp_path: Path) -> None:
    """By the least policy, with the key in runbook.toml; what was downloaded is intact, and what was edited is not."""
    s3 = client(desk.sandbox, "s3")
    with_a_key(desk)
    address = f"s3://{bucket}/{PLACE}"
    least = desk.call([str(COMMAND), "policy", "verify", "--record", address])
    process = run(desk, address, "--summary", **somebody(desk, json.loads(least.stdout)))
    assert process.returncode == 0, process.stdout + process.stderr
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    stem = keys[0].removeprefix(f"{PLACE}/").partition("/")[0]
    names = ["outcome.json", "started.json", f"{stem}.html", f"{stem}.ipynb"]
    assert keys == [f"{PLACE}/{stem}/{name}" for name in names] and stem.startswith("verify-staging-")
    assert f"Record: s3://{bucket}/{keys[2]}" in process.stdout and leftovers(desk) == ["runbook.toml"]
    heads = [s3.head_object(Bucket=bucket, Key=key) for key in keys]
    assert {head["SSEKMSKeyId"] for head in heads} == {"alias/records"}
    assert [head["ContentType"].partition(";")[0] for head in heads] == [
        *("application/json", "application/json", "text/html", "application/x-ipynb+json")
    ]
    for key, name in zip(keys, names, strict=True):
        (tmp_path / name).write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert [each.state for each in kept_records.check(tmp_path)] == ["intact"]
    texts = [(tmp_path / name).read_text() for name in names]
    assert not any(value in text for value in values(desk.sandbox) for text in texts)

    listed = desk.call([str(COMMAND), "records", f"s3://{bucket}/{PLACE}/"])
    assert listed.returncode == 0 and f"The newest: s3://{bucket}/{keys[2]}" in listed.stdout
    assert "verify on staging" in listed.stdout.splitlines()[0] and listed.stdout.splitlines()[0].endswith(" ok")
    checking = [str(COMMAND), "records", "--check", f"s3://{bucket}/{PLACE}"]
    assert desk.call(checking).stdout == f"intact      {stem}\n1 intact.\n"
    s3.put_object(Bucket=bucket, Key=keys[2], Body=b"<p>another page</p>")
    checked = desk.call(checking)
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (1, f"changed     {stem}: {stem}.html")
    blind = person(desk, {"Action": "s3:GetObject", "Resource": "*"})
    checked = desk.call(checking, **blind)
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (2, "unreadable  outcome.json")
    opened = desk.call([str(COMMAND), "records", f"s3://{bucket}", "--open"])
    assert opened.returncode == 3 and "--open and --prune are for a folder" in opened.stderr


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_done(desk: Desk, bucket: str) -> None:
    """The permission is named; nothing was read, and nothing is left."""
    denied = person(desk, {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/{PLACE}/*"})
    process = run(desk, f"s3://{bucket}/{PLACE}", **denied)
    assert (process.returncode, process.stdout) == (2, "")
    assert f"Could not write to s3://{bucket}/{PLACE}: AccessDenied; the permission s3:PutObject" in process.stderr
    assert "Nothing was done." in process.stderr
    process = run(desk, "s3://no-such-bucket/x")
    assert (process.returncode, process.stderr) == (3, "error: There is no bucket no-such-bucket. Nothing was done.\n")
    process = run(desk, "s3://No")
    assert process.returncode == 3 and "A place in S3 is s3://BUCKET or s3://BUCKET/PREFIX" in process.stderr
    assert leftovers(desk) == []


def test_a_run_that_was_refused_is_not_listed_as_under_way(desk: Desk, bucket: str) -> None:
    """It leaves why it ended beside the mark of its beginning; there is nothing in it that could have been changed."""
    address = f"s3://{bucket}/{PLACE}"
    refused = desk.call([str(COMMAND), "run", "restore", "--record", address, "-p", "version", "AWSNOTHING"])
    assert refused.returncode == 3, refused.stderr
    listed = desk.call([str(COMMAND), "records", address])
    (line, *_) = listed.stdout.splitlines()
    assert "restore on staging" in line and "refused or ended before it changed anything" in line
    s3 = client(desk.sandbox, "s3")
    (key,) = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"] if "ended" in each["Key"]]
    assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())["failure"] in refused.stderr
    checked = desk.call([str(COMMAND), "records", "--check", address])
    assert checked.stdout.startswith("no record "), checked.stdout


def test_a_record_that_cannot_be_uploaded_stays_on_this_machine(desk: Desk, bucket: str, tmp_path: Path) -> None:
    """Exit 2 with the sentence and the path; the outcome is as it was, and the place says that a record is missing.

    What reads only exports learns of it too.
    """
    denied = person(desk, {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*/outcome.json"})
    export = tmp_path / "verify.prom"
    process = run(desk, f"s3://{bucket}/{PLACE}", "--quiet", "--export", f"prometheus={export}", **denied)
    assert process.returncode == 2, process.stderr
    assert 'omc_runbook_exit_code{environment="staging",runbook="verify"} 2.0' in export.read_text().splitlines()
    assert f"The record could not be uploaded: Could not write to s3://{bucket}/{PLACE}: AccessDenied" in process.stdout
    (page,) = (desk.root / "tmp").glob("omc-record-*/verify-*.html")
    assert f"Record: {page}" in process.stdout and "verify on staging: ok" in process.stdout
    assert [each.state for each in kept_records.check(page.parent)] == ["intact"]
    assert {path.stat().st_mode & 0o777 for path in page.parent.iterdir()} == {0o600}
    listed = desk.call([str(COMMAND), "records", f"s3://{bucket}/{PLACE}"])
    assert "no record: under way, broken off, or not uploaded" in listed.stdout
    checked = desk.call([str(COMMAND), "records", "--check", f"s3://{bucket}/{PLACE}"])
    assert checked.returncode == 1 and checked.stdout.startswith("missing     ")


def test_a_key_that_may_not_be_used_is_named(desk: Desk, bucket: str) -> None:
    """As S3 names it, before anything is done; and while the run goes on, the record stays on this machine."""
    with_a_key(desk)
    denied = person(desk, {"Action": "kms:GenerateDataKey", "Resource": "*"})
    process = run(desk, f"s3://{bucket}/{PLACE}", **denied)
    assert (process.returncode, process.stdout, leftovers(desk)) == (2, "", ["runbook.toml"])
    assert "AccessDenied; the permission kms:GenerateDataKey is missing" in process.stderr
    assert "Nothing was done." in process.stderr


@pytest.mark.parametrize(
    ("code", "message", "sentence"),
    [
        ("KMS.NotFoundException", "Invalid keyId", "KMS.NotFoundException. Check kms_key in [records] of runbook.toml"),
        ("KMS.DisabledException", "key is disabled", "KMS.DisabledException. Check kms_key in [records]"),
        ("AccessDenied", "Access Denied", "s3:PutObject is missing. Or kms:GenerateDataKey on alias/records is."),
        ("NoSuchBucket", "gone", "There is no bucket records."),
        ("PermanentRedirect", "another region", "PermanentRedirect"),
    ],
)
def test_what_s3_answers_is_told(tmp_path: Path, code: str, message: str, sentence: str) -> None:
    """A key that is gone or disabled, a refusal that says nothing of keys, a bucket that is gone, another region."""

    class Refusing:
        def put_object(self, **_: object) -> None:
            raise ClientError({"Error": {"Code": code, "Message": message}}, "PutObject")

    storage = parse("s3://records/x", Refusing, "alias/records")
    with pytest.raises(RunbookError) as error:
        storage.begin(Record(tmp_path, stems.make("verify", "staging", NOW)), "verify", "staging", NOW)
    assert sentence in str(error.value) and "Nothing was done." in str(error.value)


def test_a_bucket_that_goes_during_a_run_costs_no_record(desk: Desk, bucket: str) -> None:
    """It stays on this machine, with why."""
    storage = parse(f"s3://{bucket}/x", lambda: client(desk.sandbox, "s3"))
    record = storage.begin(Record(desk.work, stems.make("verify", "staging", NOW)), "verify", "staging", NOW)
    local_record = keep(desk.work / "kept", an_outcome(), {})
    s3 = client(desk.sandbox, "s3")
    s3.delete_object(Bucket=bucket, Key=f"x/{record.stem}/started.json")
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(UsageError, match=f"There is no bucket {bucket}"):
        storage.upload(local_record)
    assert [each.state for each in kept_records.check(local_record.page.parent)] == ["intact"]


def test_the_last_run_is_remembered_in_s3(desk: Desk, bucket: str) -> None:
    """By whoever runs next, wherever; a schedule is on time for who lists the records. The printed policy is enough."""
    address = f"s3://{bucket}/{PLACE}"
    with_a_key(desk)
    with (desk.work / "runbook.toml").open("a") as file:
        file.write('[notify]\nunknown = ["env:NOBODY"]\n[[schedules]]\nrunbook = "verify"\ncron = "* * * * *"\n')
    listing = [str(COMMAND), "records", address]
    before = desk.call(listing)
    assert before.returncode == 1 and "OVERDUE  verify on staging: due" in before.stdout
    least = json.loads(desk.call([str(COMMAND), "policy", "verify", "--record", address]).stdout)
    variables = somebody(desk, least) | {"NOBODY": "json://127.0.0.1:9"}
    for _ in range(2):
        process = run(desk, address, "--summary", **variables)
        assert process.returncode == 0 and "Not delivered" not in process.stdout, process.stdout + process.stderr
        assert leftovers(desk) == ["runbook.toml"]
    after = desk.call(listing)
    assert after.returncode == 0 and "on time  verify on staging: the last run ended" in after.stdout
    checked = desk.call([str(COMMAND), "records", "--check", address])
    assert checked.returncode == 0 and checked.stdout.endswith("2 intact.\n")
    blind = {"Version": "2012-10-17", "Statement": [e for e in least["Statement"] if "s3:GetObject" not in e["Action"]]}
    process = run(desk, address, "--summary", **somebody(desk, blind))
    assert f"{address}: All that is open counts as new: its last run is not known" in process.stdout + process.stderr
    assert "s3:GetObject is missing" in process.stdout + process.stderr


def test_fleet_keeps_records(desk: Desk, bucket: str) -> None:
    """The environments' beside its own, with links that work in a copy too; what is not uploaded stays here, named."""
    s3, address = client(desk.sandbox, "s3"), f"s3://{bucket}/{PLACE}"
    (desk.work / "runbook.toml").write_text("[environments.staging]\n")
    process = desk.call([str(COMMAND), "fleet", "--record", address, "--summary"])
    assert process.returncode == 0, process.stdout + process.stderr
    keys = [each["Key"].removeprefix(f"{PLACE}/") for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    pages = {key.partition("-")[0]: key for key in keys if key.endswith(".html")}
    assert sorted(pages) == ["fleet", "verify"]
    # The process that others are forked from ends after the run, and takes its folder with it.
    until(lambda: leftovers(desk) == ["runbook.toml"])
    page = s3.get_object(Bucket=bucket, Key=f"{PLACE}/{pages['fleet']}")["Body"].read().decode()
    assert f'href="../{pages["verify"]}"' in page
    checked = desk.call([str(COMMAND), "records", "--check", address])
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "2 intact.")

    denied = person(desk, {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*/verify-*/outcome.json"})
    process = desk.call([str(COMMAND), "fleet", "--record", address, "--summary"], **denied)
    assert process.returncode == 2, process.stdout
    (own,) = (desk.root / "tmp").glob("omc-record-*/verify-*.html")
    assert "staging: The record could not be uploaded:" in process.stdout and f"It is {own}." in process.stdout
    assert [each.state for each in kept_records.check(own.parent)] == ["intact"]


def test_two_runs_of_one_second_have_names_of_their_own(desk: Desk, bucket: str) -> None:
    """Whoever begins first has the name, and nothing of theirs is overwritten."""
    storage = parse(f"s3://{bucket}/{PLACE}", lambda: client(desk.sandbox, "s3"))
    record = Record(desk.work, stems.make("verify", "staging", NOW))
    records = [storage.begin(record, "verify", "staging", NOW) for _ in range(2)]
    assert [each.stem for each in records] == [record.stem, f"{record.stem}-2"]
    for path, text in ((record.page, "<p>"), (record.notebook, "{}"), (record.outcome, "{}")):
        path.write_text(text)
    assert storage.upload(record) == f"s3://{bucket}/{PLACE}/{record.stem}/{record.page.name}"
    with pytest.raises(CouldNotLook, match="is there already, and is not overwritten"):
        storage.upload(record)
    assert [each.title for each in storage.lines()] == ["verify on staging"] * 2


def test_tables_are_uploaded_with_their_record(desk: Desk, bucket: str) -> None:
    """Before the outcome that seals them, and with their types."""
    s3 = client(desk.sandbox, "s3")
    storage = parse(f"s3://{bucket}/{PLACE}", lambda: s3)
    local_record = keep(desk.work / "kept", an_outcome(), {"ages": Table("t", ["key"], [["SECRET_KEY"]])})
    storage.upload(local_record)
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    types = {
        each["Key"].rpartition("-")[2]: s3.head_object(Bucket=bucket, Key=each["Key"])["ContentType"]
        for each in listed
        if "-ages." in each["Key"]
    }
    assert types == {"ages.csv": "text/csv; charset=utf-8", "ages.json": "application/json"}
    assert [each.state for each in storage.check()] == ["intact"]
