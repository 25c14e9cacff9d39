"""The hooks every domain has: its matrix, its state machines and the audit trail, put around each write of its classes.

Owns: `guard_class`, `audit_class` and `audit_accounts`. Holds: the matrix is asked before a row is looked for, so that a
role that may never do a thing hears so; the state machine is asked with the row locked, so of two who race the second is
told; the audit row is written in the same transaction, or nothing is. The master key passes the matrix, never the state
machine. May import actions, domain.py and limits.py.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from app.actions.audit import record
from app.actions.caller import Caller
from app.actions.hooks import DeleteEvent, Draft, Hooks, Next, SaveEvent
from app.core.wire import Json, Object
from app.domains.domain import Grant, Grants, Operation, StateMachine, forbidden, listed
from app.domains.limits import pointed

BEFORE_REQUIRED = -50
AFTER_REQUIRED = 10
EFFECTS = 20
INNERMOST = 90
"""Places in the chain; a domain's own effects stand at EFFECTS."""

_UNTOLD = frozenset({"objectId", "createdAt", "updatedAt", "ACL"})
_SECRETS = {"_hashed_password": "password", "authData": "authData"}
"""What is noted as changed, though nobody is told from what to what."""


Clock = Callable[[], datetime]


def as_master(caller: Caller) -> Caller:
    """The same person, acting through a rule: may write anything, and stays the actor in the audit trail."""
    return replace(caller, authority=replace(caller.authority, is_master=True))


def guard_class(hooks: Hooks, class_name: str, grants: Grants, machines: tuple[StateMachine, ...], clock: Clock) -> None:
    """Puts the matrix, the state machines of this class and the audit trail around its writes."""

    async def ask_role(draft: Draft) -> None:
        operation: Operation = "update" if draft.object_id else "create"
        if not draft.caller.is_master:
            grants.check_fields(draft.caller.authority.roles, class_name, operation, ())

    async def ask_matrix(event: SaveEvent, go_on: Next) -> None:
        if not event.caller.is_master:
            await _check_matrix(event, grants)
        await go_on()

    async def ask_machines(event: SaveEvent, go_on: Next) -> None:
        for machine in machines:
            if machine.class_name == class_name:
                _check_step(event, machine, clock())
        await go_on()

    hooks.prepare(class_name, ask_role, id="domain.role")
    hooks.on_save(class_name, ask_matrix, id="domain.matrix", priority=BEFORE_REQUIRED)
    hooks.on_save(class_name, ask_machines, id="domain.states", priority=AFTER_REQUIRED)
    audit_class(hooks, class_name)


def audit_class(hooks: Hooks, class_name: str, *, with_values: bool = True) -> None:
    """Writes an AuditLog row with every write of a class; `with_values` False keeps to the names of the fields."""

    async def note_save(event: SaveEvent, go_on: Next) -> None:
        await go_on()
        before, after = event.original or {}, event.object
        told = {name for name in {*before, *after} - _UNTOLD if before.get(name) != after.get(name)}
        names = sorted(told | {name for secret, name in _SECRETS.items() if secret in event.secrets})
        action = "create" if event.is_new else "update"
        changes: Object = {name: _change(before.get(name), after.get(name), event.is_new) for name in names}
        metadata: Object = {"changes": changes} if with_values else {"fields": list[Json](names)}
        await record(
            event.tx,
            event.caller,
            action,
            class_name,
            event.object_id,
            f"{action} {class_name}: {', '.join(names) or 'nothing changed'}",
            metadata,
        )

    async def note_delete(event: DeleteEvent, go_on: Next) -> None:
        await go_on()
        was: Object = {name: _noted(value) for name, value in event.object.items()}
        metadata: Object = {"was": was} if with_values else {}
        await record(event.tx, event.caller, "delete", class_name, event.object_id, f"delete {class_name}", metadata)

    hooks.on_save(class_name, note_save, id="domain.audit", priority=INNERMOST)
    hooks.on_delete(class_name, note_delete, id="domain.audit", priority=INNERMOST)


def audit_accounts(hooks: Hooks) -> None:
    """Accounts belong to all domains: their writes stand in the trail once, by the names of the fields alone."""
    audit_class(hooks, "_User", with_values=False)


def _change(before: Json, after: Json, is_new: bool) -> Json:
    return _noted(after) if is_new else {"from": _noted(before), "to": _noted(after)}


def _noted(value: Json) -> Json:
    """A file is noted by its name: whoever reads the trail is not thereby one who may read the file."""
    if isinstance(value, list):
        return [_noted(each) for each in value]
    if not isinstance(value, dict):
        return value
    return value.get("name") if value.get("__type") == "File" else {name: _noted(each) for name, each in value.items()}


async def _check_matrix(event: SaveEvent, grants: Grants) -> None:
    if event.changed("ACL"):
        raise forbidden(f"The ACL of a {event.class_name} follows from the people it names; change those and leave the ACL out.")
    operation: Operation = "create" if event.is_new else "update"
    fields = [name for name in event.changes if name != "ACL" and event.changed(name)]
    rows = grants.check_fields(event.caller.authority.roles, event.class_name, operation, fields)
    free = [role for row in grants.rows if (role := _unsigned(row, event.class_name, operation))]
    refusals = [refusal for row in rows if (refusal := await _not_own(event, row, tuple(dict.fromkeys(free))))]
    if len(refusals) == len(rows):
        raise forbidden(refusals[0])


def _unsigned(row: Grant, class_name: str, operation: Operation) -> str | None:
    """The role of a row that does this in anybody's name."""
    return row.role if (row.class_name, row.operation, row.signed) == (class_name, operation, None) else None


async def _not_own(event: SaveEvent, row: Grant, free: tuple[str, ...]) -> str | None:
    """Why this row of the matrix does not cover the write, or None when it does; `free` are the roles that need not sign."""
    if row.signed and not _is_left_out(event, row.signed) and pointed(event.object.get(row.signed)) != event.caller.user_id:
        others = f"; only {listed(free, 'or')} records for somebody else" if free else ""
        return f"{row.signed}: give yourself{others}."
    if row.through is None or not event.is_new or _is_left_out(event, row.through.pointer):
        return None
    target = pointed(event.object.get(row.through.pointer))
    # One's own is locked, so that it cannot be given to somebody else between this look and the write.
    own = f'"{row.through.class_name}" where "objectId" = $1 and "{row.through.owner}" = $2'
    if await event.tx.fetchval(f"select true from {own} for no key update", target, event.caller.user_id):
        return None
    return f"{row.through.pointer}: there is none with that objectId that is assigned to you; ask a dispatcher to assign it."


def _is_left_out(event: SaveEvent, name: str) -> bool:
    """Whether a required field is missing: the check that comes next names it, which helps more than a word about roles."""
    field = event.schema.fields.get(name)
    return field is not None and field.required and event.object.get(name) is None


def _check_step(event: SaveEvent, machine: StateMachine, now: datetime) -> None:
    source = (event.original or {}).get(machine.field)
    asked_again = not event.is_new and set(event.body) - _UNTOLD == {machine.field}
    if not (event.is_new or event.changed(machine.field) or asked_again):
        return
    roles = None if event.caller.is_master else event.caller.authority.roles
    machine.check(source if isinstance(source, str) else None, event.object, roles, now)
