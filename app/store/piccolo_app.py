"""Piccolo's description of the store: its tables and the folder of its migrations. May import tables."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from app.store.tables import SYSTEM_TABLES, ClassDefinition

APP_CONFIG = AppConfig(
    app_name="careboard",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=[ClassDefinition, *SYSTEM_TABLES],
)
