"""The classes of oxygen delivery as Piccolo tables.

Owns: the five tables. Holds: a pointer that a rule relies on is a foreign key, and what is referred to cannot be deleted, so
no history loses its tank; the check constraints are the limits of `rules.py`. `_rperm`, `_wperm`, `emptyAt` and `urgency` are
kept by triggers (`triggers.py`), whoever writes. May import store.tables and rules.
"""

from piccolo.columns import Boolean, DoublePrecision, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check

from app.domains.oxygen.rules import LIMITS
from app.store.tables import ArrayColumn, GeoPoint, ParseTable, User

KEPT = OnDelete.no_action
"""What is pointed to stays; unlike `restrict`, Postgres then tells who points to it."""

_CONDITIONS = {limit.name: limit.condition for limit in LIMITS}


def _limit(name: str) -> Check:
    return Check(_CONDITIONS[name], name=name)


class PatientSite(ParseTable, tablename="PatientSite"):
    """Where oxygen is delivered. `careTeam` holds pointers to users, who may read everything of the site."""

    site_name = Text(default=None, null=False, db_column_name="siteName")
    address_line_1 = Text(default=None, null=False, db_column_name="addressLine1")
    city = Text(default=None, null=False, db_column_name="city")
    region = Text(default=None, null=False, db_column_name="region")
    postal_code = Text(default=None, null=False, db_column_name="postalCode")
    delivery_window_start = Timestamptz(default=None, null=True, db_column_name="deliveryWindowStart")
    delivery_window_end = Timestamptz(default=None, null=True, db_column_name="deliveryWindowEnd")
    primary_contact = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="primaryContact")
    notes = Text(default=None, null=True, db_column_name="notes")
    location = GeoPoint(default=None, null=True, db_column_name="location")
    care_team = ArrayColumn(default=None, null=True, db_column_name="careTeam")

    patientsite_window_order = _limit("patientsite_window_order")


class TankAssignment(ParseTable, tablename="TankAssignment"):
    """A cylinder, the site it serves and the driver who looks after it. `flowLpm` is litres per minute, pressures are psi."""

    tank_serial_number = Text(default=None, null=False, index=True, db_column_name="tankSerialNumber")
    psi_level = DoublePrecision(default=None, null=False, db_column_name="psiLevel")
    status = Text(default=None, null=False, index=True, db_column_name="status")
    assigned_site = ForeignKey(PatientSite, on_delete=KEPT, default=None, null=False, index=True, db_column_name="assignedSite")
    assigned_driver = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="assignedDriver")
    last_checked_at = Timestamptz(default=None, null=True, db_column_name="lastCheckedAt")
    next_service_due_at = Timestamptz(default=None, null=True, db_column_name="nextServiceDueAt")
    cylinder_size = Text(default=None, null=True, db_column_name="cylinderSize")
    flow_lpm = DoublePrecision(default=None, null=True, db_column_name="flowLpm")
    residual_psi = DoublePrecision(default=None, null=True, db_column_name="residualPsi")
    lot_number = Text(default=None, null=True, db_column_name="lotNumber")
    requalification_due = Timestamptz(default=None, null=True, db_column_name="requalificationDue")
    empty_at = Timestamptz(default=None, null=True, db_column_name="emptyAt")
    urgency = Text(default=None, null=True, db_column_name="urgency")

    tankassignment_psilevel_range = _limit("tankassignment_psilevel_range")
    tankassignment_residualpsi_range = _limit("tankassignment_residualpsi_range")
    tankassignment_status_known = _limit("tankassignment_status_known")
    tankassignment_cylindersize_known = _limit("tankassignment_cylindersize_known")
    tankassignment_urgency_known = _limit("tankassignment_urgency_known")
    tankassignment_flowlpm_range = _limit("tankassignment_flowlpm_range")


class RefillLog(ParseTable, tablename="RefillLog"):
    """One filling of one tank. History: a correction is a new row."""

    tank_assignment = ForeignKey(TankAssignment, default=None, null=False, on_delete=KEPT, db_column_name="tankAssignment")
    refill_time = Timestamptz(default=None, null=False, db_column_name="refillTime")
    psi_before = DoublePrecision(default=None, null=False, db_column_name="psiBefore")
    psi_after = DoublePrecision(default=None, null=False, db_column_name="psiAfter")
    refilled_by = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="refilledBy")
    refill_reason = Text(default=None, null=False, db_column_name="refillReason")
    remarks = Text(default=None, null=True, db_column_name="remarks")

    refilllog_psibefore_range = _limit("refilllog_psibefore_range")
    refilllog_psiafter_range = _limit("refilllog_psiafter_range")


class EmergencyContact(ParseTable, tablename="EmergencyContact"):
    """Whom to call about a site; at most one of them is primary."""

    site = ForeignKey(PatientSite, on_delete=KEPT, default=None, null=False, index=True, db_column_name="site")
    contact_name = Text(default=None, null=False, db_column_name="contactName")
    relationship = Text(default=None, null=False, db_column_name="relationship")
    phone_number = Text(default=None, null=False, db_column_name="phoneNumber")
    is_primary = Boolean(default=None, null=False, db_column_name="isPrimary")
    preferred_language = Text(default=None, null=True, db_column_name="preferredLanguage")


class DispatchEvent(ParseTable, tablename="DispatchEvent"):
    """One step of a tank's way. A `psi_check` may carry the pressure that was read."""

    tank_assignment = ForeignKey(TankAssignment, default=None, null=False, on_delete=KEPT, db_column_name="tankAssignment")
    event_type = Text(default=None, null=False, db_column_name="eventType")
    event_time = Timestamptz(default=None, null=False, db_column_name="eventTime")
    recorded_by = ForeignKey(User, on_delete=KEPT, default=None, null=False, index=True, db_column_name="recordedBy")
    location_note = Text(default=None, null=True, db_column_name="locationNote")
    location = GeoPoint(default=None, null=True, db_column_name="location")
    psi_level = DoublePrecision(default=None, null=True, db_column_name="psiLevel")

    dispatchevent_psilevel_range = _limit("dispatchevent_psilevel_range")
    dispatchevent_psilevel_place = _limit("dispatchevent_psilevel_place")
    dispatchevent_eventtype_known = _limit("dispatchevent_eventtype_known")


TABLES: tuple[type[ParseTable], ...] = (PatientSite, TankAssignment, RefillLog, EmergencyContact, DispatchEvent)
"""Parents first."""
