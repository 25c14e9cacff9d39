"""A state machine, drawn: nothing of the table is lost, and nothing stands on top of anything else."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from app.api.browser.diagram import diagram
from app.domains.domain import StateMachine, Transition
from app.main import DOMAINS

MACHINES = [machine for domain in DOMAINS for machine in domain.machines]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine.class_name}.{machine.field}")
def test_every_state_stands_alone_and_every_step_is_drawn(machine: StateMachine) -> None:
    drawn = diagram(machine.to_wire(), None)
    assert {node.name for node in drawn.nodes} == set(machine.states)
    places = [(node.x, node.y) for node in drawn.nodes]
    assert len(set(places)) == len(places)
    gathered = {node.name for node in drawn.nodes if node.many}
    steps = {(row.source, row.target) for row in machine.transitions if row.source and row.source != row.target}
    assert len(drawn.arrows) == len([step for step in steps if step[1] not in gathered])


def points(path: str) -> Iterator[tuple[float, float]]:
    """Points along a path, close enough together that none passes a box unseen."""
    x = y = 0.0
    for letter, numbers in re.findall(r"([MLVQC])([^MLVQC]*)", path):
        given = [float(each) for each in numbers.split()]
        stops = [(x, given[0])] if letter == "V" else list(zip(given[::2], given[1::2], strict=True))
        if letter == "M":
            (x, y), stops = stops[0], []
        for number in range(101 if stops else 0):
            near = [(x, y), *stops]
            while len(near) > 1:  # de Casteljau
                near = [(a + (c - a) * number / 100, b + (d - b) * number / 100) for (a, b), (c, d) in pairwise(near)]
            yield near[0]
        x, y = stops[-1] if stops else (x, y)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine.class_name}.{machine.field}")
def test_no_arrow_runs_behind_a_state_or_out_of_the_drawing(machine: StateMachine) -> None:
    drawn = diagram(machine.to_wire(), None)
    boxes = [(node.x, node.y, node.x + drawn.node_width, node.y + drawn.node_height, node.name) for node in drawn.nodes]
    hidden = {
        (arrow.title, name)
        for arrow in drawn.arrows
        for x, y in points(arrow.path)
        for left, top, right, bottom, name in boxes
        if left + 1 < x < right - 1 and top + 1 < y < bottom - 1
    }
    assert hidden == set()
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for arrow in drawn.arrows for x, y in points(arrow.path))


def test_what_leads_on_stands_further_right_and_what_leads_back_does_not() -> None:
    rows = (("open", "done"), ("open", "held"), ("held", "open"), ("done", "checked"))
    steps = (Transition(None, "open", frozenset({"a"})), *(Transition(*row, frozenset({"a"})) for row in rows))
    drawn = diagram(StateMachine("Job", "status", steps).to_wire(), "a")
    at = {node.name: node for node in drawn.nodes}
    assert at["open"].x < at["done"].x < at["checked"].x
    assert at["held"].x == at["done"].x
    assert (at["open"].kind, at["checked"].kind) == ("initial", "final")


def test_the_arrows_of_one_s_own_role_are_marked() -> None:
    steps = (
        Transition(None, "a", frozenset({"x"})),
        Transition("a", "b", frozenset({"x"})),
        Transition("b", "c", frozenset({"y"})),
    )
    wire = StateMachine("Job", "status", steps).to_wire()
    # One's own are drawn last, so that they lie on top.
    assert [(arrow.title, arrow.yours) for arrow in diagram(wire, "x").arrows] == [("b to c: y", False), ("a to b: x", True)]
    assert [arrow.yours for arrow in diagram(wire, None).arrows] == [False, False]
