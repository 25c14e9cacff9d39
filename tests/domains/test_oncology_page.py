"""docs/oncology.md says what the code does: each field, state, step, role, flag, urgency and alert is named there."""

import re
from datetime import timedelta
from pathlib import Path

from app.actions.alerts import raise_alert
from app.core.schema import Field
from app.domains.oncology import effects
from app.domains.oncology.rules import (
    CLOCK_SKEW,
    CLOSED,
    CTCAE_VERSIONS,
    CYCLE_STATES,
    DUE,
    FLAGS,
    GRANTS,
    LAB_LEVELS,
    LAB_TESTS,
    LABS_WITHIN,
    SOON,
    TEAM_ROLES,
    URGENCIES,
)
from app.domains.oncology.tables import TABLES
from app.store.tables import schema_of

PAGE = (Path(__file__).parents[2] / "docs" / "oncology.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", PAGE))
EVERYWHERE = {"objectId", "createdAt", "updatedAt", "ACL"}


def fields() -> dict[str, Field]:
    schemas = [schema_of(table) for table in TABLES]
    return {f"{schema.class_name}.{name}": field for schema in schemas for name, field in schema.fields.items()}


def test_every_field_is_listed_with_its_class_and_whether_it_is_required() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `") and "**`" in line}
    for name, field in fields().items():
        class_name, own = name.split(".")
        if own not in EVERYWHERE:
            assert f"`{own}`" in rows[class_name], name
            assert (f"**`{own}`**" in rows[class_name]) is field.required, name


def test_every_value_is_listed() -> None:
    values = {*FLAGS, *URGENCIES, *LAB_LEVELS, *LAB_TESTS, *CTCAE_VERSIONS, *CYCLE_STATES.states, *TEAM_ROLES, "patient", "admin"}
    assert values - CODE == set()


def test_every_step_of_a_cycle_is_in_the_table() -> None:
    lines = [line.split("|") for line in PAGE.splitlines() if line.count("|") == 4]
    told: set[tuple[str, str]] = set()
    for _, source, target, who, _ in lines:
        sources = set(re.findall(r"`(\w+)`", source)) or (
            {*CYCLE_STATES.states} - {*CLOSED} if "any of these" in source else set()
        )
        for one in sources:
            for other in re.findall(r"`(\w+)`", target):
                row = next((row for row in CYCLE_STATES.transitions if (row.source, row.target) == (one, other)), None)
                if row is not None:
                    assert all(role in who for role in row.roles), (one, other)
                    assert all(f"`{need}`" in who for need in row.needs), (one, other)
                    told.add((one, other))
    assert told == {(row.source, row.target) for row in CYCLE_STATES.transitions if row.source}


def test_the_numbers_are_the_code_s() -> None:
    rows = {
        re.findall(r"`(\w+)`", line)[0]: line
        for line in PAGE.splitlines()
        if "`startDate`:" in line or "`endDate`:" in line or line.startswith("| `planned`, `labs_due` |")
    }
    for state, (field, after) in DUE.items():
        line = next(line for line in rows.values() if f"`{state}`" in line.split("|")[1])
        assert f"`{field}`" in line
        hours = abs(after // timedelta(hours=1))
        assert (f"{hours} h" in line) if hours else (" h " not in line.split("|")[2])
    assert f"within {SOON // timedelta(hours=1)} h" in PAGE
    assert f"the {LABS_WITHIN.days} days before the start" in PAGE
    assert f"{CLOCK_SKEW // timedelta(minutes=1)} minutes ahead" in PAGE


def test_what_the_server_computes_is_said_to_be_its_own() -> None:
    (line,) = [line for line in PAGE.splitlines() if "are the server's to write" in line]
    assert set(re.findall(r"`(\w+)`", line)) == {name for names in GRANTS.derived.values() for name in names}


def test_every_alert_is_listed() -> None:
    source = Path(effects.__file__).read_text(encoding="utf-8")
    kinds = set(re.findall(r'"(side_effect_\w+|lab_critical)"', source))
    assert len(kinds) == 4
    assert kinds <= CODE
    assert raise_alert.__name__ in source
