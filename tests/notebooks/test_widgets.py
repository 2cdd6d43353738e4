"""The button that does what `apply = True` does, pressed in a real kernel as JupyterLab presses it."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from dotenv import dotenv_values
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from support.platform_checkout import make_platform
from support.runs import SECRET, client, sign_in
from support.snapshots import NOW
from support.steps import SteppedChange

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.model.environment import load
from omc_runbook.model.errors import Interrupted
from omc_runbook.report.archive.state import StateFile
from omc_runbook.report.display.listing import Listing
from omc_runbook.runbooks import button, fix
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.form import INTERRUPTED, OUTDATED
from omc_runbook.runbooks.run import Run, Target
from omc_runbook.sandbox.faults import break_
from omc_runbook.sandbox.lifecycle import Sandbox

pytest.importorskip("ipywidgets", reason="needs ipywidgets to make a button")

CANARY = secrets.token_urlsafe(24)
START = """
import os
import ipywidgets
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.model.errors import UsageError
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.progress import Progress
from omc_runbook.runbooks.button import Button, Choice
text = reveal(Masked(os.environ["OMC_TEST_CANARY"], "CANARY"))
words = []
def roll(word):
    words.append(word)
    yield Banner("good", "It begins.")
    progress = Progress()
    for running in range(3):
        progress([Rollout("backend", "ecs-svc/1", "family:7", "rolling", 2, running)], [f"17:20:0{running} event"])
    yield Banner("good", "It ends.")
    return "✓ Rolled out"
def fail_once(word):
    words.append(word)
    yield Banner("good", f"Try {len(words)}.")
    if len(words) == 1:
        raise UsageError("Nothing comes of it: <b>try</b> again.")
    return "" if len(words) == 2 else "✓ At last"
def break_off(word):
    yield Banner("good", "It begins.")
    raise ZeroDivisionError(f"by {text}")
def tell(word):
    print(text)
    yield Banner("good", f"The value is {text}.")
    raise UsageError(f"The value was {text}.")
def label(word):
    yield Banner("good", "It begins.")
    return text
"""

FORM = """
from dataclasses import replace
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.pickers import Picker
environments = Picker("environment", "staging", {"production": "production", "staging": "staging"})
labels = {"SECRET_KEY": "SECRET_KEY", "DSN": "DSN · 201 days, due"}
keys = Picker("keys", "SECRET_KEY, OWN", labels, is_list=True)
shown = form()
shown
"""
AT_REST = """
import threading
for thread in threading.enumerate():
    if thread.name == "runbook":
        thread.join(60)
"""
APPLIED = """
from datetime import UTC, datetime
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.model.change import Change
from omc_runbook.model.environment import load
from omc_runbook.runbooks.closing import Closing
from omc_runbook.runbooks.run import Run, Target
class Plan:
    sentences = ("SECRET_KEY would change.",)
    blockers = notes = ()
target = Target(load("staging"), Clients("ap-southeast-2"), Caller("1", "arn"))
run = Run(runbook="rotate", started=datetime.now(UTC), targets=(target,))
def displays(apply, confirm, live):
    words.append(apply)
    context = target.context(live=live)
    context.announce("move")
    context.tell(Change(key="SECRET_KEY", action="changed", version="v"))
    context.announce("watch")
    try:
        context.clock.sleep(30)
    except KeyboardInterrupt:
        yield "result", Banner("bad", "It was stopped.")
    yield "answer", Banner("good", "This is so.")
    return "✓ Stopped"
closing = Closing(run, Plan(), "Write it", displays, True, "", False)
closing.show("result")
"""
LEFT = """
from datetime import UTC, datetime
from pathlib import Path
from omc_runbook.report.archive.state import ChangeState, StateFile
from omc_runbook.runbooks.button import Panel
names = {"environment": "staging", "account": "1", "region": "", "endpoint": ""}
state = ChangeState(runbook="rotate", started=datetime.now(UTC), steps=("watch",), **names)
file = StateFile(Path.cwd() / "rotate-staging-1.state.json")
file.write(state)
Panel(file, state, lambda each: Banner("bad", "It was not finished."), lambda each: [Choice("Take it back", roll)], "")
"""
BROKEN = """
from datetime import UTC, datetime
from pathlib import Path
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.report.archive.state import ChangeState, StateFile
from omc_runbook.runbooks.live_change import LiveChange
live = LiveChange()
def begin(word):
    names = {"environment": "staging", "account": "1", "region": "", "endpoint": ""}
    state = ChangeState(runbook="rotate", started=datetime.now(UTC), **names)
    live.restart(state, StateFile(Path.cwd() / "rotate-staging-2.state.json"), is_watched=False)
    live.announce("move")
    live.tell(Change(key="SECRET_KEY", action="changed", version="v"))
    yield Banner("good", "It begins.")
    error = CouldNotLook("AWS is gone.")
    live.fail(error)
    raise error
def refuse(word):
    yield Banner("good", "It looks.")
    raise UsageError("Somebody else has changed the secret.")
after = lambda state: [Choice("Take it back", roll), Choice("Finish it", refuse)]
button = Button([Choice("Write it", begin, live, after)], "")
button
"""
READ = """
import threading, time, types
from omc_runbook.aws.session import Clients
from omc_runbook.report.display import reading
has_shown = threading.Event()
class Progress(reading.ReadProgress):
    def to_html(self):
        has_shown.set()
        return super().to_html()
reading.SECONDS, reading.time = 0.05, types.SimpleNamespace(monotonic=lambda: 0.0)
with reading.follow(Progress(Clients("ap-southeast-2").calls, "staging")):
    has_shown.wait(60)
reading.SECONDS, reading.time = 0.5, time
"""
ANSWER = """
from datetime import UTC, datetime
from omc_runbook.model.findings import Finding, Outcome, Remedy
from omc_runbook.report.answer import Answer
from omc_runbook.report.display.banner import Banner
from omc_runbook.runbooks.final_answer import FinalAnswer
environment, keys, keep_source, apply, confirm = "production", "SECRET_KEY", False, False, ""
runbook_toml = values_from = remove = ""
remedy = Remedy("true", "rotate", {"environment": "staging", "keys": "SECRET_KEY"})
finding = Finding(check="weak-value", family="content", title="It is weak", status="found", remedy=remedy)
names = dict(runbook="update", environment="production", account="", region="", endpoint="")
now = datetime.now(UTC)
outcome = Outcome(**names, started=now, finished=now, findings=(finding,), plan=("It would change.",))
FinalAnswer(Answer(Banner("bad", "It is weak."), outcome=outcome, policy="{a policy}"))
"""


class Lab:
    """A kernel, and the widgets and displays of it as a front end with somebody before it has them."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.all_messages: list[dict[str, Any]] = []
        self.states: dict[str, dict[str, Any]] = {}
        self.displays: dict[str, dict[str, str]] = {}

    def run(self, code: str) -> Any:
        """Execute a cell and return the reply."""
        return self._hear(self.client.execute(code, allow_stdin=True), "execute_reply")

    def press(self, *buttons: str) -> None:
        """Press buttons, one right after the other."""
        message_ids = [self._send(button, {"method": "custom", "content": {"event": "click"}}) for button in buttons]
        for message_id in message_ids:
            self._hear(message_id)
        while any("Working …" in self.look(button) for row in self.rows for button in row if button in self.buttons):
            self._take(self.client.get_iopub_msg(timeout=60))
        # What it shows last comes before the next answer.
        assert self.run(AT_REST)["status"] == "ok"

    def await_button(self, label: str) -> None:
        """Take in messages until there is a button with a label."""
        while label not in {self.look(button)[0] for button in self.buttons}:
            self._take(self.client.get_iopub_msg(timeout=30))

    def type(self, text: str) -> None:
        """Type into the one text field."""
        (field,) = self.models("TextModel")
        assert not self.states[field]["disabled"]
        self._hear(self._send(field, {"method": "update", "state": {"value": text}}))

    def choose(self, widget: str, value: object, trait: str = "value") -> None:
        """Tick a box, or choose in a list."""
        self.states[widget][trait] = value
        self._hear(self._send(widget, {"method": "update", "state": {trait: value}}))

    @property
    def browser_requests(self) -> list[dict[str, Any]]:
        """The requests to the browser."""
        payloads = [content["data"] for content in self.contents("comm_msg")]
        return [data["content"] for data in payloads if data.get("method") == "custom"]

    def value(self, code: str) -> str:
        """A text that an expression gives in the kernel."""
        earlier = len(self.contents("stream"))
        self.run(f"print({code})")
        # A busy kernel sends a line in pieces.
        return "".join(piece["text"] for piece in self.contents("stream")[earlier:]).strip()

    def models(self, name: str) -> list[str]:
        """Ids of the widgets of a kind, in the order in which they were made."""
        return [comm for comm, state in self.states.items() if state.get("_model_name") == name]

    @property
    def buttons(self) -> list[str]:
        return self.models("ButtonModel")

    def button(self, label: str) -> str:
        """The id of the one button with a label."""
        (button_id,) = (button for button in self.buttons if self.look(button)[0] == label)
        return button_id

    @property
    def row(self) -> list[str]:
        """Ids of the widgets that stand in the newest row."""
        return self.rows[-1]

    @property
    def rows(self) -> list[list[str]]:
        """Ids of the widgets in each row."""
        rows = [self.states[row]["children"] for row in self.models("HBoxModel")]
        return [[child.removeprefix("IPY_MODEL_") for child in row] for row in rows]

    @property
    def area(self) -> dict[str, str]:
        """What stands under the button, by its kind."""
        return list(self.displays.values())[-1]

    @property
    def html(self) -> str:
        """The HTML of all widgets."""
        return "\n".join(str(self.states[each].get("value", "")) for each in self.models("HTMLModel"))

    @property
    def page(self) -> str:
        """The text of everything that can change, as it is now."""
        return "\n".join(display.get("text/plain", "") for display in self.displays.values())

    def is_button(self, widget: str, label: str) -> bool:
        """Whether a widget is a button with a label."""
        return widget in self.buttons and self.look(widget)[0] == label

    def look(self, button: str) -> tuple[str, bool]:
        """What a button says, and whether it can be pressed."""
        return self.states[button]["description"], not self.states[button]["disabled"]

    def _send(self, comm: str, data: dict[str, Any]) -> str:
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def _hear(self, message_id: str, reply: str = "") -> Any:
        """Take in what comes of a message until the kernel is done with it."""
        while True:
            message = self.client.get_iopub_msg(timeout=30)
            self._take(message)
            content = message["content"]
            is_its = message["parent_header"].get("msg_id") == message_id
            if is_its and message["msg_type"] == "status" and content["execution_state"] == "idle":
                return self._reply_to(message_id) if reply else None

    def _reply_to(self, message_id: str) -> Any:
        """The reply to a message, after those to others that nobody has taken."""
        while True:
            answer = self.client.get_shell_msg(timeout=30)
            if answer["parent_header"].get("msg_id") == message_id:
                return answer["content"]

    def _take(self, message: dict[str, Any]) -> None:
        """Take in one message."""
        self.all_messages.append(message)
        content = message["content"]
        if message["msg_type"] == "comm_open":
            self.states[content["comm_id"]] = dict(content["data"]["state"])
        elif message["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
            self.states[content["comm_id"]] |= content["data"]["state"]
        elif message["msg_type"] in ("display_data", "update_display_data") and content["transient"]:
            self.displays[content["transient"]["display_id"]] = content["data"]

    def contents(self, kind: str) -> list[dict[str, Any]]:
        """The contents of all messages of a kind."""
        return [message["content"] for message in self.all_messages if message["msg_type"] == kind]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, forked_kernels: None) -> Iterator[BlockingKernelClient]:
    """One kernel for all tests, with its terminal and its history in a folder."""
    folder = tmp_path_factory.mktemp("kernel")
    # A Jupyter server names the notebook.
    variables = {"OMC_TEST_CANARY": CANARY, "IPYTHONDIR": str(folder), "JPY_SESSION_NAME": "a.ipynb"}
    manager = KernelManager()
    with (folder / "terminal").open("wb") as log:
        manager.start_kernel(env=dict(os.environ) | variables, cwd=str(folder), stdout=log, stderr=log)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def lab(kernel: BlockingKernelClient) -> Lab:
    """The kernel, with nothing made or done in it yet."""
    lab = Lab(kernel)
    assert lab.run(START)["status"] == "ok"
    return lab


def test_a_press_acts_once_and_shows_what_comes_of_it(lab: Lab) -> None:
    """One display holds all of it, with progress in its place; two presses in a row are one, and then it is done."""
    lab.run("Button([Choice('Roll out', roll)], '')")
    (button,) = lab.buttons
    assert lab.look(button) == ("Roll out", True) and lab.row == [button]
    assert lab.area["text/plain"] == "Nothing was done yet."
    lab.press(button, button)
    assert lab.look(button) == ("✓ Rolled out", False) and lab.buttons == [button]
    for text in (lab.area["text/plain"], re.sub(r"<[^>]+>", " ", lab.area["text/html"])):
        words = re.findall(r"It begins|\d of 2 tasks|event|It ends", text)
        assert words == ["It begins", "2 of 2 tasks", "event", "event", "event", "It ends"]
    assert len(lab.contents("display_data")) == 2
    assert lab.run("assert words == ['']")["status"] == "ok"


def test_it_can_be_seen_to_work(lab: Lab) -> None:
    """It cannot be pressed from the beginning of its work on, and what it shows comes while it works."""
    lab.run("Button([Choice('Roll out', roll)], '')")
    lab.press(*lab.buttons)
    updates = [content["data"]["state"] for content in lab.contents("comm_msg")]
    assert [state["disabled"] for state in updates if "disabled" in state] == [True]
    assert [state["description"] for state in updates if "description" in state] == ["Working …", "✓ Rolled out"]
    shares = [
        re.findall(r"\d of 2 tasks", content["data"]["text/plain"]) for content in lab.contents("update_display_data")
    ]
    assert [share for share in shares if share] == [["0 of 2 tasks"], ["1 of 2 tasks"], *[["2 of 2 tasks"]] * 2]


def test_after_an_error_of_ours_it_can_be_pressed_again(lab: Lab) -> None:
    """The error is its sentence in a banner; there is a new button, and one press of it is one more try."""
    lab.run("Button([Choice('Try it', fail_once)], '')")
    first = lab.buttons[0]
    lab.press(first, first)
    assert "✗ Nothing comes of it: <b>try</b> again." in lab.area["text/plain"]
    assert "&lt;b&gt;try" in lab.area["text/html"] and "Try 1." in lab.area["text/plain"]
    assert not lab.contents("error")
    _, second = lab.buttons
    assert lab.row == [second] and lab.look(second) == ("Try it", True)
    lab.press(second)
    assert "Nothing comes of it" not in lab.area["text/plain"] and "Try 2." in lab.area["text/plain"]
    third = lab.buttons[-1]
    assert third != second and lab.row == [third]
    lab.press(third)
    assert lab.look(third) == ("✓ At last", False)


def test_in_production_the_word_has_to_be_typed(lab: Lab) -> None:
    """Without it nothing is done; with it, white space around it or not, the act gets it."""
    lab.run("Button([Choice('Roll out', roll)], 'production')")
    lab.press(*lab.buttons)
    lab.type("staging")
    lab.press(lab.buttons[-1])
    assert "type production beside the button" in lab.area["text/plain"]
    assert lab.run("assert words == []")["status"] == "ok"
    lab.type(" production ")
    lab.press(lab.buttons[-1])
    assert lab.look(lab.buttons[-1]) == ("✓ Rolled out", False)
    assert lab.run("assert words == ['production']")["status"] == "ok"


def test_any_other_error_is_not_caught(lab: Lab) -> None:
    """It goes where errors go; the page says that it broke off, and the button is there again."""
    lab.run("Button([Choice('Roll out', break_off)], '')")
    lab.press(*lab.buttons)
    assert [content["ename"] for content in lab.contents("error")] == ["ZeroDivisionError"]
    assert "It begins." in lab.area["text/plain"]
    assert "✗ Interrupted (ZeroDivisionError): run verify" in lab.area["text/plain"]
    assert lab.look(lab.buttons[-1]) == ("Roll out", True)
    assert_masked(lab)


@pytest.mark.parametrize("act", ["tell", "label"])
def test_no_value_gets_out_of_a_button(lab: Lab, act: str) -> None:
    """Shown, printed, in an error or in the button's own words, a value is its name."""
    lab.run(f"Button([Choice('Tell', {act})], '')")
    lab.press(*lab.buttons)
    assert "‹CANARY›" in json.dumps([lab.states, lab.displays], ensure_ascii=False)
    assert_masked(lab)


def test_no_value_is_in_the_state_of_a_widget(lab: Lab) -> None:
    """The state of widgets is masked from the first one on, and so is what an Output widget captures."""
    lab.run(
        "field = ipywidgets.Text(text); out = ipywidgets.Output(); out.append_stdout(text); field.placeholder = text"
    )
    (field,), (out,) = lab.models("TextModel"), lab.models("OutputModel")
    assert lab.states[field]["value"] == lab.states[field]["placeholder"] == "‹CANARY›"
    assert lab.states[out]["outputs"][0]["text"] == "‹CANARY›"
    assert_masked(lab)


def assert_masked(lab: Lab) -> None:
    """Nothing that the kernel has sent holds five characters of the canary in a row."""
    text = json.dumps([message["content"] for message in lab.all_messages], ensure_ascii=False)
    assert [CANARY[at : at + 5] for at in range(len(CANARY) - 4) if CANARY[at : at + 5] in text] == []


def a_run(environment: str) -> Run:
    """A run that calls nothing."""
    target = Target(load(environment), Clients("ap-southeast-2"), Caller("123456789012", "arn"))
    return Run(runbook="update", started=NOW, targets=(target,))


def nothing(word: str) -> Generator[object, None, str]:
    yield word
    return word


@pytest.mark.parametrize(
    ("is_done", "is_empty", "is_watched", "has_widgets", "reason"),
    [
        (True, False, True, True, "The plan was applied above."),
        (False, True, True, True, "There is nothing to do."),
        (False, False, False, True, "Set apply = True above to do it, or open this notebook in JupyterLab"),
        (False, False, True, False, "Set apply = True above to do it; a button needs ipywidgets"),
    ],
)
def test_where_there_is_no_button_a_sentence_says_why(
    monkeypatch: pytest.MonkeyPatch, is_done: bool, is_empty: bool, is_watched: bool, has_widgets: bool, reason: str
) -> None:
    """Done already, nothing to do, nobody there to press it, or no library to make it."""
    monkeypatch.setattr(button, "shows_widgets", lambda: is_watched)
    monkeypatch.setattr(button, "find_spec", lambda name: has_widgets or None)
    offered = button.offer(a_run("staging"), button.Choice("Write", nothing), is_done, is_empty)
    assert isinstance(offered, Listing) and reason in offered.to_text()


def test_update_is_written_by_its_button(lab: Lab, sandbox: Sandbox) -> None:
    """The notebook's own cells, run dry: the button writes what the plan says and shows what the cells would show."""
    secretsmanager = client(sandbox, "secretsmanager")
    before = secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    lab.run(f"import os; os.environ.update({sandbox.variables!r})")
    run_cells(lab, "update", values_from="generate", keys="SECRET_KEY")
    assert secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"] == before
    lab.press(lab.button("Write SECRET_KEY and redeploy backend, worker in staging"))
    assert not lab.look(lab.button("✓ Done and verified"))[1]
    for words in ("Done and verified: SECRET_KEY", "backend", "Nothing is wrong in staging", "back to version"):
        assert words in lab.page
    assert "nothing was changed" not in lab.page.lower()
    planned = next(text["text/plain"] for text in lab.displays.values() if "keys would change" in text["text/plain"])
    assert planned.startswith("This was before the change that ended at ")
    (old,) = before
    stages = secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    assert stages.pop(old) == ["AWSPREVIOUS"] and list(stages.values()) == [["AWSCURRENT"]]
    value = json.loads(secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])["SECRET_KEY"]
    assert value not in json.dumps([message["content"] for message in lab.all_messages])


def test_a_dotenv_is_written_by_its_button(lab: Lab, sandbox: Sandbox, tmp_path: Path) -> None:
    """local_setup, run dry: no file; the button makes it, and the sentences under it are those of the cells."""
    platform = make_platform(tmp_path / "checkout")
    lab.run(f"import os; os.environ.update({sandbox.variables!r})")
    run_cells(lab, "local_setup", repository=str(platform.root))
    assert not platform.dotenv.exists()
    lab.press(lab.button("Write the .env"))
    assert not lab.look(lab.button("✓ Written"))[1]
    for words in (".env was written", "OPENAI_API_KEY", "required-empty", f"rm {platform.dotenv}"):
        assert words in lab.page
    assert "nothing was changed" not in lab.page.lower()
    value = str(dotenv_values(platform.dotenv)["SECRET_KEY"])
    assert len(value) == 64 and value not in json.dumps([message["content"] for message in lab.all_messages])


def test_a_key_is_added_by_its_button(lab: Lab, sandbox: Sandbox, tmp_path: Path) -> None:
    """add_key, run dry: no file, no version; the button adds it everywhere and tells how to commit and to undo it."""
    platform, secretsmanager = make_platform(tmp_path / "checkout"), client(sandbox, "secretsmanager")
    before = secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    lab.run(f"import os; os.environ.update({sandbox.variables!r})")
    run_cells(lab, "add_key", repository=str(platform.root), key="NEWS_API_KEY", values_from="generate")
    assert secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"] == before
    assert platform.git("status", "--short") == ""
    lab.press(lab.button("Add NEWS_API_KEY in the checkout and staging"))
    assert not lab.look(lab.button("✓ Added and verified"))[1]
    for words in ("NEWS_API_KEY was added and verified", "git switch -c add-news-api-key", "apply --reverse"):
        assert words in lab.page
    assert "nothing was changed" not in lab.page.lower()
    value = json.loads(secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])["NEWS_API_KEY"]
    assert value not in json.dumps([message["content"] for message in lab.all_messages])
    assert len(platform.git("diff", "--name-only").split()) == 3


def test_a_fix_that_another_kernel_left_is_finished_by_its_panel(
    lab: Lab, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the last cell says what is, and has no button of the plan that the panel has finished."""
    sign_in(sandbox, monkeypatch)
    break_(sandbox.endpoint, "no-permission")
    run = runbooks_run.begin("troubleshoot", "staging")
    snapshot = run.look()
    plan = fix.plan(run, snapshot, runbooks_run.diagnose(snapshot))
    services = tuple(each.service.name for each in plan.redeploys)

    def kill(name: str) -> None:
        if name == "redeploy":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        fix.apply(run, plan, True, live=SteppedChange(kill))
    state = run.state(undo=plan.undos("staging"), services=services, parameters={"environment": "staging"})
    file = StateFile(Path(lab.value("os.getcwd()")) / "records" / "troubleshoot-staging-1.state.json")
    file.write(replace(state, steps=("grant", "redeploy"), changes=("granted a permission",), ended="Its kernel died."))
    lab.run(f"import os; os.environ.update({sandbox.variables!r})")
    run_cells(lab, "troubleshoot")
    assert "was not finished" in lab.html and "The change that was not finished is below" in lab.page
    assert lab.page.count("Nothing was done yet") == 1, "of the plan, not of the panel"
    lab.press(next(each for row in lab.rows for each in row if lab.is_button(each, "Finish it")))
    assert lab.look(lab.button("✓ Fixed and verified")) == ("✓ Fixed and verified", False), lab.area
    assert "Nothing is wrong in staging" in lab.page and "for a new plan" in lab.page and "dry run" not in lab.page
    assert "not finished" not in lab.page and file.read() is None and "Nothing was done yet" not in lab.page
    live = [lab.look(button) for row in lab.rows for button in row if button in lab.buttons]
    assert ("Run all cells again", True) in live and not [
        label for label, is_live in live if is_live and "edeploy" in label
    ]
    lab.press(lab.button("Run all cells again"))
    assert lab.browser_requests[-1]["act"] == "plan" and lab.browser_requests[-1]["parameters"] == {
        "apply": "False",
        "confirm": '""',
    }


def test_the_buttons_of_a_change_that_another_window_has_ended_do_nothing_more(lab: Lab) -> None:
    """What was finished there is not taken back here, and the panel says so; while it is left, its buttons work."""
    for is_left in (True, False):
        lab.run(f"words.clear()\n{LEFT}")
        (back,) = (each for row in lab.rows for each in row if lab.is_button(each, "Take it back"))
        assert "It was not finished." in lab.html
        lab.run("" if is_left else "file.remove()")
        lab.press(back)
        assert lab.run(f"assert words == {[''] * is_left}")["status"] == "ok"
        assert ("Nothing was done." in lab.area["text/plain"]) is not is_left
    assert "It was not finished." not in lab.html.splitlines()[-1] and "It has ended" in lab.html
    assert not any(lab.is_button(each, "Take it back") for row in lab.rows for each in row)


def test_a_change_that_broke_off_and_ended_in_another_window_is_not_taken_back_here(lab: Lab) -> None:
    """The last cell's buttons, too: they go, and say why; a refusal alone leaves them as they are."""
    lab.run(BROKEN)
    lab.press(lab.button("Write it"))
    lab.press(lab.button("Finish it"))
    labels = [lab.look(each)[0] for each in lab.row if each in lab.buttons]
    assert labels == ["Take it back", "Finish it"] and "Somebody else has changed" in lab.area["text/plain"]
    back = next(each for each in lab.row if lab.is_button(each, "Take it back"))
    lab.run("live.file.remove()")
    lab.press(back)
    assert lab.run("assert words == []")["status"] == "ok"
    assert "It has ended" in lab.area["text/plain"] and "Nothing was done." in lab.area["text/plain"]
    assert not [each for each in lab.row if each in lab.buttons]


def test_a_choice_in_the_form_sets_its_parameter_and_plans_again(lab: Lab) -> None:
    """It reaches the browser as Python, without apply; filling the form is no choice, and leaves its widgets alone."""
    lab.run(FORM)
    lab.run("shown.show(environments, keys)")
    boxes = lab.models("CheckboxModel")
    assert [lab.states[box]["description"] for box in boxes] == ["SECRET_KEY", "DSN · 201 days, due", "OWN"]
    assert [lab.states[box]["value"] for box in boxes] == [True, False, True]
    assert lab.browser_requests == []
    lab.choose(boxes[1], True)
    assert lab.browser_requests[-1]["act"] == "plan"
    assert lab.browser_requests[-1]["parameters"] == {"keys": '"SECRET_KEY,DSN,OWN"', "apply": "False", "confirm": '""'}
    assert (
        lab.browser_requests[-1]["text"] == 'Set keys = "SECRET_KEY,DSN,OWN" in the parameters cell, and run all cells.'
    )
    (environment,) = lab.models("DropdownModel")
    lab.choose(environment, 0, "index")
    assert lab.browser_requests[-1]["parameters"]["environment"] == '"production"'
    count = len(lab.browser_requests)
    lab.run("shown.show(environments, replace(keys, value='DSN', labels={**keys.labels, 'OWN': 'OWN'}))")
    assert lab.models("CheckboxModel") == boxes and len(lab.browser_requests) == count
    assert [lab.states[box]["value"] for box in boxes] == [False, True, False]
    lab.press(lab.button("Plan again"))
    assert lab.browser_requests[-1]["parameters"] == {"apply": "False", "confirm": '""'}


def test_a_form_has_texts_and_boxes_and_sets_no_text_that_looks_like_a_secret(lab: Lab) -> None:
    """A secret that was typed by mistake goes back, and never reaches the parameters; pickers come and stay."""
    lab.run(FORM)
    lab.run("key = Picker('key', '', hint='NEW_API_KEY'); box = Picker('required', False); shown.show(key, box)")
    (field,), (box,) = lab.models("TextModel"), lab.models("CheckboxModel")
    assert (lab.states[field]["placeholder"], lab.states[box]["description"]) == ("NEW_API_KEY", "required")
    lab.choose(field, "NEWS_KEY")
    assert lab.browser_requests[-1]["parameters"]["key"] == '"NEWS_KEY"'
    lab.choose(box, True)
    assert lab.browser_requests[-1]["parameters"]["required"] == "True"
    typed = f"sk-{secrets.token_hex(16)}"
    lab.choose(field, typed)
    assert lab.browser_requests[-1]["act"] == "say" and "looks like a secret" in lab.browser_requests[-1]["text"]
    assert lab.states[field]["value"] == "" and typed not in json.dumps(lab.browser_requests)
    lab.run("shown.show(key, box, environments)")
    count = len(lab.models("TextModel"))
    lab.run("shown.show(replace(key, value='OTHER'))")
    assert len(lab.models("TextModel")) == count == 2
    assert lab.states[lab.models("TextModel")[-1]]["value"] == "OTHER"


def test_a_look_shows_how_far_it_is(lab: Lab) -> None:
    """In one display, which ends with how many calls it took."""
    lab.run(READ)
    lines = [content["data"]["text/plain"] for content in lab.contents("update_display_data")]
    assert len(lab.contents("display_data")) == 1 and lines[-1].startswith("Read staging: 0 calls in 0.")
    assert "Reading staging: 0 of 0 calls answered so far" in lab.contents("display_data")[0]["data"]["text/html"]


def test_a_change_that_apply_begins_can_be_stopped_too(lab: Lab) -> None:
    """The last cell begins it, with the same buttons as if a person had pressed one; then the cells say what is."""
    lab.run(APPLIED)
    assert "Not started yet" in lab.page and lab.buttons == []
    lab.run("closing.answer()")
    lab.await_button("Stop watching (the deployment goes on)")
    assert "Under way since " in lab.page and "Not started yet" not in lab.page
    assert "If the kernel has ended since then, run all cells again" in lab.page
    lab.press(lab.button("Stop watching (the deployment goes on)"))
    assert "It was stopped." in lab.page and "This is so." in lab.page and "Under way" not in lab.page
    assert lab.look(lab.button("✓ Stopped")) == ("✓ Stopped", False)
    lab.run("closing.answer()")
    assert lab.run("assert words == [True]")["status"] == "ok" and "This is so." in lab.page


def test_a_page_that_was_reloaded_is_told_what_to_replace(lab: Lab) -> None:
    """JupyterLab has lost the ids of its outputs: their metadata has them. The request is masked as they are."""
    lab.run(FORM)
    frontend = [comm for comm, state in lab.states.items() if "is_reopened" in state][-1]
    lab.run("Button([Choice('Tell', tell)], '')")
    display = lab.contents("display_data")[-1]
    assert display["metadata"] == {"display_id": display["transient"]["display_id"]}
    assert not [each for each in lab.browser_requests if each["act"] == "replace"]
    lab.choose(frontend, True, "is_reopened")
    lab.press(lab.button("Tell"))
    request = [each for each in lab.browser_requests if each["act"] == "replace"][-1]
    assert request["id"] == display["transient"]["display_id"] and request["data"] == lab.area
    assert "The value is ‹CANARY›" in request["data"]["text/plain"] and CANARY not in str(lab.all_messages)


def test_an_error_of_ours_is_shown_in_the_last_cell_too(lab: Lab) -> None:
    """The newest form's widget says so, also before the form has anything to show; for no other error.

    An interrupt ends a run as well.
    """
    lab.run(FORM)
    lab.run(FORM)
    states = [state for state in lab.states.values() if "has_stopped" in state][-2:]
    lab.run("1 / 0")
    assert lab.contents("error")[-1]["ename"] == "ZeroDivisionError"
    assert [state["has_stopped"] for state in states] == [False, False]
    for stop in ("UsageError('Nothing comes of it.')", "KeyboardInterrupt"):
        states[-1]["has_stopped"] = False
        lab.run(f"raise {stop}")
        assert [state["has_stopped"] for state in states] == [False, True]
    assert lab.contents("error")[-1]["traceback"] == [f"KeyboardInterrupt: {INTERRUPTED}"]


@pytest.mark.parametrize("name", ["a.ipynb", ""], ids=["widgets", "no widgets"])
def test_the_parameters_cell_ends_an_earlier_run(lab: Lab, name: str) -> None:
    """A cell that the kernel runs although one above has stopped goes on with nothing of other parameters.

    So does one that a person runs alone, where no form is shown.
    """
    lab.run("session = os.environ.pop('JPY_SESSION_NAME')")
    if name:
        lab.run("os.environ['JPY_SESSION_NAME'] = session")
    lab.run(FORM)
    lab.run("os.environ['JPY_SESSION_NAME'] = session")
    assert bool(lab.models("HBoxModel")) is bool(name)
    lab.run("run, text = Picker('key', ''), 'as it was'")
    lab.run("text2 = run.parameter")
    lab.run('environment: str = "produciton"  # look at staging or production')
    lab.run("run.parameter")
    assert lab.contents("error")[-1]["evalue"] == OUTDATED
    assert lab.run("shown.show, text, text2, environments")["status"] == "ok"
    lab.run("run = Picker('key', '')")
    assert lab.run("assert run.parameter == 'key'")["status"] == "ok"
    # The replies to these errors are not for the next test.
    lab.run("")


def test_a_plan_of_former_parameters_is_not_applied_by_its_button(lab: Lab) -> None:
    """The button stays on the page after the parameters cell was edited and run alone."""
    lab.run(FORM)
    lab.run(APPLIED.replace("displays, True", "displays, False").replace("sleep(30)", "sleep(0)"))
    lab.run("closing.answer()")
    lab.run('environment: str = "production"  # change staging or production')
    lab.press(lab.button("Write it"))
    assert "are out of date: run all cells again for a new plan." in lab.area["text/plain"]
    assert lab.run("assert words == [False]")["status"] == "ok"


def test_the_index_opens_notebooks_with_their_parameters_set(lab: Lab, sandbox: Sandbox) -> None:
    """A press writes a copy beside the index, once for the same parameters, and never over one that was edited."""
    lab.run(f"import os; os.environ.update({sandbox.variables!r})")
    run_cells(lab, "index")
    folder = Path(lab.value("os.getcwd()"))
    card = lab.button("Open restore")
    for _ in range(2):
        lab.press(card)
        assert lab.browser_requests[-1] == {
            "act": "open",
            "name": "restore-staging.ipynb",
            "leads_to": "form",
            "text": "Parameters are set in restore-staging.ipynb, beside this notebook.",
        }
    notebook = nbformat.read(folder / "restore-staging.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    notebook.cells[0].source = "Mine."
    nbformat.write(notebook, folder / "restore-staging.ipynb")
    lab.press(card)
    assert lab.browser_requests[-1]["name"] == "restore-staging-2.ipynb"
    assert nbformat.read(folder / "restore-staging.ipynb", as_version=4).cells[0].source == "Mine."
    text = "\n".join(content["data"]["text/plain"] for content in lab.contents("display_data"))
    assert "Nothing is wrong in staging" in text and "Read at" in text
    assert "omc-runbook run restore -p environment staging" in text


def test_an_answer_leads_on_by_buttons(lab: Lab) -> None:
    """The notebook of a remedy, a command to copy and a policy to ask for; the plan's command has what was chosen."""
    lab.run(ANSWER)
    lab.press(lab.button("Open rotate.ipynb, filled in"))
    assert (lab.browser_requests[-1]["act"], lab.browser_requests[-1]["name"]) == ("open", "rotate-staging.ipynb")
    source = next(
        cell.source
        for cell in nbformat.read(Path(lab.value("os.getcwd()")) / "rotate-staging.ipynb", as_version=4).cells
        if "parameters" in cell.metadata.get("tags", ())
    )
    assert 'keys: str = "SECRET_KEY"  # keys to renew' in source and 'environment: str = "staging"  #' in source
    lab.press(lab.button("Copy the policy to ask for"))
    assert lab.browser_requests[-1] == {"act": "copy", "text": "{a policy}"}
    lab.press(lab.button("Copy the command"))
    assert lab.browser_requests[-1]["text"] == (
        "omc-runbook run update -p environment production -p keys SECRET_KEY -p apply true -p confirm production"
    )


def run_cells(lab: Lab, name: str, **parameters: str) -> None:
    """Run the code cells of a notebook, one after the other, with some parameters set."""
    for cell in nbformat.read(notebooks() / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            source = cell.source
            for parameter, text in parameters.items():
                source = source.replace(f'\n{parameter}: str = ""', f"\n{parameter}: str = {text!r}")
            reply = lab.run(source)
            assert reply["status"] == "ok", (cell.id, reply)
