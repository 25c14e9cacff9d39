"""What a write in oncology care is judged by beyond the matrix, and what it brings with it.

Owns: the hooks that call the checks of `rules.py`, and `install`. Holds: who records something of a patient is that patient, or
on their care team at the moment of the write, or an administrator; a signature is the signer's own; what calls for a nurse
raises its alert in the same transaction. The row of the patient's account is locked before a team is judged, so that nobody is
taken off the team between the look and the write. May import actions and the files of this domain.
"""

from typing import Final

from app.actions.alerts import raise_alert
from app.actions.hooks import DeleteEvent, Hooks, Next, SaveEvent, SaveHandler
from app.actions.objects import Objects
from app.core.wire import Json, Object, pointer
from app.domains.domain import forbidden, invalid
from app.domains.guard import BEFORE_REQUIRED, EFFECTS, Clock, guard_class
from app.domains.limits import pointed
from app.domains.oncology.rules import (
    CTCAE_DEFAULT,
    CYCLE_STATES,
    GRANTS,
    OPEN,
    PARENTS_FIRST,
    SEVERE,
    TEAM_ROLES,
    UNIQUE,
    check_accounts,
    check_not_ahead,
    check_signing,
    grade_of,
)
from app.errors import ErrorCode
from app.store.refusals import register_sentence

BEFORE_MATRIX: Final = BEFORE_REQUIRED - 1
AFTER_MATRIX: Final = BEFORE_REQUIRED + 1

_LOCK_RECORD: Final = 'select from "_User" where "objectId" = $1 for no key update'
_ON_TEAM: Final = "select $2 = any(careboard.oncology_team($1))"
_PATIENT_OF: Final = 'select "patient" from "ChemoCycle" where "objectId" = $1'
_HAS_OPEN: Final = 'select exists (select from "ChemoCycle" where "patient" = $1 and "status" = any($2))'
_LEFT_RECORDS: Final = """
select not exists (select from "Patient" where "user" = $1) and (exists (select from "ChemoCycle" where "patient" = $1)
  or exists (select from "Treatment" where "patient" = $1) or exists (select from "LabTrend" where "patient" = $1))
"""
_NO_TEAM_ROLE: Final = """
select "objectId" from unnest($1::text[]) "objectId" left join "_User" u using ("objectId")
where u."role" is null or not u."role" = any($2) limit 1
"""


def install(hooks: Hooks, objects: Objects) -> None:
    """Puts the domain's rules around the writes of its classes."""
    for constraint, sentence in UNIQUE.items():
        register_sentence(constraint, sentence, ErrorCode.DUPLICATE_VALUE)
    for class_name in PARENTS_FIRST:
        guard_class(hooks, class_name, GRANTS, (CYCLE_STATES,), objects.clock)
    hooks.on_save("Patient", _fill_profile, id="oncology.owner", priority=BEFORE_MATRIX)
    hooks.on_save("Patient", _save_profile, id="oncology.profile", priority=EFFECTS)
    hooks.on_delete("Patient", _delete_profile, id="oncology.profile")
    hooks.on_save("ChemoCycle", _fill_cycle, id="oncology.default", priority=AFTER_MATRIX)
    hooks.on_save("ChemoCycle", _save_cycle, id="oncology.cycle", priority=EFFECTS)
    hooks.on_save("Treatment", _save_treatment, id="oncology.treatment", priority=EFFECTS)
    hooks.on_save("SideEffect", _saving_effect(objects.clock), id="oncology.effect", priority=EFFECTS)
    hooks.on_save("LabTrend", _saving_result(objects.clock), id="oncology.result", priority=EFFECTS)


async def _fill_profile(event: SaveEvent, go_on: Next) -> None:
    """Who registers a patient does so for themselves, or looks after them."""
    me = event.caller.user_id
    if event.is_new and me is not None and not event.caller.is_master:
        if event.role == "patient" and event.object.get("user") is None:
            event.set("user", pointer("_User", me))
        elif event.role in TEAM_ROLES and _member(me) not in _list(event.object.get("careTeam")):
            event.set("careTeam", [*_list(event.object.get("careTeam")), _member(me)])
    await go_on()


async def _save_profile(event: SaveEvent, go_on: Next) -> None:
    own = pointed(event.object.get("user"))
    if event.is_new and event.role == "patient" and own != event.caller.user_id:
        raise forbidden("user: a patient registers themselves only; ask a nurse to register somebody else.")
    if event.is_new and event.role in TEAM_ROLES and own is not None and not event.caller.is_master:
        await event.tx.execute(_LOCK_RECORD, own)
        if await event.tx.fetchval(_LEFT_RECORDS, own):  # who registers a patient is on the team, and the team reads it all
            raise forbidden("user: this patient has a record already; ask the patient to register and to add you.")
    if event.changed("careTeam"):
        await _check_team(event)
    await go_on()


async def _delete_profile(event: DeleteEvent, go_on: Next) -> None:
    if await event.tx.fetchval(_HAS_OPEN, pointed(event.object.get("user")), list(OPEN)):
        raise invalid(
            "This patient has open cycles, which the care team would lose sight of; complete or discontinue those first."
        )
    await go_on()


async def _check_team(event: SaveEvent) -> None:
    check_accounts("careTeam", event.object.get("careTeam"))
    members = [pointed(each) for each in _list(event.object.get("careTeam"))]
    stranger = await event.tx.fetchval(_NO_TEAM_ROLE, members, list(TEAM_ROLES))
    if stranger is not None:
        raise invalid(f"careTeam: {stranger} is no account of the role {', '.join(TEAM_ROLES[:-1])} or {TEAM_ROLES[-1]}.")


async def _fill_cycle(event: SaveEvent, go_on: Next) -> None:
    """A cycle is planned until somebody says otherwise; a reason belongs to the step it was given with."""
    if event.is_new and event.object.get("status") is None:
        event.set("status", "planned")
    if not event.is_new and event.changed("status") and "statusReason" not in event.body:
        event.set("statusReason", None)
    await go_on()


async def _save_cycle(event: SaveEvent, go_on: Next) -> None:
    await _check_party(event, pointed(event.object.get("patient")))
    _check_stays(event, "patient")
    if not event.caller.is_master:
        check_signing(event.original or {}, event.object, event.caller.user_id)
    if event.changed("status") and event.object.get("status") == "delayed" and event.object.get("clearedBy"):
        event.set("clearedBy", [])  # whoever signed had seen other results
    await go_on()


async def _save_treatment(event: SaveEvent, go_on: Next) -> None:
    """A treatment of a cycle is of the cycle's patient; a patient's own is theirs without saying so."""
    cycle = pointed(event.object.get("chemoCycle"))
    patient = pointed(event.object.get("patient"))
    if cycle is not None:
        owner = await event.tx.fetchval(_PATIENT_OF, cycle)
        if patient is not None and owner is not None and patient != owner:
            raise invalid("patient: the chemoCycle is of another patient; leave patient out, or give the cycle's.")
        patient = owner or patient
    elif patient is None and event.role == "patient":
        patient = event.caller.user_id
    if patient is None and not event.caller.is_master:
        raise invalid("patient: say whose treatment it is, by patient or by chemoCycle.")
    if patient is not None and event.object.get("patient") is None:
        event.set("patient", pointer("_User", patient))
    await _check_party(event, patient)
    _check_stays(event, "patient")
    await go_on()


def _saving_effect(clock: Clock) -> SaveHandler:
    async def save_effect(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead("recordedAt", event.object.get("recordedAt"), clock())
        _check_stays(event, "chemoCycle")
        if event.is_new:
            await _check_party(event, await event.tx.fetchval(_PATIENT_OF, pointed(event.object.get("chemoCycle"))), "chemoCycle")
        _grade(event)
        await go_on()
        await _call_for_effect(event)

    return save_effect


def _grade(event: SaveEvent) -> None:
    """The grade that the severity stands for, unless somebody gave one."""
    before = event.original or {}
    was_derived = before.get("grade") is None or before.get("grade") == grade_of(before.get("severity"))
    if "grade" not in event.body and (event.is_new or event.changed("severity")) and was_derived:
        grade = grade_of(event.object.get("severity"))
        if grade is not None or "grade" in event.object:
            event.set("grade", grade)
    if event.object.get("grade") is not None and event.object.get("ctcaeVersion") is None:
        event.set("ctcaeVersion", CTCAE_DEFAULT)


async def _call_for_effect(event: SaveEvent) -> None:
    """A nurse hears of what is severe, and of what has words that stand for no grade: it may be."""
    grade, before = event.object.get("grade"), (event.original or {}).get("grade")
    about = ("SideEffect", event.object_id)
    if grade is None:
        if event.is_new:
            words = "A side effect was reported in words that stand for no grade; read it and give one."
            await raise_alert(event, words, urgency="normal", role="nurse", about=about, kind="side_effect_ungraded")
    elif _number(grade) >= SEVERE and _number(grade) > _number(before):
        deadly = _number(grade) > SEVERE
        words = "A life-threatening side effect was reported." if deadly else "A severe side effect was reported."
        kind = "side_effect_life_threatening" if deadly else "side_effect_severe"
        await raise_alert(event, words, urgency="critical" if deadly else "high", role="nurse", about=about, kind=kind)


def _saving_result(clock: Clock) -> SaveHandler:
    async def save_result(event: SaveEvent, go_on: Next) -> None:
        check_not_ahead("date", event.object.get("date"), clock())
        await _check_party(event, pointed(event.object.get("patient")))
        _check_stays(event, "patient")
        await go_on()
        if event.object.get("flag") in ("LL", "HH") and event.changed("flag"):
            words, about = "A lab result is outside its critical limits.", ("LabTrend", event.object_id)
            await raise_alert(event, words, urgency="high", role="nurse", about=about, kind="lab_critical")

    return save_result


async def _check_party(event: SaveEvent, patient: str | None, name: str = "patient") -> None:
    """Refuses (119) who is neither the patient nor on their care team. A patient there is not sounds the same."""
    caller = event.caller
    if caller.is_master or not event.is_new or event.role == "admin":
        return  # what exists is guarded by its ACL
    await event.tx.execute(_LOCK_RECORD, patient)
    is_own = event.role == "patient" and patient == caller.user_id
    if not is_own and not (event.role in TEAM_ROLES and await event.tx.fetchval(_ON_TEAM, patient, caller.user_id)):
        raise forbidden(f"{name}: there is none with that objectId whose care team you are on; ask the patient to add you.")


def _check_stays(event: SaveEvent, name: str) -> None:
    if not event.is_new and not event.caller.is_master and event.changed(name):
        raise invalid(f"{name}: a {event.class_name} stays with its {name}; delete it and record it anew.")


def _member(user_id: str) -> Object:
    return pointer("_User", user_id)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
