"""Oncology care, as the server registers it. May import the files of this domain."""

from typing import Final

from app.domains.domain import Domain, permissions_of
from app.domains.oncology.board import BOARD
from app.domains.oncology.demo import create_demo
from app.domains.oncology.effects import install
from app.domains.oncology.rules import CYCLE_STATES, GRANTS, LIMITS, PARENTS_FIRST
from app.domains.oncology.tables import TABLES
from app.domains.oncology.triggers import SQL, tick

ONCOLOGY: Final = Domain(
    name="oncology",
    tables=TABLES,
    permissions={class_name: permissions_of(GRANTS, class_name) for class_name in PARENTS_FIRST},
    sql=SQL,
    install=install,
    grants=GRANTS,
    machines=(CYCLE_STATES,),
    board=BOARD,
    tick=tick,
    demo=create_demo,
    read_logged=frozenset(PARENTS_FIRST),
    subjects={
        "Patient": "user",
        "ChemoCycle": "patient",
        "Treatment": "patient",
        "SideEffect": "chemoCycle.patient",
        "LabTrend": "patient",
    },
    sentences={limit.name: limit.sentence for limit in LIMITS},
)
