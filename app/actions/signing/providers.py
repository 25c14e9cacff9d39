"""Providers: ways to sign in that are no password, each by its name in `authData`.

Owns: `Providers` and `Proven`, authData that was looked at. Holds: what is not proven signs nobody in and is kept nowhere; of an
id token only who it is about is kept; one who guesses must wait as with passwords; an account is found by (provider, id) alone,
never by an address. Words and codes are Parse Server's (Auth.js, RestWrite). May import core and store.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from app.actions.caller import Caller
from app.actions.hooks import AuthAnswer, AuthProvider, AuthRequest, AuthStep, Validate
from app.actions.roles import STAFF_ROLES
from app.actions.signing.attempts import Attempts
from app.actions.signing.oidc import Claims, OpenId
from app.config import Issuer, Settings, SettingsError
from app.core.wire import Json, Object, canonical, decode
from app.errors import ErrorCode, ParseError
from app.store.database import Connection
from app.store.identities import ALREADY_LINKED, find_owners, read_auth_data

ANONYMOUS_PROVIDER = "anonymous"

_log = logging.getLogger("careboard.providers")
_WRONG = "Auth data is invalid for this user."
_UNSUPPORTED = "This authentication method is unsupported."


@dataclass(frozen=True, slots=True)
class Roles:
    """Which role an issuer gives: `granted` by the claims, out of `given` that it may take away again."""

    granted: str | None = None
    given: frozenset[str] = frozenset()

    def after(self, present: Json) -> str | None:
        """The role an account of this one changes to; None for no change. A role that others gave is left alone."""
        if not self.given or present not in {"patient", *self.given}:
            return None
        wanted = self.granted or "patient"
        return wanted if wanted != present else None


class Proven(dict[str, Json]):
    """authData that was looked at: by provider what will be kept, None where it is taken off. No request can hold one."""

    def __init__(self, kept: Mapping[str, Object | None], *, roles: Roles | None = None, address: str = "") -> None:
        super().__init__(kept)
        self.address = address
        """An e-mail address that the issuer has verified."""
        self.kept = dict(kept)
        self.roles = roles or Roles()
        self.told: Object = {}
        self.given: frozenset[str] = frozenset(name for name, each in kept.items() if each is not None)
        self.identities = [*_claimed(kept)]
        """(provider, id) of each that names somebody."""
        self.owners: frozenset[str] = frozenset()

    @property
    def names(self) -> str:
        """The providers as a session's `createdWith` has them."""
        return ",".join(sorted(self.given))


Reading = Callable[[Connection | None], AbstractAsyncContextManager[Connection]]


@dataclass(slots=True)
class Providers:
    """The providers of one server: anonymous, the issuers of the settings, and what its code defines."""

    reading: Reading
    defined: Mapping[str, AuthProvider]
    settings: Settings
    issuers: dict[str, OpenId] = field(init=False)
    attempts: Attempts = field(init=False)

    def __post_init__(self) -> None:
        self.issuers = {issuer.name: OpenId(issuer) for issuer in self.settings.issuers}
        self.attempts = Attempts(self.settings.sign_in_failures)
        for issuer in self.settings.issuers:
            for _, role in issuer.roles:
                if role not in STAFF_ROLES:
                    words = f"CAREBOARD_AUTH: {issuer.name}.roles has {role!r}; roles are {', '.join(STAFF_ROLES)}."
                    raise SettingsError(words)

    async def prove(
        self,
        caller: Caller,
        given: Json,
        *,
        user_id: str | None = None,
        by_admin: bool = False,
        address: str = "",
        tx: Connection | None = None,
    ) -> Proven:
        """Looks at authData. `user_id`: the account that shall have it; None when somebody comes in or an account is made.

        `by_admin` may name an id of an issuer without a token. Raises 252 for what no provider here is, 101 (or what a
        provider raises) for what is wrong, 155 after too many wrong ones, 208 where it belongs to several accounts.
        """
        if isinstance(given, Proven):
            return given
        parts = _parts(given)
        if wanting := [name for name, part in parts.items() if part is not None and not self._has(name)]:
            _log.info("no provider %s", wanting[0][:40])
            raise ParseError(ErrorCode.UNSUPPORTED_SERVICE, _UNSUPPORTED)
        owners = await self._owners(_claimed(parts), tx)
        account = user_id or (owners[0] if len(owners) == 1 else None)
        known = await self._known(account, tx) if account else {}
        may_skip = user_id is not None and (caller.is_master or caller.user_id == user_id)
        with ExitStack() as counted:
            for key in _attempt_keys(parts, user_id, address):
                counted.enter_context(self.counting(key, address))
            proven = await self._look(caller, parts, known, account, may_skip=may_skip, by_admin=by_admin)
        if sorted(proven.identities) != sorted(_claimed(parts)):
            owners = await self._owners(proven.identities, tx)
        if len(owners) > 1 or (user_id is not None and set(owners) - {user_id}):
            raise ParseError(ErrorCode.ACCOUNT_ALREADY_LINKED, ALREADY_LINKED)
        proven.owners = frozenset(owners)
        return proven

    @contextmanager
    def counting(self, key: str, address: str) -> Iterator[None]:
        """Counts what goes wrong inside under a key; that an issuer is away is nobody's mistake."""
        self.attempts.begin(key, address)
        try:
            yield
        except ParseError as error:
            if error.code == ErrorCode.CONNECTION_FAILED:
                self.attempts.forgive(key, address)
            raise
        self.attempts.forgive(key, address)

    async def proven_by(self, issuer: Issuer, claims: Claims) -> Proven:
        """What the claims of a verified token prove."""
        address = claims.get("email") if claims.get("email_verified") is True else None
        proven = Proven(
            {issuer.name: {"id": claims["sub"]}},
            roles=_roles(issuer, claims),
            address=address if isinstance(address, str) else "",
        )
        proven.owners = frozenset(await self._owners(proven.identities, None))
        return proven

    async def owner(self, proven: Proven, tx: Connection | None = None) -> str | None:
        """The account that holds it as of now."""
        owners = await self._owners(proven.identities, tx)
        return owners[0] if len(owners) == 1 else None

    def check_may_join(self, proven: Proven) -> None:
        """Refuses a new account where the issuer signs in only those that an administrator has linked. Raises 119."""
        for name in proven.given & self.issuers.keys():
            issuer = self.issuers[name].issuer
            if not issuer.sign_up:
                words = f"No account is linked with this sign-in of {issuer.label}; ask an administrator to link yours."
                raise ParseError(ErrorCode.OPERATION_FORBIDDEN, words)

    def check_policy(self, given: frozenset[str], known: Mapping[str, Json]) -> None:
        """Refuses a sign-in that lacks what the account wants beside it. Raises -1 in Parse Server's words."""
        linked = {name: self.defined[name].policy for name in known if name in self.defined}
        if any(policy == "solo" and name in given for name, policy in linked.items()):
            return
        wanted = sorted(name for name, policy in linked.items() if policy == "additional")
        if wanted and not given & set(wanted):
            raise ParseError(ErrorCode.OTHER_CAUSE, f"Missing additional authData {','.join(wanted)}")

    async def challenge(self, caller: Caller, given: Json, user_id: str | None, tx: Connection | None = None) -> Object:
        """What the providers answer before a sign-in, by name, in the order of their names. Raises -1 for no challenge."""
        if not given:
            raise ParseError(ErrorCode.OTHER_CAUSE, "Nothing to challenge.")
        if not isinstance(given, dict):
            raise ParseError(ErrorCode.OTHER_CAUSE, "challengeData should be an object.")
        known = await self._known(user_id, tx) if user_id else {}
        answers: Object = {}
        for name in sorted(given):
            provider, asked = self.defined.get(name), given[name]
            if provider is None or provider.challenge is None:
                continue
            part = asked if isinstance(asked, dict) else {}
            answer = await _told(name, provider.challenge, part, AuthRequest(caller, "challenge", user_id, _part(known, name)))
            answers[name] = canonical(answer.response) if answer is not None and answer.response is not None else True
        return answers

    def _has(self, name: str) -> bool:
        return name == ANONYMOUS_PROVIDER or name in self.issuers or name in self.defined

    async def _owners(self, identities: list[tuple[str, str]], tx: Connection | None) -> list[str]:
        if not identities:
            return []
        async with self.reading(tx) as connection:
            return sorted(await find_owners(connection, identities))

    async def _known(self, user_id: str, tx: Connection | None) -> Object:
        async with self.reading(tx) as connection:
            text = await read_auth_data(connection, user_id)
        known = decode(text) if text else {}
        return known if isinstance(known, dict) else {}

    async def _look(
        self,
        caller: Caller,
        parts: Mapping[str, Object | None],
        known: Object,
        account: str | None,
        *,
        may_skip: bool,
        by_admin: bool,
    ) -> Proven:
        kept: dict[str, Object | None] = {}
        told: Object = {}
        roles: Roles | None = None
        for name in sorted(parts):
            part, held = parts[name], _part(known, name)
            if part is None:
                kept[name] = None
            elif may_skip and held is not None and self._is_same(name, part, held):
                continue  # an SDK sends back what is there when it adds or removes another one
            elif name == ANONYMOUS_PROVIDER:
                kept[name] = {"id": _text(part, "id")}
            elif name in self.issuers:
                kept[name], found = await self._by_token(self.issuers[name], part, by_admin=by_admin)
                roles = roles or found
            else:
                is_here = account is not None and (caller.user_id == account or caller.is_master)
                step: AuthStep = "setUp" if held is None else "update" if is_here else "login"
                answer = await _told(name, self.defined[name].validate, part, AuthRequest(caller, step, account, held))
                if answer is not None and answer.response is not None:
                    told[name] = canonical(answer.response)
                if answer is None or not answer.do_not_save:
                    kept[name] = part if answer is None or answer.save is None else _saved(answer.save)
        proven = Proven(kept, roles=roles)
        proven.identities += [each for each in _claimed(parts) if each[0] not in kept]
        proven.told = told
        proven.given = frozenset(name for name, part in parts.items() if part is not None)
        return proven

    def _is_same(self, name: str, part: Object, held: Object) -> bool:
        if name in self.issuers or name == ANONYMOUS_PROVIDER:
            return part.get("id") == held.get("id")
        return bool(part) and all(key in held and part[key] == held[key] for key in part)

    async def _by_token(self, provider: OpenId, part: Object, *, by_admin: bool) -> tuple[Object, Roles | None]:
        token = part.get("id_token") or part.get("token")
        if token is None and by_admin:
            return {"id": _text(part, "id")}, None
        if not isinstance(token, str):
            words = f"authData of {provider.issuer.name} needs id_token, the id token that the issuer gave."
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, words)
        nonce = part.get("nonce")
        claims = await provider.verify(token, nonce=nonce if isinstance(nonce, str) else None)
        if part.get("id", claims["sub"]) != claims["sub"]:
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, _WRONG)
        return {"id": claims["sub"]}, _roles(provider.issuer, claims)


def _parts(given: Json) -> dict[str, Object | None]:
    if not isinstance(given, dict) or not all(part is None or isinstance(part, dict) for part in given.values()):
        raise ParseError(ErrorCode.UNSUPPORTED_SERVICE, _UNSUPPORTED)
    return {name: part if isinstance(part, dict) else None for name, part in given.items()}


def _claimed(parts: Mapping[str, Object | None]) -> list[tuple[str, str]]:
    """The ids that authData says it is of, proven or not."""
    found = [(name, part.get("id")) for name, part in parts.items() if part is not None]
    for _, subject in found:
        if subject is not None and (not isinstance(subject, str) or "\0" in subject):
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, _WRONG)
    return [(name, subject) for name, subject in found if isinstance(subject, str)]


def _attempt_keys(parts: Mapping[str, Object | None], user_id: str | None, address: str) -> list[str]:
    """What wrong tries are counted under: the account, where it is known, as an id beside it could be another one each time;
    else the id, or the address where none is given. An anonymous id is made up by who sends it: there is nothing to guess."""
    given = [(name, part) for name, part in sorted(parts.items()) if part is not None and name != ANONYMOUS_PROVIDER]
    return [f"{name}\n{user_id or str(part.get('id') or address)[:255]}" for name, part in given]


def _text(part: Object, name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str) or not value:
        raise ParseError(ErrorCode.OBJECT_NOT_FOUND, _WRONG)
    return value


def _part(known: Object, name: str) -> Object | None:
    part = known.get(name)
    return part if isinstance(part, dict) else None


def _roles(issuer: Issuer, claims: Claims) -> Roles:
    claimed = claims.get(issuer.roles_claim)
    values = claimed if isinstance(claimed, list) else [claimed]
    granted = next((role for value, role in issuer.roles if value in values), None)
    return Roles(granted, frozenset(role for _, role in issuer.roles))


def _saved(value: Object) -> Object:
    made = canonical(value, "authData")
    assert isinstance(made, dict)
    return made


async def _told(name: str, ask: Validate, part: Object, request: AuthRequest) -> AuthAnswer | None:
    """What a provider of the server's code says; a failure of its own is logged and told as one."""
    try:
        return await ask(part, request)
    except ParseError:
        raise
    except Exception as error:
        _log.exception("the provider %s failed", name)
        raise ParseError(ErrorCode.SCRIPT_FAILED, f"The provider {name} failed; the log says why.") from error
