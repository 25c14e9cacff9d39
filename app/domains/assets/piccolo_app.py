"""Hospital assets, as Piccolo's migrations see them."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from app.domains.assets.tables import TABLES

APP_CONFIG = AppConfig(
    app_name="assets",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=[*TABLES],
    migration_dependencies=["app.store.piccolo_app"],
)
