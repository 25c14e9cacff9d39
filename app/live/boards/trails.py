"""Ready lists of who did what and who looked, for any domain to put beside its board.

Owns: `audit_list`, `access_list` and `history`. Holds: descriptions only; who may read a row is told by the server. May import
core and live.boards.board.
"""

from app.core.wire import Json, Object
from app.live.boards.board import Board, Column, Fact, Join, Panel, Related, Section, Source, Tile

_NEWEST = 500
_WHOSE = "whose.displayName|whose.username"
_WHO = "who.displayName|who.username"
_PEOPLE = Source(name="people", class_name="_User", keys=("username", "displayName", "role"))
_VERBS = {"create": "created", "update": "changed", "delete": "deleted"}


def audit_list(entity_types: tuple[str, ...], roles: tuple[str, ...] = ("admin",), *, name: str = "audit") -> Board:
    """The newest deeds on objects of these classes, from `AuditLog`."""
    where: Object = {"entityType": {"$in": list[Json](entity_types)}}
    keys = ("actor", "action", "entityType", "entityId", "summary", "metadata", "previousHash", "hash")
    return Board(
        name=name,
        title="Audit trail",
        nav="Audit",
        icon="shield",
        noun=("entry", "entries"),
        order="createdAt",
        newest_first=True,
        label="summary",
        roles=roles,
        sources=(Source(name="trail", class_name="AuditLog", keys=keys, where=where, order="-createdAt", limit=_NEWEST), _PEOPLE),
        joins=(Join(name="who", source="people", field="actor"),),
        columns=(
            Column(key="when", label="When", kind="age", field="createdAt", width=(74, 0.0), flash=False),
            Column(key="summary", label="What", kind="name", field="summary", is_deed=True, width=(220, 2.4)),
            Column(key="who", label="Who", kind="text", field=_WHO, detail="{who.role}", width=(130, 0.8)),
            Column(key="on", label="On", kind="text", field="entityType", detail="{entityId}", width=(120, 0.6), yields=1),
        ),
        tiles=tuple(
            Tile(key=value, label=label.capitalize(), one=f"entries where something was {label}", field="action", equals=value)
            for value, label in _VERBS.items()
        ),
        search=("summary", "action", "entityType", "entityId", "who.displayName", "who.username"),
        search_hint="deed, person, object",
        panel=Panel(
            title="{action} {entityType}",
            subtitle=("{entityId}",),
            related=(),
            sections=(
                Section(
                    kind="facts",
                    label="Entry",
                    facts=(
                        Fact(label="When", field="createdAt", kind="clock"),
                        Fact(label="Who", field="{who.displayName|who.username}", missing="the server"),
                        Fact(label="What", field="summary", kind="deed"),
                        Fact(label="Object", field="{entityType} {entityId}"),
                        Fact(label="Hash", field="{hash}"),
                        Fact(label="Hash before", field="{previousHash}", missing="the first of its chain"),
                    ),
                ),
                Section(kind="others", label="More on this object", field="entityId"),
            ),
        ),
        people_roles=("admin",),
        labels={"action": {"create": "Created", "update": "Changed", "delete": "Deleted"}},
        empty="Each write leaves an entry here, from the moment it is done.",
    )


def history(class_name: str, *, wide: bool = True) -> tuple[Related, Section]:
    """What was done to one row, for an admin: what its panel reads, and the section that tells it."""
    related = Related(
        name="history",
        class_name="AuditLog",
        field="entityId",
        by_id=True,
        where={"entityType": class_name},
        order="-createdAt",
        roles=("admin",),
    )
    section = Section(
        kind="history",
        label="History",
        related=("history",),
        at="createdAt",
        by="actor.displayName|actor.username",
        empty="Nothing was changed here yet.",
        wide=wide,
    )
    return related, section


def access_list(roles: tuple[str, ...] = ("admin",), *, name: str = "access", title: str = "Who looked") -> Board:
    """The newest looks at records, from `AccessLog`."""
    keys = ("user", "userName", "userRole", "accessTime", "entityType", "entityId", "action", "subject")
    return Board(
        name=name,
        title=title,
        nav="Who looked",
        icon="shield",
        noun=("look", "looks"),
        order="accessTime",
        newest_first=True,
        label="entityType",
        roles=roles,
        sources=(Source(name="looks", class_name="AccessLog", keys=keys, order="-accessTime", limit=_NEWEST), _PEOPLE),
        joins=(Join(name="whose", source="people", field="subject"),),
        columns=(
            Column(key="when", label="When", kind="age", field="accessTime", width=(74, 0.0), flash=False),
            Column(key="what", label="Record", kind="name", field="entityType", detail="{entityId}", width=(150, 1.0)),
            Column(
                key="whose", label="Whose", kind="text", field="whose.displayName|whose.username", personal=True, width=(130, 1.0)
            ),
            Column(
                key="who",
                label="Who looked",
                kind="text",
                field="userName",
                detail="{userRole}",
                width=(140, 1.0),
            ),
            Column(key="how", label="How", kind="status", field="action", width=(100, 0.3), yields=1),
        ),
        search=("entityType", "entityId", "action", "userName", "whose.displayName"),
        search_hint="person, record, way",
        panel=Panel(
            title="{entityType}",
            subtitle=("{action}",),
            related=(),
            sections=(
                Section(
                    kind="facts",
                    label="Look",
                    facts=(
                        Fact(label="When", field="accessTime", kind="clock"),
                        Fact(label="Who", field="{userName}"),
                        Fact(label="Whose", field="{whose.displayName|whose.username}", missing="of nobody in particular"),
                        Fact(label="Record", field="{entityType} {entityId}"),
                    ),
                ),
                Section(kind="others", label="More looks at this record", field="entityId"),
            ),
        ),
        empty="Each look at a record that is under the access log leaves an entry here.",
    )
