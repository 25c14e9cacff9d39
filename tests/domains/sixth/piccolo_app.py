"""The toy domain, as Piccolo's migrations see it."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from tests.domains.sixth.tables import TABLES

APP_CONFIG = AppConfig(
    app_name="sixth",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=[*TABLES],
    migration_dependencies=["app.store.piccolo_app"],
)
