"""docs/pharmacy.md says what the code does: every field, state, role, step and number."""

import re

from app.domains.domain import StateMachine
from app.domains.pharmacy import rules
from app.domains.pharmacy.board import BOARD
from app.domains.pharmacy.tables import TABLES
from app.live.boards.board import Board, Mine
from tests.test_docs import missing, page, rows

TEXT = page("pharmacy.md")


def part(heading: str) -> str:
    """The text below a heading of the second level."""
    return TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_every_field_state_role_and_value_is_listed() -> None:
    columns = {column._meta.db_column_name for table in TABLES for column in table._meta.columns}
    own = {name for name in columns if not name.startswith("_")} - {"objectId", "createdAt", "updatedAt"}
    classes = {str(table._meta.tablename) for table in TABLES}
    states = {state for machine in (rules.DELIVERY_STATES, rules.PRESCRIPTION_STATES) for state in machine.states}
    values = {*rules.URGENCIES, *rules.PROOFS, *rules.MESSAGE_STATES.states, *states}
    roles = {grant.role for grant in rules.GRANTS.rows}
    assert missing(own | classes | values | roles, TEXT) == []


def test_the_required_fields_are_the_bold_ones() -> None:
    for row in rows(part("Classes")):
        name = row[0].strip("`")
        table = next((table for table in TABLES if table._meta.tablename == name), None)
        if table is None:
            continue
        needed = {column._meta.db_column_name for column in table._meta.columns if not column._meta.null}
        assert set(re.findall(r"\*\*`(\w+)`\*\*", row[1])) == needed - {"objectId"}


def told_steps(text: str, states: tuple[str, ...]) -> set[tuple[str, str]]:
    """The steps that the tables of a part tell."""
    found = set()
    for row in filter(lambda cells: len(cells) > 2, rows(text)):
        sources, targets = (re.findall(r"`(\w+)`", cell) for cell in row[:2])
        found |= {(source, target) for source in sources for target in targets if {source, target} <= set(states)}
    return found


def test_every_step_is_in_its_table_and_no_other() -> None:
    machines: dict[str, StateMachine] = {
        "States of a delivery": rules.DELIVERY_STATES,
        "States of a prescription": rules.PRESCRIPTION_STATES,
        "Messages": rules.MESSAGE_STATES,
    }
    for heading, machine in machines.items():
        steps = {(row.source, row.target) for row in machine.transitions if row.source is not None}
        text = part(heading).split("\n| A write", 1)[0]
        assert told_steps(text, machine.states) == steps, heading


def test_who_may_step_is_told() -> None:
    roles = {"pharmacist", "admin", "courier", "provider", "patient"}
    for heading, machine in (("delivery", rules.DELIVERY_STATES), ("prescription", rules.PRESCRIPTION_STATES)):
        for row in filter(lambda cells: len(cells) > 2, rows(part(f"States of a {heading}").split("\n| A write", 1)[0])):
            sources, targets = (re.findall(r"`(\w+)`", cell) for cell in row[:2])
            for step in machine.transitions:
                if step.source in sources and step.target in targets:
                    assert {role for role in roles if re.search(rf"\b{role}\b", row[2].split(";")[0])} == step.roles, row


def test_the_numbers_are_the_code_s() -> None:
    assert f"within {rules.DUE_SOON.seconds // 3600} h" in part("Urgency")
    assert f"for {int(rules.ON_BOARD.total_seconds()) // 3600} h" in part("Urgency")
    assert f"at most {rules.CLOCK_SKEW.seconds // 60} minutes ahead" in part("Classes")


def test_every_page_is_named() -> None:
    beside = [each for each in BOARD.beside if isinstance(each, Board | Mine)]
    paths = {f"/boards/{BOARD.name}", *(f"/boards/{BOARD.name}/{each.name}" for each in beside)}
    told = {row[0].strip("`"): row[1] for row in rows(part("Pages")) if row[0].startswith("`/")}
    assert set(told) == paths
    for each in (BOARD, *beside):
        path = f"/boards/{BOARD.name}" + ("" if each is BOARD else f"/{each.name}")
        assert set(each.roles) == {word for word in re.findall(r"\w+", told[path]) if word not in ("on", "a", "phone")}
