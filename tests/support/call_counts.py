"""How many calls of functions something takes, which is the same each time, unlike a clock."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def count_calls(act: Callable[[], object], named: str = "") -> int:
    """How many calls of functions an act takes in this thread; with `named`, of those of that name."""
    calls = 0

    def count(frame: FrameType, event: str, function: Any) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += named in ("", frame.f_code.co_name if event == "call" else function.__name__)

    # What other tests have left may be collected at any moment, and its finalizers are calls too.
    is_collected = gc.isenabled()
    gc.disable()
    # cProfile would count the calls of all threads, such as the one that hears which tests a worker is to run.
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
        if is_collected:
            gc.enable()
    return calls
