"""The demo: a believable hospital on an empty database, so that the board has something to say for hours.

Owns: `create_demo`. Holds: every date follows from the rules (a plan's next date is the last work plus its interval, an asset's
place and holder are those of its active assignment, an asset out of service has a failed inspection), so history, dates and
urgencies agree with each other; all of it is one transaction. Rows are inserted through the Piccolo tables, in bulk: the
triggers give them their facts and readers. May import actions and the files of this domain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from app.actions.objects import Objects
from app.actions.users import Users
from app.core.wire import Object
from app.domains.assets.catalogue import (
    CATALOGUE,
    CHECKLIST,
    CHECKLISTS,
    DEPARTMENTS,
    FACILITIES,
    FAULTS,
    FINDINGS,
    PEOPLE,
    SHARED_PLACES,
    STORE,
    WORKSHOP,
    Kind,
    udi,
)
from app.domains.assets.rules import DUE_SOON
from app.domains.assets.tables import (
    Asset,
    AssetAssignment,
    ComplianceEvent,
    Facility,
    Inspection,
    Location,
    MaintenanceLog,
    MaintenancePlan,
)
from app.domains.domain import NO_MAIL, Passwords, SignIn
from app.store.tables import ParseTable

HOURS_TO_DUE: Final = (0.1, 0.4, 0.9, 1.5, 2.2, 3.1, 4.3, 6.0, 8.0, 11.0)
"""Services that fall due while somebody watches."""

HOURS_TO_SOON: Final = (0.2, 0.7, 1.2, 2.0, 3.3, 5.0, 7.5)
"""Services that turn due soon while somebody watches."""

DAYS_OVERDUE: Final = (0.3, 1.2, 2.6, 5.0, 9.0, 16.0)
STATES: Final = {"out_of_service": 4, "maintenance": 5, "retired": 3}
DOWN: Final = 2
"""Out of service too, but nobody's life depends on them."""
RECALLED: Final = 2
MISSING: Final = 1
UNPLANNED: Final = 3
HISTORY: Final = timedelta(days=400)
CHUNK: Final = 500

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


async def create_demo(objects: Objects, users: Users, now: datetime, rng: Random, passwords: Passwords) -> list[SignIn]:
    """Makes accounts, places, assets and their history, all or nothing; returns the sign-ins. Meant for an empty database."""
    sign_ins = [SignIn(username, passwords(username), role, name) for username, name, role, _ in PEOPLE]
    departments = {username: department for username, _, _, department in PEOPLE}
    async with objects.transaction() as tx:
        people: dict[str, list[str]] = {}
        for each in sign_ins:
            saved = await users.create_user_as_master(
                each.username,
                each.password,
                each.role,
                tx=tx,
                email=f"{each.username}@careboard.example",
                **NO_MAIL,
                active=True,
                displayName=each.name,
                department=departments[each.username],
            )
            people.setdefault(each.role, []).append(saved.object_id)
        for rows in Inventory(now, rng, people).build():
            for start in range(0, len(rows), CHUNK):
                await type(rows[0]).insert(*rows[start : start + CHUNK])
    return sign_ins


@dataclass(frozen=True, slots=True)
class Fate:
    """What an asset of the demo is to be: its status, and how many days from now its service is due (None: no plan)."""

    status: str
    due_days: float | None
    recalled: bool = False
    missing: bool = False


class Inventory:
    """Draws the rows of the demo, parents first."""

    def __init__(self, now: datetime, rng: Random, people: dict[str, list[str]]) -> None:
        self._now = now.replace(microsecond=0)
        self._rng = rng
        self._people = people
        self._facilities: list[Facility] = []
        self._locations: list[Location] = []
        self._assets: list[Asset] = []
        self._plans: list[MaintenancePlan] = []
        self._logs: list[MaintenanceLog] = []
        self._inspections: list[Inspection] = []
        self._assignments: list[AssetAssignment] = []
        self._events: list[ComplianceEvent] = []
        self._rooms: dict[str, list[Location]] = {}
        self._shared: dict[str, Location] = {}

    def build(self) -> Iterator[list[ParseTable]]:
        """The rows of each table, parents first."""
        self._add_places()
        kinds = [(kind, number) for kind in CATALOGUE for number in range(1, kind.count + 1)]
        self._rng.shuffle(kinds)
        fates = self._fates([kind for kind, _ in kinds])
        for (kind, number), fate in sorted(zip(kinds, fates, strict=True), key=lambda pair: (pair[0][0].tag, pair[0][1])):
            self._add_asset(kind, number, fate)
        tables: tuple[Sequence[ParseTable], ...] = (
            self._facilities,
            self._locations,
            self._assets,
            self._plans,
            self._logs,
            self._inspections,
            self._assignments,
            self._events,
        )
        yield from ([*rows] for rows in tables if rows)

    def _new(self, made_at: datetime, changed_at: datetime | None = None) -> dict[str, Any]:
        return {
            "object_id": "".join(self._rng.choices(_LETTERS, k=10)),
            "created_at": made_at,
            "updated_at": changed_at or made_at,
        }

    def _ago(self, **span: float) -> datetime:
        return (self._now - timedelta(**span)).replace(microsecond=0)

    # --- places ---

    def _add_places(self) -> None:
        opened = self._ago(days=900)
        for code, name, campus, floors in FACILITIES:
            facility = Facility(**self._new(opened), name=name, code=code, campus=campus, floor_count=floors, is_operational=True)
            self._facilities.append(facility)
        of_code = {facility.code: facility for facility in self._facilities}
        for code, department, wing, floor, kind, rooms in DEPARTMENTS:
            self._rooms[department] = [
                Location(
                    **self._new(opened),
                    facility=of_code[code].object_id,
                    name=f"{department} {kind} {number}",
                    type="room",
                    floor=floor,
                    department=department,
                    wing=wing,
                    room=f"{kind} {number}",
                )
                for number in range(1, rooms + 1)
            ]
            self._locations += self._rooms[department]
        for name, kind, owner in SHARED_PLACES:
            self._shared[name] = Location(
                **self._new(opened),
                facility=self._facilities[0].object_id,
                name=name,
                type=kind,
                floor=0,
                department=owner,
            )
            self._locations.append(self._shared[name])

    # --- what becomes of whom ---

    def _fates(self, kinds: list[Kind]) -> list[Fate]:
        """One for each asset, in the order of `kinds`: those that need somebody now, and a calm rest."""
        rng = self._rng
        fates = [Fate("", rng.uniform(0.15, 0.95) * kind.days) for kind in kinds]
        wanted: list[tuple[str, float | None, bool, bool]] = []
        wanted += [("", hours / 24, False, False) for hours in HOURS_TO_DUE]
        wanted += [("", -days, False, False) for days in DAYS_OVERDUE]
        wanted += [(status, 40 + 9 * n, False, False) for status, count in STATES.items() for n in range(count)]
        wanted += [("", 60, True, False)] * RECALLED + [("", 60, False, True)] * MISSING
        wanted += [("", None, False, False)] * UNPLANNED
        for place, (status, due, recalled, missing) in enumerate(wanted):
            fates[place] = Fate(status, due, recalled, missing)
        soon = len(wanted)
        for place, hours in enumerate(HOURS_TO_SOON, soon):
            days = DUE_SOON[kinds[place].criticality] / timedelta(days=1)
            fates[place] = Fate("", days + hours / 24)
        harmless = [place for place, kind in enumerate(kinds) if kind.criticality in ("low", "medium")]
        for place in harmless[-DOWN:]:
            fates[place] = Fate("out_of_service", 55.0)
        return [self._settled(fate) for fate in fates]

    def _settled(self, fate: Fate) -> Fate:
        """Where nothing else is said an asset is in use or available."""
        if fate.status:
            return fate
        status = "available" if fate.missing or fate.recalled else self._rng.choices(("in_use", "available"), weights=(62, 38))[0]
        return Fate(status, fate.due_days, fate.recalled, fate.missing)

    # --- assets ---

    def _add_asset(self, kind: Kind, number: int, fate: Fate) -> None:
        rng = self._rng
        bought = self._ago(days=rng.randint(420, 3200))
        department = rng.choice(kind.departments)
        room = rng.choice(self._rooms[department])
        serial = f"{kind.tag[0]}{rng.randint(100000, 999999)}"
        asset = Asset(
            **self._new(max(bought, self._ago(days=880))),
            facility=room.facility,
            asset_tag=f"{kind.tag}-{number:03d}",
            name=kind.name,
            category=kind.category,
            serial_number=serial,
            status=fate.status,
            criticality=kind.criticality,
            current_location=STORE,
            location=self._shared[STORE].object_id,
            manufacturer=kind.manufacturer,
            model=kind.model,
            purchase_date=bought,
            technician=self._people["technician"][number % len(self._people["technician"])],
            udi=udi(kind.item, f"{bought:%y%m%d}", serial),
            recalled=fate.recalled or None,
            missing=fate.missing or None,
        )
        self._assets.append(asset)
        self._place(asset, fate, department, room)
        self._serve(asset, kind, fate)
        self._break(asset, kind)
        self._inspect(asset, fate)
        if fate.recalled:
            words = f"{asset.asset_tag} {asset.name} is recalled; do not use it."
            self._tell(asset, "recalled", "high", words, self._ago(days=2), {"notice": "FSN-2026-041"})
        if fate.missing:
            words = f"{asset.asset_tag} {asset.name} is missing, last known at {asset.current_location}."
            self._tell(asset, "missing", "high", words, self._ago(hours=5), {"at": asset.current_location})

    def _tell(
        self, asset: Asset, kind: str, severity: str, summary: str, at: datetime, details: Object, actor: str | None = None
    ) -> None:
        self._events.append(
            ComplianceEvent(
                **self._new(at),
                asset=asset.object_id,
                actor=actor or self._people["biomed"][0],
                event_type=kind,
                severity=severity,
                summary=summary,
                occurred_at=at,
                details=details,
            )
        )

    def _place(self, asset: Asset, fate: Fate, department: str, room: Location) -> None:
        """Where it was, and where it is: in use in a room, else returned to the store or the workshop."""
        rng = self._rng
        title = f"{asset.asset_tag} {asset.name}"
        fixed = asset.category in ("imaging", "anesthesia", "bed")
        before = STORE
        began = self._ago(days=rng.randint(8, 40), minutes=rng.randint(0, 900))
        for _ in range(0 if fixed else rng.randint(0, 2)):
            other = rng.choice(self._rooms[department])
            ended = began + timedelta(hours=rng.randint(6, 90))
            made = self._assign(asset, other, began, ended)
            self._tell(asset, "moved", "info", f"{title} is moved to {other.name}.", began, _way(before, other.name, made))
            self._tell(asset, "returned", "info", f"{title} is returned at {STORE}.", ended, _way(other.name, STORE, made))
            before, began = STORE, ended + timedelta(hours=rng.randint(5, 60))
        if fate.status == "in_use":
            at = self._ago(hours=rng.randint(1, 120), minutes=rng.randint(0, 59)) if not fixed else asset.created_at
            made = self._assign(asset, room, at, None)
            asset.current_location, asset.location, asset.department = room.name, room.object_id, department
            asset.holder, asset.assignment = made.assigned_to, made.object_id
            self._tell(asset, "moved", "info", f"{title} is moved to {room.name}.", at, _way(before, room.name, made))
        elif fixed and fate.status != "retired":
            asset.current_location, asset.location, asset.department = room.name, room.object_id, department
        elif fate.status in ("maintenance", "out_of_service"):
            asset.current_location, asset.location = WORKSHOP, self._shared[WORKSHOP].object_id
            asset.department = "Biomedical Engineering"
        if fate.status == "available" and not fixed:
            asset.dirty = rng.random() < 0.3 or None

    def _assign(self, asset: Asset, room: Location, began: datetime, ended: datetime | None) -> AssetAssignment:
        made = AssetAssignment(
            **self._new(began, ended),
            asset=asset.object_id,
            assigned_to=self._rng.choice(self._people["nurse"]),
            department_name=room.department,
            room_label=room.room,
            assigned_at=began,
            returned_at=ended,
            assignment_status="completed" if ended else "active",
            returned_to=STORE if ended else None,
        )
        self._assignments.append(made)
        return made

    def _serve(self, asset: Asset, kind: Kind, fate: Fate) -> None:
        """The plan, and the work that led to its date, backwards: each date is the work before it plus the interval."""
        if fate.due_days is None:
            return
        due = (self._now + timedelta(days=fate.due_days)).replace(microsecond=0)
        every = timedelta(days=kind.days)
        plan = MaintenancePlan(
            **self._new(asset.created_at),
            asset=asset.object_id,
            frequency_days=kind.days,
            next_due_at=due,
            status="completed" if fate.status == "retired" else "active",
            checklist=list(CHECKLISTS.get(kind.category, CHECKLIST)),
        )
        self._plans.append(plan)
        asset.next_service_due = None if fate.status == "retired" else due
        done, next_due = due - every, due
        while done > max(self._now - HISTORY, asset.purchase_date):
            draw = self._rng.random()
            late = timedelta(days=self._rng.uniform(2, 9)) if draw < 0.06 else -timedelta(days=self._rng.uniform(0, 6))
            planned = (done - late).replace(microsecond=0)
            if draw < 0.02:
                self._log(asset, plan, planned - timedelta(hours=4), "deferred_in_use", planned, None)
            elif draw < 0.03:
                self._log(asset, plan, planned - timedelta(hours=6), "could_not_locate", planned, None)
            self._log(asset, plan, done, self._rng.choice(("completed", "verified")), planned, next_due)
            done, next_due = planned - every, planned
        plan.updated_at = max((log.updated_at for log in self._logs if log.plan == plan.object_id), default=plan.created_at)

    def _log(
        self, asset: Asset, plan: MaintenancePlan, at: datetime, status: str, planned: datetime, next_due: datetime | None
    ) -> None:
        done = status in ("completed", "verified")
        self._logs.append(
            MaintenanceLog(
                **self._new(at),
                asset=asset.object_id,
                performed_by=asset.technician,
                maintenance_type="preventive",
                status=status,
                started_at=at - timedelta(minutes=self._rng.randint(20, 110)),
                completed_at=at if done else None,
                performed_at=at,
                findings=self._rng.choice(FINDINGS) if done else None,
                next_due_at=next_due if done else None,
                downtime_minutes=0 if done else None,
                plan=plan.object_id,
                outcome="passed" if done else None,
                summary="Preventive maintenance" if done else "In use on a patient" if status == "deferred_in_use" else None,
                planned_for=planned,
            )
        )
        words = f"{asset.asset_tag} {asset.name}: preventive {status.replace('_', ' ')}."
        self._tell(asset, f"maintenance_{status}", "info", words, at, {"maintenanceType": "preventive"}, asset.technician)

    def _break(self, asset: Asset, kind: Kind) -> None:
        """Failures of the last year, and the repair that is under way where the asset is in the workshop."""
        rng = self._rng
        days = [
            rng.uniform(5, 360) for _ in range(1 + int(kind.failures)) if rng.random() < kind.failures / (1 + int(kind.failures))
        ]
        for ago in days:
            began = self._ago(days=ago)
            minutes = rng.randint(25, 60) * rng.randint(1, 30)
            self._repair(asset, began, began + timedelta(minutes=minutes), minutes)
        if asset.status == "maintenance":
            self._repair(asset, self._ago(hours=rng.randint(2, 60)), None, None)

    def _repair(self, asset: Asset, began: datetime, ended: datetime | None, minutes: int | None) -> None:
        finding, part = self._rng.choice(FAULTS)
        self._logs.append(
            MaintenanceLog(
                **self._new(began, ended),
                asset=asset.object_id,
                performed_by=asset.technician,
                maintenance_type="corrective",
                status="completed" if ended else "in_progress",
                started_at=began,
                completed_at=ended,
                performed_at=ended,
                findings=finding,
                parts_used=[part],
                downtime_minutes=minutes,
                outcome="repaired" if ended else None,
                summary=f"Repair: {part}",
            )
        )

    def _inspect(self, asset: Asset, fate: Fate) -> None:
        rng = self._rng
        moments = [self._ago(days=rng.randint(100, 220)), self._ago(days=rng.randint(6, 90), minutes=rng.randint(0, 600))]
        found = ["passed", rng.choices(("passed", "attention_needed"), weights=(92, 8))[0]]
        if fate.status == "out_of_service":
            moments.append(self._ago(hours=rng.randint(3, 100)))
            found.append("failed")
        for at, status in zip(moments, found, strict=True):
            finding = rng.choice(FAULTS)[0] if status != "passed" else "All within limits."
            made = Inspection(
                **self._new(at),
                asset=asset.object_id,
                inspected_by=asset.technician,
                inspected_at=at,
                status=status,
                findings=finding,
            )
            self._inspections.append(made)
            severity = {"passed": "info", "attention_needed": "medium"}.get(status, "critical")
            words = f"{asset.asset_tag} {asset.name}: inspection {status.replace('_', ' ')}."
            details: Object = {"inspection": made.object_id}
            self._tell(asset, f"inspection_{status}", severity, words, at, details, asset.technician)
        asset.last_inspection_at = moments[-1]


def _way(start: str, end: str, made: AssetAssignment) -> Object:
    return {"from": start, "to": end, "assignment": str(made.object_id)}
