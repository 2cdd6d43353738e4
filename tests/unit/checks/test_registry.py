"""One place for a check: each is registered, can be told from what looks like it, and can be broken."""

import ast
import pkgutil
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

import omc_runbook.checks
from omc_runbook.checks import families, secret
from omc_runbook.checks.check import Check, Family, checks_of, registered
from omc_runbook.checks.families import look_alikes
from omc_runbook.diagnosis.root_causes import EVERY_CHECK
from omc_runbook.sandbox import faults

IDS = Path(__file__).parent / "check_ids.txt"
MODULES = tuple(module.name for module in pkgutil.iter_modules(omc_runbook.checks.__path__))
BREAKABLE = {fault.id for fault in faults.catalogue()}


def name(check: Check) -> str:
    """What a test of a check is called."""
    return f"{check.family}/{check.id}"


def decorated(module: str) -> list[str]:
    """The ids of the functions of a module that a family's decorator stands above."""
    tree = ast.parse((Path(omc_runbook.checks.__path__[0]) / f"{module}.py").read_text())
    names = vars(import_module(f"omc_runbook.checks.{module}"))
    families_of_it = {name for name, value in names.items() if isinstance(value, Family)}
    calls = [
        decorator
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id in families_of_it
    ]
    return [call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)]


@pytest.mark.parametrize("module", MODULES)
def test_every_decorated_function_is_registered_and_diagnosed(module: str) -> None:
    """No check is left out: what a module declares, diagnosis puts, in the order in which it stands there."""
    found = checks_of(import_module(f"omc_runbook.checks.{module}"))
    assert [check.id for check in found] == decorated(module)
    assert not [name(check) for check in found if check not in EVERY_CHECK]


def test_every_family_is_put_once() -> None:
    """The order of the families names each module with checks, and none twice."""
    modules = (*families.ENVIRONMENT, *families.REPOSITORY, *families.AUDIT, *families.MACHINE)
    assert len({*modules}) == len(modules) and all(checks_of(module) for module in modules)
    assert Counter(map(name, registered())) == Counter(map(name, EVERY_CHECK))


def test_what_asks_for_a_check_by_its_id_knows_all() -> None:
    """Also where nothing else has imported the modules of the checks."""
    code = "from omc_runbook.diagnosis import acceptance; assert acceptance.find('no-permission')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ids_never_change() -> None:
    """An id is a contract: none that was in a release is gone."""
    assert not {*IDS.read_text().split()} - {*map(name, EVERY_CHECK)}


def test_an_id_cannot_be_taken_twice() -> None:
    """A second check of the same id is refused where it is declared."""
    first = secret.secret_missing
    again = Family("content")(first.id, needs=first.needs, looks_like=first.looks_like, ruled_out_by="another sign")
    with pytest.raises(ValueError, match="secret-missing"):
        again(first.run)


@pytest.mark.parametrize("check", EVERY_CHECK, ids=name)
def test_all_is_known_of_every_check(check: Check) -> None:
    """It can be broken in the sandbox or says why not, has its like with a sign of its own, and its causes exist."""
    here = [other for other in EVERY_CHECK if (other.family == "local") == (check.family == "local")]
    is_breakable = check.id in BREAKABLE and check.family != "local"
    assert is_breakable is (check.not_in_sandbox == "")
    assert check.title and not check.title.endswith(".") and check.title.isprintable()
    assert look_alikes(check.id, check.family)
    assert [other for other in EVERY_CHECK if other.ruled_out_by == check.ruled_out_by] == [check]
    assert {*check.because_of} <= {other.id for other in here} - {check.id}
    hindering = {other.hinders for other in here}
    assert {*check.hindered_by} <= hindering - {""}
    assert not check.per_subject or check.because_of or check.hindered_by
