"""Which changes move an authority: of sessions, accounts, roles and classes.

Owns: the classes whose rows say who may what, and whom a change of them concerns. Always holds: who may see more or less by
a change is among those it concerns. Pure. May import core, store.changes.feed and live.results.plan.
"""

from app.core.wire import Object
from app.live.results.plan import ANY, Plan
from app.store.changes.feed import Change

MEMBERSHIP = "_Join:users:_Role"
INHERITANCE = "_Join:roles:_Role"
ROLE_CLASSES = frozenset({"_Role", MEMBERSHIP, INHERITANCE})
AUTHORITY_CLASSES = ROLE_CLASSES | {"_Session", "_User", "_SCHEMA"}


def concerns(change: Change, plan: Plan) -> bool:
    """Whether a change may alter what this caller, with the roles it had until now, may see of this class."""
    caller = plan.caller
    if change.class_name == "_Session":
        is_own = not caller.is_master and change.object_id == caller.session_id
        return is_own and _differ(change, "expiresAt", "user")
    if not may_move(change, plan):
        return False
    match change.class_name:
        case "_Role":
            return (change.before_object or {}).get("name") in caller.authority.roles
        case "_Join:roles:_Role":
            return bool(caller.authority.roles)
    return True


def may_move(change: Change, plan: Plan) -> bool:
    """Whether a change may alter what this caller may see of this class, whichever roles it had. Decodes no other change."""
    caller = plan.caller
    if change.class_name not in AUTHORITY_CLASSES or caller.is_master:
        return False
    match change.class_name:
        case "_SCHEMA":
            return change.object_id == plan.schema.class_name or change.object_id in plan.others or ANY in plan.others
        case "_User":
            return change.object_id == caller.user_id and _differ(change, "active")
        case "_Role":  # one that is new is felt with its first membership
            return caller.user_id is not None and change.before is not None and _differ(change, "name")
        case "_Join:users:_Role":
            return caller.user_id is not None and caller.user_id in related(change.before_object, change.after_object)
    return change.class_name == INHERITANCE and caller.user_id is not None


def _differ(change: Change, *names: str) -> bool:
    before, after = change.before_object or {}, change.after_object
    return after is None or any(before.get(name) != after.get(name) for name in names)


def related(*rows: Object | None) -> set[object]:
    """The members in rows of a relation."""
    return {row.get("relatedId") for row in rows if row is not None}
