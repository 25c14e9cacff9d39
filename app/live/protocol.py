"""One LiveQuery connection, sans I/O: a message in, effects out.

Owns: the conversation of Parse LiveQuery as Parse Server 9 speaks it: which messages are allowed when, whose keys are
good, which subscriptions are open, and the exact text of every frame that is not an event. Always holds: no I/O, no
clock; whatever a client sends, the answer is a list of effects and never an exception; a key that was offered is in
no frame. May import core and live.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.core.wire import Json, Object, decode, encode
from app.errors import ErrorCode, ParseError
from app.live.requests import MalformedRequestError, check_request

RequestId = int | float

MOST_QUERIES = 1_000
"""How many subscriptions one connection may have open."""

_MALFORMED = 1
_UNKNOWN_CLIENT = 2
_WRONG_KEY = 4
"""Codes of Parse LiveQuery's own (ParseLiveQueryServer.js); they are no Parse error codes."""

_EXTRAS = ("order", "limit", "skip", "include", "count")
"""What a query may ask for beside the changes of its objects."""

_NOT_CONNECTED = "Can not find this client, make sure you connect to server before {act}"
_NO_SUBSCRIPTION = (
    "Cannot find subscription with clientId {client} subscriptionId {request}. "
    "Make sure you subscribe to live query server before {act}."
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of this application. `clients`: request property -> key, one of which must be offered when there are any."""

    application_id: str
    master_key: str
    clients: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client subscribes to, as it said it; `keys` and `watch` None mean all."""

    request_id: RequestId
    class_name: str
    where: Object
    keys: frozenset[str] | None = None
    watch: frozenset[str] | None = None
    extras: Object = field(default_factory=dict)
    session_token: str | None = None
    since: str | None = None
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send this frame."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Greet:
    """The client is connected: answer with `connected()`, with a cursor when `cursors`."""

    cursors: bool


@dataclass(frozen=True, slots=True)
class Open:
    """Open this subscription, then answer with `subscribed()` or `refused()`."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Drop:
    """Stop this subscription at once."""

    request_id: RequestId


@dataclass(frozen=True, slots=True)
class Find:
    """Answer a subscription's query once, with `result()`."""

    subscription: Subscription


Effect = Send | Greet | Open | Drop | Find


class Protocol:
    """The state of one connection."""

    def __init__(
        self,
        keys: Keys,
        new_id: Callable[[], str],
        *,
        cookie_token: str | None = None,
        may_use_master_key: bool = False,
        most_queries: int = MOST_QUERIES,
        most_query_bytes: int = 0,
    ) -> None:
        """`cookie_token`: the session of a board of our own origin, which needs no client key.

        `most_query_bytes`: how long all that it subscribes to may be together; 0 is no limit.
        """
        self._most_queries = most_queries
        self._most_query_bytes = most_query_bytes
        self._sizes: dict[RequestId, int] = {}
        self._size = 0
        self._keys = keys
        self._new_id = new_id
        self._cookie_token = cookie_token
        self._may_use_master_key = may_use_master_key
        self.client_id: str | None = None
        self.installation_id: str | None = None
        self.session_token: str | None = None
        self.is_master = False
        self.cursors = False
        self.subscriptions: dict[RequestId, Subscription] = {}

    # ---- messages in

    def receive(self, text: str | bytes) -> list[Effect]:
        """What follows from one message of the client."""
        try:
            message = check_request(decode(text))
        except (MalformedRequestError, ParseError) as error:
            return [Send(_error(_MALFORMED, str(error), reconnect=True))]
        match message["op"]:
            case "connect":
                return self._connect(message)
            case "subscribe":
                return self._subscribe(message, len(text))
            case "update":
                return [*self._unsubscribe(message, answer=False), *self._subscribe(message, len(text))]
            case "query":
                return self._find(message)
            case _:
                return self._unsubscribe(message, answer=True)

    def _connect(self, message: Object) -> list[Effect]:
        is_master = self._has_master_key(message)
        is_ours = message["applicationId"] == self._keys.application_id
        if not is_ours or is_master is None or not (is_master or self._has_client_key(message)):
            return [Send(_error(_WRONG_KEY, "Key in request is not valid", reconnect=True))]
        dropped: list[Effect] = [Drop(request_id) for request_id in self.subscriptions]
        for request_id in list(self.subscriptions):
            self._forget(request_id)
        self.client_id = self._new_id()
        self.is_master = is_master
        self.installation_id = _text(message.get("installationId"))
        self.session_token = _text(message.get("sessionToken")) or self._cookie_token
        self.cursors = message.get("cursors") is True
        return [*dropped, Greet(self.cursors)]

    def _has_master_key(self, message: Object) -> bool | None:
        """None when a master key was offered that is wrong, or from an address that may not use it."""
        offered = _text(message.get("masterKey"))
        if not offered:
            return False
        return (self._may_use_master_key and _same(offered, self._keys.master_key)) or None

    def _has_client_key(self, message: Object) -> bool:
        by_cookie = self._cookie_token is not None and not _text(message.get("sessionToken"))
        if not self._keys.clients or by_cookie:
            return True
        return any(_same(_text(message.get(name)) or "", key) for name, key in self._keys.clients.items())

    def _subscribe(self, message: Object, size: int) -> list[Effect]:
        if self.client_id is None:
            return [_not_connected("subscribing")]
        subscription = _read_subscription(message)
        replaced: list[Effect] = []
        if subscription.request_id in self.subscriptions:
            replaced = [Drop(subscription.request_id)]
        elif len(self.subscriptions) >= self._most_queries:
            return [_too_much(subscription, f"One connection may have {self._most_queries} live queries")]
        kept = self._size - self._sizes.get(subscription.request_id, 0)
        if self._most_query_bytes and kept + size > self._most_query_bytes:
            words = f"The live queries of one connection may be {self._most_query_bytes} bytes long together"
            return [_too_much(subscription, words)]
        self._forget(subscription.request_id)
        self.subscriptions[subscription.request_id] = subscription
        self._sizes[subscription.request_id], self._size = size, kept + size
        return [*replaced, Open(subscription)]

    def _forget(self, request_id: RequestId) -> Subscription | None:
        self._size -= self._sizes.pop(request_id, 0)
        return self.subscriptions.pop(request_id, None)

    def _unsubscribe(self, message: Object, *, answer: bool) -> list[Effect]:
        if self.client_id is None:
            return [_not_connected("unsubscribing")]
        request_id = _request_id(message)
        if self._forget(request_id) is None:
            return [self._no_subscription(request_id, "unsubscribing")]
        dropped: list[Effect] = [Drop(request_id)]
        return [*dropped, Send(self._frame("unsubscribed", request_id))] if answer else dropped

    def _find(self, message: Object) -> list[Effect]:
        if self.client_id is None:
            return [_not_connected("querying")]
        request_id = _request_id(message)
        subscription = self.subscriptions.get(request_id)
        if subscription is None:
            return [self._no_subscription(request_id, "querying")]
        return [Find(subscription)]

    def _no_subscription(self, request_id: RequestId, act: str) -> Send:
        shown = encode(request_id).decode()
        words = _NO_SUBSCRIPTION.format(client=self.client_id, request=shown, act=act)
        return Send(_error(_UNKNOWN_CLIENT, words, reconnect=True))

    # ---- frames out

    def connected(self, cursor: str | None) -> bytes:
        return self._frame("connected", None, cursor=cursor)

    def subscribed(self, request_id: RequestId, cursor: str | None) -> bytes:
        return self._frame("subscribed", request_id, cursor=cursor)

    def refused(self, request_id: RequestId, error: ParseError) -> bytes:
        """Forgets a subscription that cannot be (or can no longer be), and says why."""
        self._forget(request_id)
        return _error(int(error.code), error.message, reconnect=False, request_id=request_id)

    def result(self, request_id: RequestId, results: list[str]) -> bytes:
        """The answer to `query`: `results` are finished JSON texts."""
        head = self._frame("result", request_id)[:-1]
        return b'%s,"results":[%s]}' % (head, ",".join(results).encode())

    def event_head(self, op: str, request_id: RequestId) -> bytes:
        """What an event frame of one subscription begins with; the shared rest follows."""
        return self._frame(op, request_id)[:-1]

    def _frame(self, op: str, request_id: RequestId | None, *, cursor: str | None = None) -> bytes:
        frame: dict[str, Json] = {"op": op, "clientId": self.client_id}
        if self.installation_id is not None:
            frame["installationId"] = self.installation_id
        if request_id is not None:
            frame["requestId"] = request_id
        if cursor is not None:
            frame["cursor"] = cursor
        return encode(frame)


def snapshot_frame(request_id: RequestId, results: list[str], cursor: str) -> bytes:
    """The first results of a subscription and the cursor its events follow on; `results` are finished JSON texts."""
    head = encode({"op": "snapshot", "requestId": request_id})[:-1]
    return b'%s,"results":[%s],"cursor":%s}' % (head, ",".join(results).encode(), encode(cursor))


def reload_frame(request_id: RequestId, reason: str) -> bytes:
    """What was missed cannot be told any more: the client queries again."""
    return encode({"op": "reload", "requestId": request_id, "reason": reason})


def progress_frame(cursor: str) -> bytes:
    """Nothing happened up to here: quiet, not dead."""
    return encode({"op": "progress", "cursor": cursor})


def excess_frame(words: str) -> bytes:
    """The last words to a client that sends too much."""
    return _error(int(ErrorCode.REQUEST_LIMIT_EXCEEDED), words, reconnect=False)


def error_frame(request_id: RequestId, error: ParseError) -> bytes:
    """A refusal that leaves the subscription as it is."""
    return _error(int(error.code), error.message, reconnect=False, request_id=request_id)


def _error(code: int, words: str, *, reconnect: bool, request_id: RequestId | None = None) -> bytes:
    return encode({"op": "error", "error": words, "code": code, "reconnect": reconnect, "requestId": request_id})


def _too_much(subscription: Subscription, words: str) -> Send:
    error = ParseError(ErrorCode.EXCEEDED_QUOTA, f"{words}; unsubscribe some, or connect once more.")
    return Send(error_frame(subscription.request_id, error))


def _not_connected(act: str) -> Send:
    return Send(_error(_UNKNOWN_CLIENT, _NOT_CONNECTED.format(act=act), reconnect=True))


def _read_subscription(message: Object) -> Subscription:
    query = message["query"]
    assert isinstance(query, dict)
    where = query["where"]
    class_name = query["className"]
    assert isinstance(where, dict)
    assert isinstance(class_name, str)
    extras: Object = {name: query[name] for name in _EXTRAS if name in query}
    return Subscription(
        request_id=_request_id(message),
        class_name=class_name,
        where=where,
        keys=_names(query.get("keys", query.get("fields"))),
        watch=_names(query.get("watch")),
        extras=extras,
        session_token=_text(message.get("sessionToken")),
        since=_text(message.get("since")),
        snapshot=message.get("snapshot") is True,
    )


def _request_id(message: Object) -> RequestId:
    request_id = message["requestId"]
    assert isinstance(request_id, (int, float))
    return request_id


def _names(value: Json) -> frozenset[str] | None:
    return frozenset(str(name) for name in value) if isinstance(value, list) else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _same(offered: str, key: str) -> bool:
    return bool(key) and hmac.compare_digest(offered.encode(), key.encode())
