"""docs/homehealth.md says what the code does."""

import re

from app.domains.homehealth import rules
from app.domains.homehealth.tables import TABLES
from app.store.tables import schema_of
from tests.test_docs import code_words, page, rows

TEXT = page("homehealth.md")


def test_every_class_field_value_and_role_is_listed() -> None:
    fields = {name for table in TABLES for name in schema_of(table).fields}
    classes = {str(table._meta.tablename) for table in TABLES}
    values = {*rules.JOB_STATES.states, *rules.URGENCIES, *rules.AVAILABILITIES, *rules.PRIORITIES, *rules.VERIFICATIONS}
    roles = {grant.role for grant in rules.GRANTS.rows}
    told = code_words(TEXT)
    assert sorted((fields | classes | values | roles) - {"objectId", "createdAt", "updatedAt", "ACL"} - told) == []


def test_every_step_of_a_visit_is_in_the_table_with_who_makes_it() -> None:
    told: dict[tuple[str, str], set[str]] = {}
    states = set(rules.JOB_STATES.states)
    for row in (row for row in rows(TEXT) if len(row) == 3):
        sources, targets = re.findall(r"`(\w+)`", row[0]), re.findall(r"`(\w+)`", row[1])
        if sources and states.issuperset(sources) and states.issuperset(targets):
            who = set(re.findall(r"dispatcher|admin|coordinator|technician", row[2]))
            told |= {(source, target): who for source in sources for target in targets}
    steps = {(step.source, step.target): set(step.roles) for step in rules.JOB_STATES.transitions if step.source}
    assert told == steps


def test_the_numbers_are_the_codes() -> None:
    minutes = [limit.seconds // 60 for limit in (rules.LATE_AFTER, rules.OVERRUN_AFTER, rules.CLOCK_SKEW)]
    hours = [limit.seconds // 3600 for limit in (rules.UNASSIGNED_SOON, rules.UNCONFIRMED_SOON)]
    late, over, skew = minutes
    for words in (
        f"not begun {late} minutes after",
        f"under way {over} minutes longer",
        f"at most {skew} minutes ahead",
        f"within {hours[0]} hours",
        f"within {hours[1]} hour",
        f"more than {rules.NEARBY_METERS} m from",
        f"within {rules.POSITION_FRESH.seconds // 60} minutes of",
        f"up to {rules.MAX_MINUTES}",
        f"{rules.USUAL_MINUTES} where none is set",
    ):
        assert words in TEXT
