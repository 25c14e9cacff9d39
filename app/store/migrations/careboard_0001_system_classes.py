"""The system classes as Parse Server lays them out, and AuditLog."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import JSONB, Array, Boolean, DoublePrecision, Text, Timestamptz, Varchar
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod

from app.store.tables import ArrayColumn, ObjectColumn, PointerTo

ID = "2026-11-21T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The system classes"

Columns = dict[str, tuple[str, type[Column], dict[str, Any]]]

COMMON: Columns = {
    "object_id": ("objectId", Text, {"primary_key": True, "null": False}),
    "created_at": ("createdAt", Timestamptz, {}),
    "updated_at": ("updatedAt", Timestamptz, {}),
    "readers": ("_rperm", Array, {"base_column": Text(default=None, null=True)}),
    "writers": ("_wperm", Array, {"base_column": Text(default=None, null=True)}),
}
SECRET: dict[str, Any] = {"secret": True}
NEEDED: dict[str, Any] = {"null": False}

TABLES: dict[tuple[str, str], Columns] = {
    ("ClassDefinition", "_SCHEMA"): {
        "class_name": ("className", Varchar, {"length": 120, "primary_key": True, "null": False}),
        "definition": ("schema", JSONB, {}),
        "is_parse_class": ("isParseClass", Boolean, {}),
    },
    ("User", "_User"): {
        **COMMON,
        "username": ("username", Text, {}),
        "email": ("email", Text, {}),
        "email_verified": ("emailVerified", Boolean, {}),
        "auth_data": ("authData", ObjectColumn, {}),
        "hashed_password": ("_hashed_password", Text, SECRET),
        "email_verify_token": ("_email_verify_token", Text, SECRET),
        "email_verify_token_expires_at": ("_email_verify_token_expires_at", Timestamptz, SECRET),
        "account_lockout_expires_at": ("_account_lockout_expires_at", Timestamptz, SECRET),
        "failed_login_count": ("_failed_login_count", DoublePrecision, SECRET),
        "perishable_token": ("_perishable_token", Text, SECRET),
        "perishable_token_expires_at": ("_perishable_token_expires_at", Timestamptz, SECRET),
        "password_changed_at": ("_password_changed_at", Timestamptz, SECRET),
        "password_history": ("_password_history", ArrayColumn, SECRET),
        "role": ("role", Text, {}),
        "active": ("active", Boolean, {}),
        "phone_number": ("phoneNumber", Text, {}),
        "display_name": ("displayName", Text, {}),
        "preferred_language": ("preferredLanguage", Text, {}),
    },
    ("Role", "_Role"): {**COMMON, "name": ("name", Text, {})},
    ("Session", "_Session"): {
        **COMMON,
        "user": ("user", PointerTo, {"target": "_User"}),
        "installation_id": ("installationId", Text, {}),
        "session_token": ("sessionToken", Text, SECRET),
        "expires_at": ("expiresAt", Timestamptz, {}),
        "created_with": ("createdWith", ObjectColumn, {}),
    },
    ("Installation", "_Installation"): {
        **COMMON,
        "installation_id": ("installationId", Text, {}),
        "device_token": ("deviceToken", Text, {}),
        "channels": ("channels", ArrayColumn, {}),
        "device_type": ("deviceType", Text, {}),
        "push_type": ("pushType", Text, {}),
        "gcm_sender_id": ("GCMSenderId", Text, {}),
        "time_zone": ("timeZone", Text, {}),
        "locale_identifier": ("localeIdentifier", Text, {}),
        "badge": ("badge", DoublePrecision, {}),
        "app_version": ("appVersion", Text, {}),
        "app_name": ("appName", Text, {}),
        "app_identifier": ("appIdentifier", Text, {}),
        "parse_version": ("parseVersion", Text, {}),
    },
    ("AuditLog", "AuditLog"): {
        **COMMON,
        "actor": ("actor", PointerTo, {"target": "_User"}),
        "action": ("action", Text, NEEDED),
        "entity_type": ("entityType", Text, NEEDED),
        "entity_id": ("entityId", Text, NEEDED),
        "summary": ("summary", Text, NEEDED),
        "metadata": ("metadata", ObjectColumn, {}),
        "previous_hash": ("previousHash", Text, {}),
        "hash": ("hash", Text, {}),
    },
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="careboard", description=DESCRIPTION)
    for (class_name, tablename), columns in TABLES.items():
        manager.add_table(class_name=class_name, tablename=tablename)
        for attribute, (name, kind, extra) in columns.items():
            manager.add_column(
                table_class_name=class_name,
                tablename=tablename,
                column_name=attribute,
                db_column_name=name,
                column_class=kind,
                params={
                    "default": None,
                    "null": True,
                    "primary_key": False,
                    "unique": False,
                    "index": False,
                    "index_method": IndexMethod.btree,
                    "choices": None,
                    "db_column_name": name,
                    "secret": False,
                    **extra,
                },
            )
    return manager
