"""Installations: one row a device, however often its SDK says hello.

Owns: the rules of `_Installation`. Holds: a device is known by its installation id, else by its device token; what it sends
again changes the row it has, and rows that a token was taken over from go with that save, or stay with it; neither id nor type
of a device changes once it is set. Words and codes are Parse Server's. Two first words of one device at the same moment may
leave two rows; its next one joins them. May import core and store.
"""

from dataclasses import dataclass
from typing import cast

from app.actions.hooks import Draft, Hooks, Next, SaveEvent
from app.core.wire import Json
from app.errors import ErrorCode, ParseError
from app.store.database import Database

_KNOWN = """
select "objectId" as id, "installationId" as device, "deviceToken" as token, "deviceType" as type from "_Installation"
where "objectId" = $1 or "installationId" = $2 or "deviceToken" = $3 order by "createdAt", "objectId"
"""

_TAKEN_OVER = """
delete from "_Installation" where "deviceToken" = $1 and "objectId" is distinct from $2
and "installationId" is distinct from $3 and ($4::text is null or "appIdentifier" = $4)
"""

_AMBIGUOUS = cast(ErrorCode, 132)
"""Parse's number for a token that several rows have; it has no name."""


_REPLACED = "installations replaced"


@dataclass(frozen=True, slots=True)
class _Replaced:
    """What goes with a save: a statement and its arguments."""

    text: str
    arguments: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    device: str | None
    token: str | None
    type: str | None


def install(hooks: Hooks, database: Database) -> None:
    """Puts the rules of `_Installation` before and into its saves."""

    async def prepare(draft: Draft) -> None:
        await _Greeting(database, draft).settle()

    async def save(event: SaveEvent, go_on: Next) -> None:
        replaced = event.context.get(_REPLACED)
        if isinstance(replaced, _Replaced):
            await event.tx.execute(replaced.text, *replaced.arguments)
        await go_on()

    hooks.prepare("_Installation", prepare, id="careboard.installation")
    hooks.on_save("_Installation", save, id="careboard.installation", priority=-1000)


class _Greeting:
    """One save of a device, before its transaction: finds the row that it means."""

    def __init__(self, database: Database, draft: Draft) -> None:
        self._database = database
        self._draft = draft
        body = draft.body
        for name in ("installationId", "deviceToken"):
            value = body.get(name)
            if isinstance(value, str) and (name == "installationId" or len(value) == 64):
                body[name] = value.lower()
        self._given = _text(body.get("installationId"))
        self._token = _text(body.get("deviceToken"))
        self._type = _text(body.get("deviceType"))
        header = None if draft.caller.is_master else draft.caller.installation_id
        self._device = self._given or (header.lower() if header and draft.object_id is None else None)

    async def settle(self) -> None:
        """Points the draft at the row that is to change; leaves it alone where there is none yet."""
        draft = self._draft
        if draft.object_id is None and not (self._token or self._device):
            words = "at least one ID field (deviceToken, installationId) must be specified in this operation"
            raise ParseError(ErrorCode.MISSING_REQUIRED_FIELD, words)
        if draft.object_id is not None and not (self._token or self._given or self._type):
            return
        async with self._database.connection() as connection:
            found = await connection.fetch(_KNOWN, draft.object_id, self._device, self._token)
        rows = [_Row(row["id"], row["device"], row["token"], row["type"]) for row in found]
        own = next((row for row in rows if row.id == draft.object_id), None)
        if draft.object_id is not None:
            self._check_change(own)
        same_device = next((row for row in rows if self._device and row.device == self._device), None)
        match = same_device or own
        if draft.object_id is None and not self._type and match is None:
            raise ParseError(ErrorCode.MISSING_REQUIRED_FIELD, "deviceType must be specified in this operation")
        target = self._joined(match, [row for row in rows if self._token and row.token == self._token])
        if target is not None:
            draft.object_id = target
            draft.body.pop("objectId", None)

    def _check_change(self, own: _Row | None) -> None:
        if own is None:
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, "Object not found for update.")
        changed = [
            *(["installationId"] if self._given and own.device and self._given != own.device else []),
            *(["deviceToken"] if _is_another(self._token, own.token) and not self._given and not own.device else []),
            *(["deviceType"] if _is_another(self._type, own.type) else []),
        ]
        if changed:
            raise ParseError(ErrorCode.CHANGED_IMMUTABLE_FIELD, f"{changed[0]} may not be changed in this operation")

    def _joined(self, match: _Row | None, same_token: list[_Row]) -> str | None:
        """The row to change, and what goes with the save as it speaks of the same device; None for a new one."""
        if match is None:
            if not same_token:
                return None
            if len(same_token) == 1 and not (same_token[0].device and self._device):
                return same_token[0].id
            if not self._given:
                words = "Must specify installationId when deviceToken matches multiple Installation objects"
                raise ParseError(_AMBIGUOUS, words)
            self._take_over(None)
            return None
        if len(same_token) == 1 and not same_token[0].device and same_token[0].id != match.id:
            self._draft.context[_REPLACED] = _Replaced('delete from "_Installation" where "objectId" = $1', (match.id,))
            return same_token[0].id
        if self._token and match.token != self._token:
            self._take_over(match.id)
        return match.id

    def _take_over(self, kept: str | None) -> None:
        """Other rows lose the token by going: it belongs to this device now."""
        app = _text(self._draft.body.get("appIdentifier"))
        self._draft.context[_REPLACED] = _Replaced(_TAKEN_OVER, (self._token, kept, self._device, app))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_another(given: str | None, known: str | None) -> bool:
    return bool(given) and bool(known) and given != known
