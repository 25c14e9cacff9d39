"""docs/assets.md says what the rules say: fields, states, values, numbers."""

import re
from datetime import timedelta
from pathlib import Path

from app.domains.assets.figures import FAILURE_PERIOD, PM_PERIOD
from app.domains.assets.rules import (
    CRITICALITIES,
    DUE_SOON,
    IN_TRANSIT,
    MACHINES,
    MAINTENANCE_TYPES,
    OUTCOMES,
    PARENTS_FIRST,
    REQUESTS,
    SEVERITIES,
    URGENCIES,
)
from app.domains.assets.tables import TABLES
from app.store.tables import schema_of

PAGE = (Path(__file__).parents[2] / "docs" / "assets.md").read_text(encoding="utf-8")
TOLD = set(re.findall(r"`([^`]+)`", PAGE))


def test_every_class_field_state_and_value_is_listed() -> None:
    fields = {name for table in TABLES for name in schema_of(table).fields} - {"objectId", "createdAt", "updatedAt", "ACL"}
    states = {state for machine in MACHINES for state in machine.states}
    values = {*CRITICALITIES, *MAINTENANCE_TYPES, *OUTCOMES, *SEVERITIES, *URGENCIES, *REQUESTS, IN_TRANSIT}
    assert sorted((fields | states | values | set(PARENTS_FIRST)) - TOLD) == []


def test_the_numbers_are_the_codes() -> None:
    for name, span in DUE_SOON.items():
        line = next(line for line in PAGE.splitlines() if line.startswith("| `due_soon`"))
        assert f"`{name}`" in line
        assert str(span // timedelta(days=1)) in line
    assert f"services due in the last {PM_PERIOD.days} days" in PAGE
    assert f"of the last {FAILURE_PERIOD.days} days" in PAGE


def test_the_steps_of_an_asset_and_of_work_are_in_their_tables() -> None:
    for machine in MACHINES:
        if machine.class_name in ("Asset", "MaintenanceLog"):
            table = PAGE.split(f"| `{machine.class_name}` from |")[1].split("\n\n")[0]
            for state in (None, *machine.states):
                allowed = machine.next_states(state)
                head = f"| `{state}` |" if state else "| (new) |"
                line = next((line for line in table.splitlines() if line.startswith(head)), "")
                told = re.findall(r"`(\w+)`", line.removeprefix(head))
                assert tuple(told) == allowed, (machine.class_name, state)
