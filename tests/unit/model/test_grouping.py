"""Values by what several of them have in common."""

from __future__ import annotations

from omc_runbook.model.grouping import grouped


def test_groups_and_their_members_keep_the_order_in_which_they_come() -> None:
    groups = grouped(iter([("b", 2), ("a", 1), ("b", 1), ("b", 2)]))
    assert [*groups.items()] == [("b", [2, 1, 2]), ("a", [1])]
