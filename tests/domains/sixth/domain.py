"""The toy domain: who may what, one state machine, one board. Nothing else anywhere knows of it."""

from app.actions.hooks import Hooks
from app.actions.objects import Objects
from app.domains.domain import Domain, Grant, Grants, StateMachine, Transition, permissions_of
from app.domains.guard import guard_class
from app.domains.visibility import acl
from app.live.boards.board import Action, Board, Column, Input, Join, Level, Panel, Related, Section, Source, Tile
from tests.domains.sixth.tables import TABLES

CLASSES = ("WalkingFrame", "Loan")
DESK = frozenset({"dispatcher"})
EVERYBODY = "array['role:dispatcher']"

GRANTS = Grants(
    rows=tuple(Grant("dispatcher", name, operation) for name in CLASSES for operation in ("read", "create", "update", "delete")),
    derived={},
    advice={},
)
STATES = StateMachine(
    class_name="WalkingFrame",
    field="state",
    transitions=(
        Transition(None, "here", DESK),
        Transition("here", "lent", DESK, needs=("dueAt",)),
        Transition("lent", "here", DESK),
        Transition("lent", "lost", DESK),
    ),
)
BOARD = Board(
    name="frames",
    title="Walking frames · loans",
    nav="Frames",
    icon="box",
    noun=("frame", "frames"),
    level_field="state",
    levels=(
        Level(value="lost", label="Lost", icon="alert"),
        Level(value="lent", label="Lent", icon="person"),
        Level(value="unknown", label="Unknown", icon="unknown"),
        Level(value="here", label="Here", icon="dot"),
    ),
    order="dueAt",
    label="label",
    sources=(
        Source(name="frames", class_name="WalkingFrame", keys=("label", "state", "dueAt")),
        Source(name="loans", class_name="Loan", keys=("frame", "borrower")),
    ),
    joins=(Join(name="loan", source="loans", back="frame"),),
    columns=(
        Column(key="state", label="State", kind="level", field="state"),
        Column(key="frame", label="Frame", kind="name", field="label"),
        Column(key="due", label="Due", kind="due", field="dueAt", status="state", settled=("here",)),
        Column(key="loans", label="Loans", kind="count", field="loan.count"),
    ),
    tiles=(Tile(key="lent", label="Lent", one="lent frames", field="state", equals="lent", level="lent", none="All are here."),),
    search=("label",),
    panel=Panel(
        title="{label}",
        subtitle=(),
        related=(Related(name="loans", class_name="Loan", field="frame", order="-createdAt"),),
        sections=(Section(kind="log", label="Loans", related=("loans",), at="createdAt", text=("lent",), empty="Never lent."),),
    ),
    actions=(
        Action(
            key="state",
            label="Change state",
            icon="flag",
            submit="Change",
            done="{label}: {state}.",
            class_name="WalkingFrame",
            updates=True,
            roles=("dispatcher",),
            inputs=(
                Input(name="state", label="State", kind="state", required=True),
                Input(name="dueAt", label="Due", kind="time", required=True, when=("state", "lent")),
            ),
        ),
    ),
    empty="No frame is known.",
)


def install(hooks: Hooks, objects: Objects) -> None:
    """Matrix, states and audit."""
    for class_name in CLASSES:
        guard_class(hooks, class_name, GRANTS, (STATES,), objects.clock)


SIXTH = Domain(
    name="sixth",
    tables=TABLES,
    permissions={name: permissions_of(GRANTS, name) for name in CLASSES},
    sql="\n".join(acl(name, readers=EVERYBODY, writers=EVERYBODY, facts=()) for name in CLASSES),
    install=install,
    grants=GRANTS,
    machines=(STATES,),
    board=BOARD,
)
