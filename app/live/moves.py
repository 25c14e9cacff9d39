"""Which changes move an authority: of sessions, accounts, roles and classes.

Owns: the classes whose rows say who may what, and whom a change of them concerns. Always holds: who may see more or less by
a change is among those it concerns. Pure. May import core, store.feed and live.plan.
"""

from app.core.wire import Object
from app.live.plan import ANY, Plan
from app.store.feed import Change

MEMBERSHIP = "_Join:users:_Role"
INHERITANCE = "_Join:roles:_Role"
ROLE_CLASSES = frozenset({"_Role", MEMBERSHIP, INHERITANCE})
AUTHORITY_CLASSES = ROLE_CLASSES | {"_Session", "_User", "_SCHEMA"}


def concerns(change: Change, plan: Plan) -> bool:
    """Whether a change may alter what this caller, with the roles it had until now, may see of this class."""
    caller, before = plan.caller, change.before_object or {}
    match change.class_name:
        case "_Session":
            is_own = not caller.is_master and change.object_id == caller.session_id
            return is_own and _differ(before, change.after_object, "expiresAt", "user")
        case "_Role":
            return may_move(change, plan) and before.get("name") in caller.authority.roles
        case "_Join:roles:_Role":
            return may_move(change, plan) and bool(caller.authority.roles)
    return may_move(change, plan)


def may_move(change: Change, plan: Plan) -> bool:
    """Whether a change may alter what this caller may see of this class, whichever roles it had."""
    caller = plan.caller
    if caller.is_master:
        return False
    before, after = change.before_object or {}, change.after_object
    match change.class_name:
        case "_SCHEMA":
            return change.object_id == plan.schema.class_name or change.object_id in plan.others or ANY in plan.others
        case "_User":
            return change.object_id == caller.user_id and _differ(before, after, "active")
        case "_Role":  # one that is new is felt with its first membership
            return caller.user_id is not None and change.before is not None and _differ(before, after, "name")
        case "_Join:users:_Role":
            return caller.user_id is not None and caller.user_id in related(change.before_object, after)
    return change.class_name == INHERITANCE and caller.user_id is not None


def _differ(before: Object, after: Object | None, *names: str) -> bool:
    return after is None or any(before.get(name) != after.get(name) for name in names)


def related(*rows: Object | None) -> set[object]:
    """The members in rows of a relation."""
    return {row.get("relatedId") for row in rows if row is not None}
