"""Home health, as the server registers it. May import the files of this domain."""

from typing import Final

from app.domains.domain import Domain, permissions_of
from app.domains.homehealth.board import BOARD
from app.domains.homehealth.demo import create_demo
from app.domains.homehealth.effects import install
from app.domains.homehealth.rules import GRANTS, JOB_STATES, LIMITS, PARENTS_FIRST
from app.domains.homehealth.tables import TABLES
from app.domains.homehealth.triggers import SQL, tick

HOMEHEALTH: Final = Domain(
    name="homehealth",
    tables=TABLES,
    permissions={class_name: permissions_of(GRANTS, class_name) for class_name in PARENTS_FIRST},
    sql=SQL,
    install=install,
    grants=GRANTS,
    machines=(JOB_STATES,),
    board=BOARD,
    tick=tick,
    demo=create_demo,
    sentences={limit.name: limit.sentence for limit in LIMITS},
)
