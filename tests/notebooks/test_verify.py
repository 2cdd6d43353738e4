"""The verify runbook, run as its users run it, against a sandbox of real processes."""

from __future__ import annotations

import json
import os
from typing import Any

import nbformat
import pytest
from support.runs import COMMAND, ENGINES, PAPERMILL, Desk, assert_nothing_leaked, client, values

from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.sandbox import lifecycle


def test_a_healthy_world_ends_with_0_and_leaves_a_private_record(desk: Desk) -> None:
    """Exit 0, quiet, its files of mode 600, an outcome of the contract's form, and no value anywhere."""
    ended = desk.run("-p", "environment", "staging")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    files = sorted(desk.record.iterdir())
    assert [path.suffix for path in files] == [".html", ".json", ".html", ".ipynb", ".json"]
    assert [path.name for path in files[:2]] == ["index.html", "outcome.json"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    body = desk.outcome()
    assert {key: body[key] for key in ("schema", "runbook", "environment", "account", "status", "root_causes")} == {
        "schema": 1,
        "runbook": "verify",
        "environment": "staging",
        "account": "123456789012",
        "status": "ok",
        "root_causes": [],
    }
    assert_nothing_leaked(desk, values(desk.sandbox))


def test_plain_papermill_passes_on_a_healthy_world(desk: Desk) -> None:
    """Without our engine the notebook runs too, and the kernel's own hook keeps the values out."""
    ended = desk.call([str(PAPERMILL), str(notebooks() / "verify.ipynb"), "out.ipynb", "-p", "environment", "staging"])
    assert ended.returncode == 0
    assert_nothing_leaked(desk, values(desk.sandbox), ended.stdout, ended.stderr)


@pytest.mark.parametrize("engine", [(), ("--engine", "omc-runbook")])
def test_plain_papermill_with_an_unknown_parameter_looks_at_nothing(desk: Desk, engine: tuple[str, ...]) -> None:
    """Papermill itself only warns, and the run would be one of staging that ends well."""
    words = (*engine, "-p", "enviroment", "production")
    ended = desk.call([str(PAPERMILL), str(notebooks() / "verify.ipynb"), "out.ipynb", *words])
    assert ended.returncode == 1
    assert 'no parameter "enviroment": did you mean environment? Nothing was done.' in ended.stderr


def test_plain_papermill_fails_in_the_outcome_cell_when_something_is_wrong(desk: Desk, broken: Any) -> None:
    """A finding is an error in the cell of the outcome, in one sentence that names the root cause."""
    broken("not-forced")
    ended = desk.call([str(PAPERMILL), str(notebooks() / "verify.ipynb"), "out.ipynb", "-p", "environment", "staging"])
    assert ended.returncode != 0
    notebook = nbformat.read(desk.work / "out.ipynb", as_version=4)
    errors = [(c.id, o) for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "error"]
    assert [(cell_id, error.ename) for cell_id, error in errors] == [("outcome", "FindingsRemain")]
    assert "not-forced" in errors[0][1].evalue
    assert_nothing_leaked(desk, values(desk.sandbox), ended.stdout, ended.stderr)


@pytest.mark.parametrize("fault", ["key-missing", "no-permission", "bare-name", "breaker-rollback", "kms-disabled"])
def test_a_fault_ends_with_1_and_is_the_only_root_cause(desk: Desk, broken: Any, fault: str) -> None:
    """Exit 1, the fault named alone, its remedy on the screen, and no value anywhere."""
    before = values(desk.sandbox)
    broken(fault)
    ended = desk.run()
    assert ended.returncode == 1
    assert desk.outcome()["root_causes"] == [fault]
    assert fault in ended.stdout and "Traceback" not in ended.stderr
    assert_nothing_leaked(desk, before, ended.stdout, ended.stderr)


def test_a_role_that_may_not_describe_services_makes_it_unknown(desk: Desk) -> None:
    """Exit 2, status unknown, and the missing permission named on the screen and in the outcome."""
    iam = client(desk.sandbox, "iam")
    iam.create_user(UserName="reader")
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "ecs:DescribeServices", "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="reader", PolicyName="reader", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    ended = desk.run(AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    assert ended.returncode == 2
    assert "ecs:DescribeServices" in ended.stdout
    body = desk.outcome()
    assert body["status"] == "unknown" and body["root_causes"] == []
    unknown = [finding for finding in body["findings"] if finding["status"] == "unknown"]
    assert any("ecs:DescribeServices" in line for finding in unknown for line in finding["evidence"])


BAD_INPUT = {
    "unknown environment": (["-p", "environment", "stagin"], {}, 3, "did you mean staging?"),
    "environment without AWS": (["-p", "environment", "local"], {}, 3, "choose staging or production"),
    "mistyped parameter": (["-p", "environmnt", "staging"], {}, 3, "did you mean environment?"),
    "wrong type": (["-p", "look_inside", "perhaps"], {}, 3, "true or false"),
    "no such file": (["-p", "runbook_toml", "nowhere.toml"], {}, 3, "nowhere.toml is not a file"),
    "no such option": (["--environment", "staging"], {}, 3, "No such option"),
    "no repository": (["-p", "repository", "."], {}, 3, "name a checkout of the platform"),
    "wrong account": ([], {"OMC_ACCOUNT_ID": "999999999999"}, 3, "account 123456789012, but staging is account 9999"),
    "no such cluster": ([], {"OMC_CLUSTER": "ohmycoins-stagin"}, 3, "did you mean ohmycoins-staging?"),
    "no network": ([], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, 2, "cannot be reached"),
    "no credentials": (
        [],
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
        2,
        "No AWS credentials",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_sentence_and_writes_nothing(desk: Desk, case: str) -> None:
    """The contract's exit code, one line on standard error, no traceback, no record."""
    arguments, variables, code, sentence = BAD_INPUT[case]
    ended = desk.run(*arguments, **variables)
    assert ended.returncode == code
    assert sentence in ended.stderr and len(ended.stderr.strip().splitlines()) == 1
    assert not list(desk.work.iterdir())


LIBRARIES = ("hcl2", "markdown_it", "nbconvert", "pydantic", "stack_data", "yaml", "zxcvbn", "omc_runbook")


@ENGINES
def test_nothing_of_the_working_folder_is_imported(desk: Desk, engine: tuple[str, ...]) -> None:
    """Modules there that are called like libraries of ours, and like ourselves, do not run."""
    trace = desk.root / "ran"
    for name in LIBRARIES:
        (desk.work / f"{name}.py").write_text(f"open({str(trace)!r}, 'a').write('{name} ')\nraise OSError\n")
    # A fork has imported all of them.
    ended = desk.start([str(COMMAND), "run", "verify", "--record", str(desk.record), *engine])
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not trace.exists()


def test_a_value_on_the_command_line_is_refused_and_not_repeated(desk: Desk) -> None:
    """A parameter that looks like a secret's value is refused, without the value in the sentence."""
    value = f"sk-{os.urandom(12).hex()}"
    ended = desk.run("-p", "service", value)
    assert ended.returncode == 3
    assert "looks like a secret" in ended.stderr and value not in ended.stderr


def test_a_malformed_runbook_toml_is_told_by_its_place(desk: Desk) -> None:
    """The file beside the working folder is named, with the line that is wrong; nothing is written."""
    (desk.work / "runbook.toml").write_text('[environments.staging]\ncluster = "a\n')
    ended = desk.run()
    assert ended.returncode == 3
    assert "runbook.toml is not valid TOML" in ended.stderr and "line 2" in ended.stderr
    assert not desk.record.exists()


def test_an_expired_token_is_told_as_itself(desk: Desk) -> None:
    """Credentials that AWS calls expired end with 2 and the advice to sign in again."""
    wire = {"action": "sts:GetCallerIdentity", "error": "ExpiredToken", "count": 1}
    lifecycle.ask(desk.sandbox, "POST", "wire", wire)
    ended = desk.run()
    assert (ended.returncode, "expired" in ended.stderr) == (2, True)
    assert not desk.record.exists()


def test_an_exception_in_the_middle_shows_no_value_even_verbosely(desk: Desk) -> None:
    """A cell that fails with revealed values in its frames, under %xmode Verbose, leaves none behind."""
    notebook = nbformat.read(notebooks() / "verify.ipynb", as_version=4)
    source = """
%xmode Verbose
from omc_runbook.masking.value import reveal
texts = [reveal(member.injected) for member in snapshot.current.document.members]
shown = {text: text for text in texts}[max(texts)] / len(texts)"""
    position = next(number for number, cell in enumerate(notebook.cells) if cell.id == "inventory")
    notebook.cells.insert(position + 1, nbformat.v4.new_code_cell(source.strip()))
    nbformat.write(notebook, desk.work / "broken.ipynb")
    ended = desk.call([str(PAPERMILL), "broken.ipynb", "out.ipynb", "--engine", "omc-runbook"])
    assert ended.returncode != 0
    assert "TypeError" in (desk.work / "out.ipynb").read_text()
    assert_nothing_leaked(desk, values(desk.sandbox), ended.stdout, ended.stderr)
