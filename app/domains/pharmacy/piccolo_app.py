"""The home delivery pharmacy, as Piccolo's migrations see it."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from app.domains.pharmacy.tables import TABLES

APP_CONFIG = AppConfig(
    app_name="pharmacy",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=[*TABLES],
    migration_dependencies=["app.store.piccolo_app"],
)
