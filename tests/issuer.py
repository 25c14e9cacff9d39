"""An OpenID Connect issuer of its own, as a hospital has one: discovery, keys, sign-in page and tokens over HTTP.

It is the outside party of the tests: nothing of Careboard is in it. It signs with joserfc, and believes nobody: a code counts
once, for the client, redirect address and PKCE verifier that it was given for.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

CLIENT = "careboard-client"
SECRET = "a secret with + and %"


class Issuer:
    """What the issuer knows and how it behaves; `person` is who is signed in there, None shows that nobody let the client in."""

    def __init__(self) -> None:
        self.signing: RSAKey | ECKey = RSAKey.generate_key(2048, auto_kid=True)
        self.person: dict[str, Any] | None = {"sub": "staff-1", "name": "Ana Ruiz"}
        self.is_down = False
        self.has_page = False
        self.auth_methods = ["client_secret_basic"]
        self.changes: dict[str, Any] = {}
        """What the next id tokens say otherwise."""
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/realms/hospital"

    def setting(self, **more: Any) -> str:
        """`CAREBOARD_AUTH` for a server that shall know this issuer as hospital."""
        return json.dumps({"hospital": {"issuer": self.url, "clientId": CLIENT, "clientSecret": SECRET, **more}})

    def rotate(self) -> None:
        """Signs with a new key from now on, and publishes only that."""
        self.signing = RSAKey.generate_key(2048, auto_kid=True)

    def claims(self, subject: str, **changes: Any) -> dict[str, Any]:
        """The claims of a good id token; a change to None leaves one out."""
        now = int(time.time())
        made = {"iss": self.url, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 300, **changes}
        return {name: value for name, value in made.items() if value is not None}

    def token(self, subject: str, **changes: Any) -> str:
        """An id token."""
        return self.sign(self.claims(subject, **changes))

    def sign(self, claims: dict[str, Any], key: RSAKey | ECKey | None = None, **header: Any) -> str:
        """Any claims, signed with the issuer's key or another."""
        used = key or self.signing
        algorithm = "RS256" if isinstance(used, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": used.kid, **header}, claims, used, algorithms=[algorithm])

    def published(self) -> dict[str, Any]:
        """Its public keys."""
        return dict(KeySet([self.signing]).as_dict())

    @contextmanager
    def running(self) -> Iterator["Issuer"]:
        """Serves in a thread of its own."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/certs",
            "token_endpoint_auth_methods_supported": self.auth_methods,
        }

    def let_in(self, asked: dict[str, str]) -> str:
        """The address a browser is sent back to."""
        if self.person is None:
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint."""
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization.startswith("Basic "):
            client, secret = (unquote_plus(part) for part in base64.b64decode(authorization[6:]).decode().split(":"))
        if client != CLIENT or (secret != SECRET and "none" not in self.auth_methods):
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri") or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        assert self.person is not None
        claims = {**self.claims(self.person["sub"], nonce=asked["nonce"]), **self.person, **self.changes}
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": self.sign(claims)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                at = urlsplit(self.path)
                issuer.asked.append(at.path)
                asked = {name: values[0] for name, values in parse_qs(at.query).items()}
                if issuer.is_down:
                    self._answer(503, {})
                elif at.path.endswith("/.well-known/openid-configuration"):
                    self._answer(200, issuer.metadata())
                elif at.path.endswith("/certs"):
                    self._answer(200, issuer.published())
                elif at.path.endswith("/auth") and asked.get("client_id") == CLIENT and asked.get("response_type") == "code":
                    self._let_in(issuer.let_in(asked))
                else:
                    self._answer(404, {})

            def do_POST(self) -> None:
                issuer.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                status, told = (503, {}) if issuer.is_down else issuer.exchange(form, self.headers.get("Authorization", ""))
                self._answer(status, told)

            def _let_in(self, where: str) -> None:
                if issuer.has_page:
                    head = '<!doctype html><title>Hospital</title><link rel="icon" href="data:,">'
                    page = f'{head}<a href="{where.replace("&", "&amp;")}">Continue</a>'
                    self._send(200, page.encode(), "text/html")
                else:
                    self._send(302, b"", "text/plain", Location=where)

            def _answer(self, status: int, told: dict[str, Any]) -> None:
                self._send(status, json.dumps(told).encode(), "application/json")

            def _send(self, status: int, content: bytes, kind: str, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
                pass

        return Handler
