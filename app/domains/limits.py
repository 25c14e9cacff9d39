"""Rules that the database holds by a check constraint, and the sentence told when one is broken; and the values rules read.

Owns: `Limit`, `one_of`, `instant`, `pointed`. Holds: pure; a limit is written once, and the table, the migration and the sentence
come from it. May import core and domain.py.
"""

from dataclasses import dataclass
from datetime import datetime

from app.core.wire import Json, parse_iso
from app.domains.domain import listed


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule the database holds by a check constraint, with the sentence told when it is broken. Absent fields pass, as in SQL.

    The name is in lower case because Piccolo does not quote it.
    """

    class_name: str
    name: str
    condition: str
    sentence: str


def one_of(class_name: str, field: str, values: tuple[str, ...]) -> Limit:
    """The limit of a field that holds one of these words."""
    condition = f'"{field}" in ({", ".join(f"{chr(39)}{value}{chr(39)}" for value in values)})'
    return Limit(class_name, f"{class_name}_{field}_known".lower(), condition, f"{field}: give one of {listed(values, 'or')}.")


def instant(value: Json) -> datetime | None:
    """The moment of a Date value, None for anything else."""
    iso = value.get("iso") if isinstance(value, dict) else None
    return parse_iso(iso) if isinstance(iso, str) else None


def pointed(value: Json) -> str | None:
    """The objectId a Pointer names, None for anything else."""
    target = value.get("objectId") if isinstance(value, dict) else None
    return target if isinstance(target, str) else None
