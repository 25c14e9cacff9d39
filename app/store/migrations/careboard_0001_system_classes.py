"""The system classes as Parse Server lays them out, and AuditLog."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import JSONB, Boolean, DoublePrecision, Text, Timestamptz, Varchar

from app.store.forming import COMMON, NEEDED, SECRET, Columns, forming
from app.store.tables import ArrayColumn, ObjectColumn, PointerTo

ID = "2026-11-21T02:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "The system classes"

TABLES: dict[str, Columns] = {
    "_SCHEMA": {
        "class_name": ("className", Varchar, {"length": 120, "primary_key": True, "null": False}),
        "definition": ("schema", JSONB, {}),
        "is_parse_class": ("isParseClass", Boolean, {}),
    },
    "_User": {
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
    "_Role": {**COMMON, "name": ("name", Text, {})},
    "_Session": {
        **COMMON,
        "user": ("user", PointerTo, {"target": "_User"}),
        "installation_id": ("installationId", Text, {}),
        "session_token": ("sessionToken", Text, SECRET),
        "expires_at": ("expiresAt", Timestamptz, {}),
        "created_with": ("createdWith", ObjectColumn, {}),
    },
    "_Installation": {
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
    "AuditLog": {
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
    return forming(ID, "careboard", DESCRIPTION, TABLES)
