"""The system classes as Piccolo tables, and what a typed table of a domain is made of.

Owns: the tables of Parse's own classes, of AuditLog and Alert, the column types that Parse has and Piccolo has not, `ParseTable`
and `schema_of`, which reads a table as a `ClassSchema`. Holds: names and types in the database are Parse Server's
(PostgresStorageAdapter `createTable`), so its databases are served in place; system tables have no foreign keys, because such
a database may hold dangling pointers. May import core.
"""

from typing import Any

from piccolo.columns import (
    JSONB,
    Array,
    BigInt,
    Boolean,
    DoublePrecision,
    ForeignKey,
    Integer,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.base import Column
from piccolo.table import Table

from app.core.schema import SYSTEM_CLASSES, ClassSchema, Field, FieldType
from app.core.wire import Json, Object, date_to_wire, decode


class File(Text):
    """A file: the column holds its name."""

    @property
    def column_type(self) -> str:
        return "TEXT"


class PointerTo(Text):
    """A pointer that no foreign key guards: the objectId alone. `target` is the class it points to."""

    def __init__(self, target: str, **kwargs: Any) -> None:
        kwargs["target"] = target
        self.target = target
        super().__init__(**kwargs)

    @property
    def column_type(self) -> str:
        return "TEXT"


class ArrayColumn(JSONB):
    """A Parse Array."""

    @property
    def column_type(self) -> str:
        return "JSONB"


class ObjectColumn(JSONB):
    """A Parse Object."""

    @property
    def column_type(self) -> str:
        return "JSONB"


class BytesColumn(JSONB):
    """Parse Bytes, kept as Parse Server keeps them."""

    @property
    def column_type(self) -> str:
        return "JSONB"


class GeoPoint(Column):
    """A place: Postgres `point`, x the longitude, y the latitude in degrees."""

    value_type = str

    @property
    def column_type(self) -> str:
        return "POINT"

    def __init__(self, default: None = None, **kwargs: Any) -> None:
        self.default = default
        super().__init__(default=default, **kwargs)


class PolygonColumn(Column):
    """A Parse Polygon."""

    value_type = str

    @property
    def column_type(self) -> str:
        return "POLYGON"

    def __init__(self, default: None = None, **kwargs: Any) -> None:
        self.default = default
        super().__init__(default=default, **kwargs)


class ParseTable(Table):
    """What every class has. Declare a domain's class as `class TankAssignment(ParseTable, tablename="TankAssignment")`.

    Give each column `db_column_name` (the Parse name), `default=None` unless the database shall fill it in, and `null=False`
    where the field is required. Pointers are `ForeignKey(Target, …)`, or `PointerTo("_User", …)` where the target may vanish.
    """

    object_id = Text(primary_key=True, default=None, db_column_name="objectId")
    created_at = Timestamptz(default=None, null=True, db_column_name="createdAt")
    updated_at = Timestamptz(default=None, null=True, db_column_name="updatedAt")
    readers = Array(base_column=Text(), default=None, null=True, db_column_name="_rperm")
    writers = Array(base_column=Text(), default=None, null=True, db_column_name="_wperm")


class User(ParseTable, tablename="_User"):
    """An account. The columns that begin with `_` are secrets and never leave the server."""

    username = Text(default=None, null=True, db_column_name="username")
    email = Text(default=None, null=True, db_column_name="email")
    email_verified = Boolean(default=None, null=True, db_column_name="emailVerified")
    auth_data = ObjectColumn(default=None, null=True, db_column_name="authData")
    hashed_password = Text(default=None, null=True, secret=True, db_column_name="_hashed_password")
    email_verify_token = Text(default=None, null=True, secret=True, db_column_name="_email_verify_token")
    email_verify_token_expires_at = Timestamptz(
        default=None, null=True, secret=True, db_column_name="_email_verify_token_expires_at"
    )
    account_lockout_expires_at = Timestamptz(default=None, null=True, secret=True, db_column_name="_account_lockout_expires_at")
    failed_login_count = DoublePrecision(default=None, null=True, secret=True, db_column_name="_failed_login_count")
    perishable_token = Text(default=None, null=True, secret=True, db_column_name="_perishable_token")
    perishable_token_expires_at = Timestamptz(default=None, null=True, secret=True, db_column_name="_perishable_token_expires_at")
    password_changed_at = Timestamptz(default=None, null=True, secret=True, db_column_name="_password_changed_at")
    password_history = ArrayColumn(default=None, null=True, secret=True, db_column_name="_password_history")
    role = Text(default=None, null=True, db_column_name="role")
    active = Boolean(default=None, null=True, db_column_name="active")
    phone_number = Text(default=None, null=True, db_column_name="phoneNumber")
    display_name = Text(default=None, null=True, db_column_name="displayName")
    preferred_language = Text(default=None, null=True, db_column_name="preferredLanguage")
    department = Text(default=None, null=True, db_column_name="department")
    email_notifications = Boolean(default=None, null=True, db_column_name="emailNotifications")
    """False: no mails about one's care. Mails that the account itself needs are sent all the same."""


class Role(ParseTable, tablename="_Role"):
    """A role; its members and the roles that inherit it are in the join tables `users` and `roles`."""

    name = Text(default=None, null=True, db_column_name="name")


class Session(ParseTable, tablename="_Session"):
    """A signed-in device. `sessionToken` holds `sha256:<hex>` of the token, never the token."""

    user = PointerTo("_User", default=None, null=True, db_column_name="user")
    installation_id = Text(default=None, null=True, db_column_name="installationId")
    session_token = Text(default=None, null=True, secret=True, db_column_name="sessionToken")
    expires_at = Timestamptz(default=None, null=True, db_column_name="expiresAt")
    created_with = ObjectColumn(default=None, null=True, db_column_name="createdWith")


class Installation(ParseTable, tablename="_Installation"):
    """An installed client, as push services know it."""

    installation_id = Text(default=None, null=True, db_column_name="installationId")
    device_token = Text(default=None, null=True, db_column_name="deviceToken")
    channels = ArrayColumn(default=None, null=True, db_column_name="channels")
    device_type = Text(default=None, null=True, db_column_name="deviceType")
    push_type = Text(default=None, null=True, db_column_name="pushType")
    gcm_sender_id = Text(default=None, null=True, db_column_name="GCMSenderId")
    time_zone = Text(default=None, null=True, db_column_name="timeZone")
    locale_identifier = Text(default=None, null=True, db_column_name="localeIdentifier")
    badge = DoublePrecision(default=None, null=True, db_column_name="badge")
    app_version = Text(default=None, null=True, db_column_name="appVersion")
    app_name = Text(default=None, null=True, db_column_name="appName")
    app_identifier = Text(default=None, null=True, db_column_name="appIdentifier")
    parse_version = Text(default=None, null=True, db_column_name="parseVersion")


class AuditLog(ParseTable, tablename="AuditLog"):
    """Who did what. Append-only, held by the database; each row carries the hash of the one before it."""

    actor = PointerTo("_User", default=None, null=True, db_column_name="actor")
    action = Text(default=None, null=False, db_column_name="action")
    entity_type = Text(default=None, null=False, db_column_name="entityType")
    entity_id = Text(default=None, null=False, db_column_name="entityId")
    summary = Text(default=None, null=False, db_column_name="summary")
    metadata = ObjectColumn(default=None, null=True, db_column_name="metadata")
    payload = ObjectColumn(default=None, null=True, db_column_name="payload")
    """The same value as `metadata`, by another name; the database computes it."""
    by_hand = Boolean(default=None, null=True, db_column_name="byHand")
    """True in a note that somebody made; the server's own rows have none."""
    previous_hash = Text(default=None, null=True, db_column_name="previousHash")
    hash = Text(default=None, null=True, db_column_name="hash")


class Alert(ParseTable, tablename="Alert"):
    """Something that somebody must look at: addressed to one account or to everybody of a role."""

    recipient = PointerTo("_User", default=None, null=True, db_column_name="recipient")
    role = Text(default=None, null=True, db_column_name="role")
    message = Text(default=None, null=False, db_column_name="message")
    urgency = Text(default=None, null=False, db_column_name="urgency")
    kind = Text(default=None, null=False, db_column_name="kind")
    about = ObjectColumn(default=None, null=True, db_column_name="about")
    raised_at = Timestamptz(default=None, null=False, db_column_name="raisedAt")
    acknowledged_by = PointerTo("_User", default=None, null=True, db_column_name="acknowledgedBy")
    acknowledged_at = Timestamptz(default=None, null=True, db_column_name="acknowledgedAt")
    snoozed_until = Timestamptz(default=None, null=True, db_column_name="snoozedUntil")
    reason = Text(default=None, null=True, db_column_name="reason")
    escalated_to = PointerTo("_User", default=None, null=True, db_column_name="escalatedTo")


class AccessLog(ParseTable, tablename="AccessLog"):
    """Who was shown whose record. Append-only, held by the database, which fills in whose record it was."""

    user = PointerTo("_User", default=None, null=False, db_column_name="user")
    access_time = Timestamptz(default=None, null=False, db_column_name="accessTime")
    entity_type = Text(default=None, null=True, db_column_name="entityType")
    entity_id = Text(default=None, null=True, db_column_name="entityId")
    action = Text(default=None, null=True, db_column_name="action")
    subject = PointerTo("_User", default=None, null=True, db_column_name="subject")
    user_name = Text(default=None, null=True, db_column_name="userName")
    user_role = Text(default=None, null=True, db_column_name="userRole")


class ClassDefinition(Table, tablename="_SCHEMA"):
    """The registry of classes, one row each, as Parse Server keeps it."""

    class_name = Varchar(length=120, primary_key=True, default=None, db_column_name="className")
    definition = JSONB(default=None, null=True, db_column_name="schema")
    is_parse_class = Boolean(default=None, null=True, db_column_name="isParseClass")


SYSTEM_TABLES: tuple[type[ParseTable], ...] = (User, Role, Session, Installation, AuditLog, Alert, AccessLog)
"""The classes every Careboard has; AuditLog and AccessLog are classes like any other, but nobody changes their rows."""

_TYPES: tuple[tuple[type[Column], FieldType], ...] = (
    (File, FieldType.FILE),
    (Boolean, FieldType.BOOLEAN),
    (Timestamptz, FieldType.DATE),
    (GeoPoint, FieldType.GEO_POINT),
    (PolygonColumn, FieldType.POLYGON),
    (ArrayColumn, FieldType.ARRAY),
    (BytesColumn, FieldType.BYTES),
    (JSONB, FieldType.OBJECT),
    (DoublePrecision, FieldType.NUMBER),
    (Integer, FieldType.NUMBER),
    (BigInt, FieldType.NUMBER),
    (Text, FieldType.STRING),
    (Varchar, FieldType.STRING),
)
"""First match wins, so a subclass stands before what it extends."""


def schema_of(table: type[Table], permissions: Object | None = None) -> ClassSchema:
    """The class that a Piccolo table declares. Parse's own columns come first; columns that begin with `_` are no fields."""
    class_name = table._meta.tablename
    known = SYSTEM_CLASSES.get(class_name)
    fields: dict[str, Field] = {
        "objectId": Field(FieldType.STRING),
        "createdAt": Field(FieldType.DATE),
        "updatedAt": Field(FieldType.DATE),
        "ACL": Field(FieldType.ACL),
    }
    fields |= known.fields if known else {}
    for column in table._meta.columns:
        name = column._meta.db_column_name
        if name not in fields and not name.startswith("_"):
            fields[name] = _field_of(column)
    return ClassSchema(class_name=class_name, fields=fields, permissions=permissions or {})


def _field_of(column: Column) -> Field:
    default = _default_of(column)
    required = not column._meta.null and default is None
    if isinstance(column, ForeignKey):
        target = column._foreign_key_meta.resolved_references._meta.tablename
        return Field(FieldType.POINTER, target_class=target, required=required)
    if isinstance(column, PointerTo):
        return Field(FieldType.POINTER, target_class=column.target, required=required)
    for kind, field_type in _TYPES:
        if isinstance(column, kind):
            return Field(field_type, required=required, default=default)
    raise TypeError(f"{column._meta.name}: Parse has no type for a Piccolo {type(column).__name__}.")


def _default_of(column: Column) -> Json:
    value = column.get_default_value()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(column, Timestamptz):
        return date_to_wire(value) if column._meta.params["default"] is value else None
    return decode(value) if isinstance(column, JSONB) else str(value)
