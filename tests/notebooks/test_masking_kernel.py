"""In a real kernel, no way of showing a registered value gets five of its characters out."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager
from support.ways_to_show import CANARY, START, WAYS, shows


@dataclass
class Kernel:
    """A kernel that has the canary, and all messages that it has sent."""

    client: BlockingKernelClient
    terminal: Path
    history: Path
    all_messages: list[dict[str, Any]] = field(default_factory=list)

    def run(self, code: str, answer: Callable[[dict[str, Any]], None] | None = None) -> list[dict[str, Any]]:
        """Execute a cell and return the messages about it, its reply last; ``answer`` makes input possible."""
        messages: list[dict[str, Any]] = []
        reply = self.client.execute_interactive(
            code,
            output_hook=messages.append,
            allow_stdin=answer is not None,
            stdin_hook=answer,
            timeout=30,
            stop_on_error=False,
        )
        messages = [message for message in messages if message["msg_type"] not in ("status", "execute_input")]
        messages.append(reply)
        self.all_messages += messages
        return messages

    def stream_text(self, code: str) -> str:
        """Execute a cell and return what its streams say."""
        return "".join(m["content"]["text"] for m in self.run(code) if m["msg_type"] == "stream")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all tests, its terminal in a file and its history in a folder."""
    folder = tmp_path_factory.mktemp("kernel")
    # pytest's own variable makes ipykernel leave file descriptors alone, which it does nowhere else.
    environment = {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    environment |= {"OMC_TEST_CANARY": CANARY, "IPYTHONDIR": str(folder)}
    terminal = folder / "terminal"
    with terminal.open("wb") as log:
        manager = KernelManager()
        manager.start_kernel(env=environment, stdout=log, stderr=log)
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    kernel = Kernel(client, terminal, folder / "profile_default" / "history.sqlite")
    try:
        kernel.run("print('typed before')")
        assert kernel.run(START)[-1]["content"]["status"] == "ok"
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_showing_a_value_gets_it_out(kernel: Kernel, way: str) -> None:
    """The messages about a cell that shows the canary hold no five characters of it, and most hold its name."""
    messages = kernel.run(WAYS[way])
    for message in messages:
        content = json.dumps([message["content"], message["metadata"]], default=str)
        assert not shows(content)
        assert not any(shows(bytes(buffer).decode("latin-1")) for buffer in message["buffers"])
    if way not in ("shell, captured", "captured and shown", "subprocess to the stream"):
        assert "‹CANARY›" in str(messages)


def test_what_a_client_asks_for_is_masked(kernel: Kernel) -> None:
    """Inspection, completion, history and evaluated expressions answer without the value."""
    kernel.run("d = {text: 1}; secret_" + "x = 1")
    client = kernel.client
    request_ids = [client.inspect("text", 4), client.inspect("d", 1, 1), client.complete("d['", 3)]
    request_ids.append(client.history(raw=True, output=True, hist_access_type="tail", n=50))
    request_ids.append(client.execute("pass", user_expressions={"e": "text"}))
    for request in request_ids:
        reply = client.get_shell_msg(timeout=10)
        while reply["parent_header"]["msg_id"] != request:
            reply = client.get_shell_msg(timeout=10)
        assert reply["content"]["status"] == "ok"
        assert not shows(json.dumps(reply["content"]))


def test_what_ipython_exports_has_no_value(kernel: Kernel, tmp_path: Path) -> None:
    """%notebook and %history would write what cells have shown as it was before it was masked."""
    for code in ("text", "print(text)", "display(text)", "raise ValueError(text)"):
        kernel.run(code)
    exported, history = tmp_path / "exported.ipynb", tmp_path / "history.txt"
    assert kernel.run(f"%notebook {exported}")[-1]["content"]["status"] == "ok"
    assert kernel.run(f"%history -o -f {history}")[-1]["content"]["status"] == "ok"
    assert "display(text)" in exported.read_text()
    assert "display(text)" in history.read_text()
    assert not shows(exported.read_text() + history.read_text())


def test_a_prompt_is_masked_and_input_still_works(kernel: Kernel) -> None:
    """getpass asks without showing the value, and what is answered arrives as it was."""
    prompts: list[str] = []

    def answer(request: dict[str, Any]) -> None:
        prompts.append(request["content"]["prompt"])
        kernel.client.input("open sesame")

    messages = kernel.run("import getpass; len(getpass.getpass('old ' + text + '? '))", answer)
    assert prompts == ["old ‹CANARY›? "]
    assert messages[0]["content"]["data"]["text/plain"] == "11"


def test_whether_a_person_can_be_asked_is_known(kernel: Kernel) -> None:
    """The kernel follows what the client sent with the cell that is running."""
    code = "from omc_runbook.masking.kernel import allows_input; allows_input()"
    assert kernel.run(code)[0]["content"]["data"]["text/plain"] == "False"
    assert kernel.run(code, lambda _: None)[0]["content"]["data"]["text/plain"] == "True"


def test_other_output_is_untouched(kernel: Kernel) -> None:
    """Text without values comes out whole, in order and in its own stream."""
    code = "print('a' * 5000); display('d'); print(text[:2], end=''); sys.stdout.flush(); display('e')"
    kinds = [
        (message["msg_type"], message["content"].get("text"))
        for message in kernel.run(code)
        if message["msg_type"] in ("stream", "display_data")
    ]
    # The kernel may send a text in two messages, by its clock.
    runs = [(kind, [text for _, text in group]) for kind, group in groupby(kinds, itemgetter(0))]
    assert [(kind, "".join(filter(None, texts))) for kind, texts in runs] == [
        ("stream", "a" * 5000 + "\n"),
        ("display_data", ""),
        ("stream", CANARY[:2]),
        ("display_data", ""),
    ]
    assert kernel.run("1 + 1")[0]["content"]["data"] == {"text/plain": "2"}


def test_a_value_in_pieces_comes_out_as_one_name(kernel: Kernel) -> None:
    """Written one character at a time, flush by flush, not even its beginning comes out."""
    assert kernel.stream_text("for c in text + '.': print(c, end='', flush=True)") == "‹CANARY›."


def test_a_fork_loses_no_output(kernel: Kernel) -> None:
    """A child's last output comes out although nothing runs in it afterwards, and its parent's output once."""
    # Python 3.12 and later warn, in the cell, of a fork beside threads.
    code = (
        "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
        "print(text[:2], end='', flush=True); pid = os.fork()\nif pid == 0:\n"
        "    print(';' + text[:3], end='', flush=True); os._exit(0)\nos.waitpid(pid, 0); time.sleep(.3)"
    )
    assert sorted(kernel.stream_text(code)) == sorted(CANARY[:2] + ";" + CANARY[:3])


def test_an_unfinished_value_comes_out_within_a_second_or_two(kernel: Kernel) -> None:
    """What is held back does not wait for the end of a long cell."""
    code = "print('ready', text[:9], end='', flush=True); time.sleep(1.6); print(' and on')"
    streams = [m["content"]["text"] for m in kernel.run(code) if m["msg_type"] == "stream"]
    assert "".join(streams) == "ready ‹CANARY› and on\n" and "ready" in streams[0]
    [early] = [number for number, text in enumerate(streams) if "‹CANARY›" in text]
    assert not any(" and on" in text for text in streams[: early + 1])


def test_a_value_said_slowly_shows_three_characters_at_most(kernel: Kernel) -> None:
    """When a second passes between characters, only the first three can have come out."""
    assert not shows(kernel.stream_text("for c in text[:6]: print(c, end='', flush=True); time.sleep(1.1)"))


def test_the_objects_that_are_shown_stay_as_they_are(kernel: Kernel) -> None:
    """Masking copies: a mapping that was displayed, or a widget's value, still holds the text."""
    code = "m = {'a': [text]}; display({'text/plain': 'x', 'application/x': m}, raw=True); b.value == m['a'][0] == text"
    assert kernel.run(code)[-2]["content"]["data"]["text/plain"] == "True"


def test_loading_the_hook_again_changes_nothing(kernel: Kernel) -> None:
    """The extension, another value and another reveal leave one hook in place."""
    code = """
    from omc_runbook.masking import kernel
    session = get_ipython().kernel.session
    before = session.send
    %load_ext omc_runbook.masking.kernel
    reveal(Masked(text, "CANARY")); kernel.install()
    session.send == before
    """
    assert kernel.run(code)[0]["content"]["data"]["text/plain"] == "True"


def test_small_field_names_survive_a_value_that_reads_like_them(kernel: Kernel) -> None:
    """A value such as "error" does not break the protocol, nor a sentence: it is masked where it stands alone."""
    kernel.run("Masked('error', 'LEVEL'), Masked('stdout', 'STREAM'), Masked('plain', 'KIND')")
    messages = kernel.run("print('an error'); print('error'); 1 / 0")
    assert messages[0]["content"] == {"name": "stdout", "text": "an error\n‹LEVEL›\n"}
    assert messages[-1]["content"]["status"] == "error"
    assert "text/plain" in kernel.run("'x'")[0]["content"]["data"]


def test_nothing_reached_the_terminal_or_the_history(kernel: Kernel) -> None:
    """The process's own output and IPython's database hold none of what the kernel was made to show."""
    kernel.run(f"typed = '{CANARY}'")
    kernel.run("get_ipython().history_manager.writeout_cache()")
    terminal = kernel.terminal.read_text("utf-8", "replace")
    assert not shows(terminal)
    assert "ready" not in terminal
    with sqlite3.connect(kernel.history) as database:
        typed = [source for (source,) in database.execute("select source from history")]
    assert not shows("\n".join(typed))


def test_ipythons_log_of_results_is_masked(kernel: Kernel, tmp_path: Path) -> None:
    """A profile may turn it on for all notebooks."""
    path = tmp_path / "log.py"
    kernel.run(f"%logstart -o -r {path}")
    kernel.run("text")
    kernel.run("%logstop")
    assert "text\n#[Out]# '‹CANARY›'\n" in path.read_text()


def test_everything_heard_holds_no_part_of_the_value(kernel: Kernel) -> None:
    """The text of all cells together, without what may lie between characters, shows nothing."""
    text = "".join(
        message["content"].get("text", "") for message in kernel.all_messages if message["msg_type"] == "stream"
    )
    assert text and not shows(text)
