"""Oxygen delivery, as the server registers it. May import the files of this domain."""

from typing import Final

from app.domains.domain import Domain, permissions_of
from app.domains.oxygen.board import BOARD
from app.domains.oxygen.demo import create_demo
from app.domains.oxygen.effects import install
from app.domains.oxygen.rules import GRANTS, LIMITS, PARENTS_FIRST, TANK_STATES
from app.domains.oxygen.tables import TABLES
from app.domains.oxygen.triggers import SQL, tick

OXYGEN: Final = Domain(
    name="oxygen",
    tables=TABLES,
    permissions={class_name: permissions_of(GRANTS, class_name) for class_name in PARENTS_FIRST},
    sql=SQL,
    install=install,
    grants=GRANTS,
    machines=(TANK_STATES,),
    board=BOARD,
    tick=tick,
    demo=create_demo,
    sentences={limit.name: limit.sentence for limit in LIMITS},
)
