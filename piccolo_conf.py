"""What Piccolo's own command line needs: the apps, and a database from the settings (`piccolo migrations new <app> --auto`).

Holds: importing this reads no setting and opens nothing; only asking for `DB` does. A running server is asked first, so a Piccolo
query finds the database of its process.
"""

from typing import Any

from piccolo.conf.apps import AppRegistry

from app.config import load_settings
from app.store.database import Database, cli_engine

APP_REGISTRY = AppRegistry(
    apps=[
        "app.store.piccolo_app",
        "app.domains.oxygen.piccolo_app",
        "app.domains.pharmacy.piccolo_app",
        "app.domains.oncology.piccolo_app",
        "app.domains.assets.piccolo_app",
        "app.domains.homehealth.piccolo_app",
    ]
)


def __getattr__(name: str) -> Any:
    if name != "DB":
        raise AttributeError(name)
    return Database.current.engine if Database.current else cli_engine(load_settings())
