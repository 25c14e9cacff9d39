"""A state machine, drawn: nothing of the table is lost, and nothing stands on top of anything else."""

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
    assert [arrow.yours for arrow in diagram(wire, "x").arrows] == [True, False]
    assert [arrow.yours for arrow in diagram(wire, None).arrows] == [False, False]
