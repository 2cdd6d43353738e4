"""The sandbox's ECS agent beside the requests that change what it watches."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import cast

from omc_runbook.sandbox.ecs.agent import Agent
from omc_runbook.sandbox.ecs.process import Application


@dataclass
class Started:
    """An application that a request ends while the agent asks for it."""

    agent: Agent
    is_ended: bool = False
    request: threading.Thread | None = None

    @property
    def is_well(self) -> bool:
        """Whether it is; asked first, it is ended meanwhile, as far as the agent lets it be."""
        if self.request is None:
            self.request = threading.Thread(target=self._end)
            self.request.start()
            self.request.join(0.2)
        return True

    def _end(self) -> None:
        with self.agent.paused():
            self.is_ended = True

    def kill(self) -> None:
        """End it."""


def test_a_reset_does_not_end_the_agent_while_it_looks_whether_anything_moves() -> None:
    """It goes through the applications between two steps; without it no task would ever start again."""
    agent = Agent()
    first, second = Started(agent), Started(agent)
    agent._running |= {name: cast(Application, each) for name, each in (("first", first), ("second", second))}
    assert agent._is_idle()
    for each in (first, second):
        assert each.request
        each.request.join(10)
    assert first.is_ended and second.is_ended and not agent._running
