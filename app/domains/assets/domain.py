"""Hospital assets, as the server registers them. May import the files of this domain."""

from typing import Final

from app.domains.assets.board import BOARD
from app.domains.assets.demo import create_demo
from app.domains.assets.effects import install
from app.domains.assets.rules import GRANTS, LIMITS, MACHINES, PARENTS_FIRST
from app.domains.assets.tables import TABLES
from app.domains.assets.triggers import SQL, tick
from app.domains.domain import Domain, permissions_of

ASSETS: Final = Domain(
    name="assets",
    tables=TABLES,
    permissions={class_name: permissions_of(GRANTS, class_name) for class_name in PARENTS_FIRST},
    sql=SQL,
    install=install,
    grants=GRANTS,
    machines=MACHINES,
    board=BOARD,
    tick=tick,
    demo=create_demo,
    filled={"Asset": frozenset({"currentLocation"}), "MaintenanceLog": frozenset({"startedAt", "status"})},
    sentences={limit.name: limit.sentence for limit in LIMITS},
)
