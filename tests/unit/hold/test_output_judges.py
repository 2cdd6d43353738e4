"""Each judge of an output finds what is more than text, and lets text be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from benchmarks.hold import judges
from benchmarks.hold.hostile import TEXTS
from omc_runbook.model.letters import printable

ESCAPED = "&lt;script&gt;zqha()&lt;/script&gt; on=zqh"
METRIC = "# HELP omc_runbook_exit_code x\n# TYPE omc_runbook_exit_code gauge\nomc_runbook_exit_code 0.0\n"


def notebook(kind: str, text: str) -> str:
    return json.dumps({"cells": [{"outputs": [{"output_type": "display_data", "data": {kind: text}}]}]})


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (judges.page, f"<p title='zqh'>{ESCAPED}</p><a href='#zqh'>x</a>", "<script>zqha()</script>"),
        (judges.page, "<b>x</b>", "<zqh>x</zqh>"),
        (judges.page, "<b>x</b>", "<b zqh=1>x</b>"),
        (judges.page, "<b>x</b>", "<img onerror='zqha()'>"),
        (judges.page, "<b>x</b>", "<a href='javascript:zqha()'>x</a>"),
        (judges.page, "<b>x</b>", "<b>\u202ezqh</b>"),
        (judges.terminal, "zqh says\n  PLAN: zqh", "zqh says\nPLAN: zqh"),
        (judges.terminal, "zqh‹U+001B›", "zqh\x1b[2J"),
        (judges.terminal, "zqh", "zqh" * 7000),
        (judges.markdown, r"\[zqhc](javascript:zqhc())", "[zqhc](https://zqhc.example)"),
        (judges.markdown, "`<i zqhc>`", "text <i zqhc>"),
        (judges.notebook, notebook("text/html", ESCAPED), notebook("text/html", "<zqh>")),
        (judges.notebook, notebook("text/plain", "<zqh>"), notebook("text/plain", "zqh\x9b")),
        (judges.notebook, notebook("text/markdown", "zqh"), notebook("text/markdown", "![](https://zqh.example)")),
        (judges.junit, "<a><b c='zqh'>zqh</b></a>", "<a><zqh/></a>"),
        (judges.prometheus, METRIC, f"{METRIC}zqhk_forged 2\n"),
        (judges.lines_of_json, '{"_aws": {}}\n', '{"_aws": {}}\n{"zqh": 1}\n'),
        (judges.message, '[{"title": "zqh", "message": "a\\nb"}]', '[{"title": "a\\nzqh", "message": ""}]'),
    ],
)
def test_a_judge_tells_text_from_what_works(judge: Callable[[str], Iterator[str]], good: str, bad: str) -> None:
    """A good text gives no finding, and a bad one does."""
    assert [*judge(good)] == []
    assert [*judge(bad)]


@pytest.mark.parametrize("kind", TEXTS)
def test_each_hostile_text_would_be_seen(kind: str) -> None:
    """As it is, one of the judges finds it, or a shell would make a file of it; as text none does."""
    text = TEXTS[kind]
    found = [*judges.page(text), *judges.terminal(text), *judges.markdown(text)]
    assert found or kind in ("formula", "path", "shell", "TeX", "metric")
    assert not [*judges.characters(printable(text).replace("\r", ""))]
