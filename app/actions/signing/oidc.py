"""OpenID Connect: what an issuer says of a person, and whether to believe it.

Owns: `OpenId`, one issuer of the settings: its keys, the check of its id tokens, and the two ends of the authorization code flow.
Holds: a token counts when it is signed with a public key that the issuer publishes (never with `none` or a shared secret), made
for this server, not expired, and carries the nonce that was asked for; the issuer is asked with a time limit, its keys are kept
for an hour and looked up again, at most once in a few seconds, when a token names one that is not known. Neither tokens nor
codes are logged. Learnt from OpenID Connect Core 1.0 and RFC 7636. May import config and core; joserfc and httpx live here.
"""

import asyncio
import base64
import hashlib
import logging
import math
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import BadSignatureError, ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from app.config import Issuer
from app.core.wire import Json, Object, decode
from app.errors import ErrorCode, ParseError

Claims = dict[str, Any]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures by a key pair only: with a shared secret the published key would be the secret."""

TIMEOUT = 5.0
KEPT_SECONDS = 3600.0
AGAIN_SECONDS = 5.0
"""How soon the keys are looked up again because of a token."""
LEEWAY_SECONDS = 60
"""By how much the clocks of issuer and server may differ."""

_LONGEST_TOKEN = 32_768
_LONGEST_ANSWER = 1_048_576
_log = logging.getLogger("careboard.oidc")


@dataclass(frozen=True, slots=True)
class Errand:
    """A browser on its way to the issuer: where it is sent, and what it must bring back."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the issuer publishes of itself."""

    metadata: Object
    keys: KeySet
    at: float


class OpenId:
    """One issuer: verifies its id tokens, sends browsers there and takes them back."""

    def __init__(self, issuer: Issuer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self._clock = clock
        self._known: _Known | None = None
        self._again_at = self._away_at = -math.inf
        self._lock = asyncio.Lock()

    async def verify(self, token: str, *, nonce: str | None = None) -> Claims:
        """What an id token says, if it is to be believed. Raises 101 with the reason, 100 when the issuer cannot be reached."""
        if len(token) > _LONGEST_TOKEN:
            raise self._refusal("it is too long")
        known = await self._published()
        try:
            found = self._decoded(token, known.keys)
        except (InvalidKeyIdError, BadSignatureError):
            known = await self._published(but=known)  # the issuer may sign with another key by now
            try:
                found = self._decoded(token, known.keys)
            except (InvalidKeyIdError, BadSignatureError) as error:
                raise self._refusal("no key of the issuer has signed it") from error
        self._check(found, nonce)
        return found.claims

    async def begin(self, redirect_uri: str) -> Errand:
        """Where to send a browser that wants to sign in. Raises 100."""
        known = await self._published()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.issuer.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.issuer.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._address(known.metadata, "authorization_endpoint")
        url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"
        return Errand(url, state, nonce, verifier)

    async def finish(self, code: str, *, verifier: str, nonce: str, redirect_uri: str) -> Claims:
        """What the issuer says of who came back with this code. Raises as `verify`."""
        known = await self._published()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        auth: httpx.BasicAuth | None = None
        methods = known.metadata.get("token_endpoint_auth_methods_supported")
        secret = self.issuer.client_secret
        if secret is not None and (not isinstance(methods, list) or "client_secret_basic" in methods):
            auth = httpx.BasicAuth(_form_encoded(self.issuer.client_id), _form_encoded(secret))
        else:
            form |= {"client_id": self.issuer.client_id} | ({"client_secret": secret} if secret is not None else {})
        status, told = await self._ask("POST", self._address(known.metadata, "token_endpoint"), form, auth)
        token = told.get("id_token")
        if status != 200 or not isinstance(token, str):
            reason = told.get("error")
            said = reason if isinstance(reason, str) and reason.replace("_", "").isalnum() else f"status {status}"
            _log.warning("the issuer of %s did not take a code: %s", self.issuer.name, said[:80])
            words = f"{self.issuer.label} did not confirm this sign-in; start it once more."
            raise ParseError(ErrorCode.OBJECT_NOT_FOUND, words)
        return await self.verify(token, nonce=nonce)

    def _decoded(self, token: str, keys: KeySet) -> jwt.Token:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        registry.max_header_length = 4096
        try:
            return jwt.decode(token, keys, registry=registry)
        except (InvalidKeyIdError, BadSignatureError):
            raise
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise self._refusal("it is not signed as id tokens are") from error

    def _check(self, token: jwt.Token, nonce: str | None) -> None:
        claims, issuer = token.claims, self.issuer
        for_us = [issuer.client_id, *issuer.audiences]
        wanted: dict[str, jwt.ClaimsOption] = {name: {"essential": True} for name in ("sub", "exp", "iat")}
        wanted |= {"iss": {"essential": True, "value": issuer.url}, "aud": {"essential": True, "values": for_us}}
        if nonce is not None:
            wanted["nonce"] = {"essential": True, "value": nonce}
        registry = jwt.JWTClaimsRegistry(None, LEEWAY_SECONDS, **wanted)
        kind = token.header.get("typ")
        if (kind is not None and str(kind).lower() != "jwt") or "events" in claims:
            raise self._refusal("it is a token for another purpose")
        try:
            registry.validate(claims)
        except ExpiredTokenError as error:
            raise self._refusal("it has expired") from error
        except ClaimError as error:
            raise self._refusal(_REASONS.get(error.claim, f"its claim {error.claim} is wrong")) from error
        subject = claims["sub"]
        if not subject or len(subject) > 255:
            raise self._refusal("it names nobody")
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") not in for_us:
            raise self._refusal(_REASONS["aud"])

    def _refusal(self, reason: str) -> ParseError:
        words = f"The id token of {self.issuer.name} is refused: {reason}. Sign in there again."
        return ParseError(ErrorCode.OBJECT_NOT_FOUND, words)

    async def _published(self, *, but: _Known | None = None) -> _Known:
        """What the issuer publishes: kept, or asked for when it is old, or when `but` was not enough."""
        if but is None and self._known is not None and self._clock() - self._known.at < KEPT_SECONDS:
            return self._known  # without waiting for one that is being asked again
        async with self._lock:
            known, now = self._known, self._clock()
            if known is not None and now - known.at < KEPT_SECONDS and (known is not but or now - self._again_at < AGAIN_SECONDS):
                return known
            if now - self._away_at < AGAIN_SECONDS:
                raise self._away("it was not there a moment ago")
            if known is not None and known is but:
                self._again_at = now
            try:
                self._known = await self._read_published(now)
            except ParseError:
                self._away_at = self._clock()  # those who wait behind this one are not kept waiting as long again
                raise
            return self._known

    async def _read_published(self, now: float) -> _Known:
        metadata = await self._read(f"{self.issuer.url.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != self.issuer.url:
            raise self._away("it publishes another issuer's name")
        keys = await self._read(self._address(metadata, "jwks_uri"))
        return _Known(metadata, self._key_set(keys), now)

    def _key_set(self, published: Object) -> KeySet:
        keys = published.get("keys")
        pairs: list[Any] = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
        try:
            return KeySet.import_key_set({"keys": [key for key in pairs if key.get("kty") != "oct"]})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise self._away("it publishes no keys that can be used") from error

    def _address(self, metadata: Object, name: str) -> str:
        """An endpoint of the issuer; one that gives https away is not used."""
        url = metadata.get(name)
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", urlsplit(self.issuer.url).scheme):
            raise self._away(f"it publishes no {name} that can be used")
        return url

    async def _read(self, url: str) -> Object:
        status, told = await self._ask("GET", url)
        if status != 200:
            raise self._away(f"{urlsplit(url).path} answered {status}")
        return told

    async def _ask(
        self, method: str, url: str, form: dict[str, str] | None = None, auth: httpx.BasicAuth | None = None
    ) -> tuple[int, Object]:
        """Status and JSON of an answer; {} where it is no JSON object."""
        try:
            async with (
                asyncio.timeout(2 * TIMEOUT),
                httpx.AsyncClient(timeout=TIMEOUT, verify=_tls()) as client,
                client.stream(method, url, data=form, auth=auth, headers={"Accept": "application/json"}) as answer,
            ):
                content = b""
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > _LONGEST_ANSWER:
                        raise self._away("its answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._away(type(error).__name__) from error
        try:
            told: Json = decode(content)
        except ParseError:
            told = {}
        return answer.status_code, told if isinstance(told, dict) else {}

    def _away(self, why: str) -> ParseError:
        _log.warning("the issuer of %s cannot be used: %s", self.issuer.name, why)
        words = f"{self.issuer.label} cannot be reached just now; try again in a moment, or sign in another way."
        return ParseError(ErrorCode.CONNECTION_FAILED, words)


_REASONS = {
    "iss": "another issuer made it",
    "aud": "it was made for another application",
    "nonce": "it belongs to another sign-in",
    "iat": "it comes from the future",
    "nbf": "it is not valid yet",
    "sub": "it names nobody",
    "exp": "it does not say until when it holds",
}


@cache
def _tls() -> ssl.SSLContext:
    """The certificates of the system; reading them takes long enough to do it once."""
    return httpx.create_ssl_context()


def _form_encoded(value: str) -> str:
    """As RFC 6749 wants the two halves of a client's basic authentication."""
    return urlencode({"": value})[1:]
