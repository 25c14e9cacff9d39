"""What a migration that makes classes is written in: columns by their Parse names, and the manager that forms the tables.

Owns: `forming` and the words of its tables. Holds: what stands here keeps its meaning, for migrations that ran long ago are
written in it. Imports piccolo alone.
"""

from collections.abc import Mapping
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import Array, OnDelete, OnUpdate, Text, Timestamptz
from piccolo.columns.base import Column
from piccolo.columns.indexes import IndexMethod
from piccolo.constraints import Check
from piccolo.table import Table, create_table_class

Columns = dict[str, tuple[str, type[Column], dict[str, Any]]]
"""Attribute -> (Parse name, kind of column, what differs from an empty, unguarded column)."""

COMMON: Columns = {
    "object_id": ("objectId", Text, {"primary_key": True, "null": False}),
    "created_at": ("createdAt", Timestamptz, {}),
    "updated_at": ("updatedAt", Timestamptz, {}),
    "readers": ("_rperm", Array, {"base_column": Text(default=None, null=True)}),
    "writers": ("_wperm", Array, {"base_column": Text(default=None, null=True)}),
}
"""What every class has."""

NEEDED: dict[str, Any] = {"null": False}
SOUGHT: dict[str, Any] = {"null": False, "index": True}
FOUND: dict[str, Any] = {"index": True}
SECRET: dict[str, Any] = {"secret": True}

_PLAIN: dict[str, Any] = {
    "default": None,
    "null": True,
    "primary_key": False,
    "unique": False,
    "index": False,
    "index_method": IndexMethod.btree,
    "choices": None,
    "secret": False,
}


def to(class_name: str, *, null: bool = False, index: bool = True) -> dict[str, Any]:
    """What a foreign key to a class is made of: what is pointed to stays."""
    key = Text(primary_key=True, default=None, db_column_name="objectId")
    target: type[Table] = create_table_class(
        class_name.lstrip("_"), class_kwargs={"tablename": class_name}, class_members={"object_id": key}
    )
    return {
        "references": target,
        "on_delete": OnDelete.no_action,
        "on_update": OnUpdate.cascade,
        "target_column": None,
        "null": null,
        "index": index,
    }


def forming(
    migration_id: str,
    app_name: str,
    description: str,
    tables: Mapping[str, Columns],
    limits: Mapping[str, Mapping[str, str]] | None = None,
) -> MigrationManager:
    """The manager that forms these classes; `limits` are check constraints by class and name."""
    manager = MigrationManager(migration_id=migration_id, app_name=app_name, description=description)
    for class_name, columns in tables.items():
        manager.add_table(class_name=class_name, tablename=class_name)
        for attribute, (name, kind, extra) in columns.items():
            manager.add_column(
                table_class_name=class_name,
                tablename=class_name,
                column_name=attribute,
                db_column_name=name,
                column_class=kind,
                params={**_PLAIN, "db_column_name": name, **extra},
            )
        for limit, condition in (limits or {}).get(class_name, {}).items():
            manager.add_constraint(
                table_class_name=class_name,
                tablename=class_name,
                constraint_name=limit,
                constraint_class=Check,
                params={"condition": condition},
            )
    return manager
