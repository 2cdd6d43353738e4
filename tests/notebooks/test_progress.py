"""The progress of a roll-out: what it shows, that it is one display, and that it is quiet where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest
from jupyter_client.manager import start_new_kernel

from omc_runbook.changes.deploy.rollout import Rollout, State
from omc_runbook.report.display.progress import NEWEST, STATES, Progress

ROLLING = Rollout("backend", "ecs-svc/1", "ohmycoins-staging-backend:7", "rolling", desired=2, running=1)

START = """
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.report.display.progress import Progress
progress = Progress()
for running in range(3):
    for again in range(5):
        progress([Rollout("backend", "ecs-svc/1", "family:7", "done" if running == 2 else "rolling", 2, running)], [])
"""


def text_of(html: str) -> str:
    """The text of an HTML output, without tags."""
    return re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ")


def after(*rollouts: Rollout, lines: tuple[str, ...] = ()) -> Progress:
    """The progress of these roll-outs."""
    progress = Progress()
    progress(rollouts, lines)
    return progress


@pytest.fixture(scope="module")
def messages(forked_kernels: None) -> Iterator[list[dict[str, Any]]]:
    """What a kernel shows of a roll-out with fifteen updates in which three things happen."""
    messages_of_cells: list[dict[str, Any]] = []
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        reply = client.execute_interactive(START, output_hook=messages_of_cells.append, allow_stdin=False, timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
        yield [message for message in messages_of_cells if message["msg_type"] not in ("status", "execute_input")]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_kernel_shows_one_display_that_changes_in_place(messages: list[dict[str, Any]]) -> None:
    """The first state makes a display, each new one changes that, and what is no news makes no message."""
    assert [message["msg_type"] for message in messages] == ["display_data", *["update_display_data"] * 2]
    assert len({message["content"]["transient"]["display_id"] for message in messages}) == 1
    last = messages[-1]["content"]["data"]
    assert "1 of 1 service rolled out" in last["text/plain"] and "2 of 2 tasks" in text_of(last["text/html"])


def test_outside_ipython_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A scheduler's log gets no progress."""
    after(ROLLING, lines=("17:20:03 backend: has begun",))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("state", get_args(State))
def test_each_state_is_told_in_words(state: State) -> None:
    """State, tasks, revision and reason stand in the HTML without styles as in the plain text."""
    progress = after(replace(ROLLING, state=state, reason="Because of this."))
    for text in (progress.to_text(), text_of(progress.to_html())):
        for words in ("backend", state, "1 of 2 tasks", "ohmycoins-staging-backend:7", "Because of this."):
            assert words in text
    assert STATES[state] in ("quiet", "good", "warning", "error")


@pytest.mark.parametrize(("running", "desired", "width"), [(0, 2, "0%"), (1, 2, "50%"), (4, 2, "100%"), (0, 0, "0%")])
def test_the_bar_is_as_long_as_tasks_run(running: int, desired: int, width: str) -> None:
    """Its width is the share of tasks that run, never more than all, and 0 where desiredCount is 0."""
    html = after(replace(ROLLING, running=running, desired=desired)).to_html()
    assert f'<div style="width: {width};' in html


def test_the_newest_events_are_shown() -> None:
    """Of many events the last are there, in their order, whenever they came."""
    progress = after(ROLLING, lines=tuple(f"event {number}." for number in range(NEWEST)))
    progress([ROLLING], ["event one more."])
    events = [f"event {number}." for number in range(1, NEWEST)] + ["event one more."]
    for text in (progress.to_text(), progress.to_html()):
        assert re.findall(r"event [\w ]+\.", text) == events


def test_what_aws_writes_is_shown_and_not_run() -> None:
    """A reason, an event or a name with HTML in it stands there as text."""
    bad = "<script>alert(1)</script>"
    progress = after(replace(ROLLING, service=bad, revision=bad, reason=bad), lines=(bad,))
    assert "<script" not in progress.to_html()
    assert progress.to_html().count("&lt;script&gt;") == 4
    assert progress.to_text().count(bad) == 4
