"""The conversation of Parse LiveQuery, without a socket: the words and codes are those of Parse Server 9.10."""

from itertools import count

import msgspec
import pytest

from app.core.wire import Json, Object, decode, encode
from app.errors import ErrorCode, ParseError
from app.live.protocol import (
    Drop,
    Effect,
    Find,
    Greet,
    Keys,
    Open,
    Protocol,
    Send,
    Subscription,
    progress_frame,
    reload_frame,
    snapshot_frame,
)

KEYS = Keys("app", "master-secret")
CONNECT: Object = {"op": "connect", "applicationId": "app"}
QUERY: Object = {"className": "Tank", "where": {"site": "s1"}}
SUBSCRIBE: Object = {"op": "subscribe", "requestId": 1, "query": QUERY}


def protocol(keys: Keys = KEYS, *, cookie_token: str | None = None, may_use_master_key: bool = True) -> Protocol:
    numbers = count(1)
    return Protocol(keys, lambda: f"client{next(numbers)}", cookie_token=cookie_token, may_use_master_key=may_use_master_key)


def connected(keys: Keys = KEYS, **more: Json) -> Protocol:
    it = protocol(keys)
    assert isinstance(it.receive(encode({**CONNECT, **more}))[0], Greet)
    return it


def say(it: Protocol, message: Json) -> list[Effect]:
    return it.receive(encode(message))


def only_error(effects: list[Effect]) -> Object:
    [effect] = effects
    assert isinstance(effect, Send)
    frame = decode(effect.frame)
    assert isinstance(frame, dict)
    assert frame.pop("op") == "error"
    return frame


# ---- connect


def test_connected_names_the_client_and_its_installation() -> None:
    it = connected(installationId="phone")
    assert it.connected(None) == b'{"op":"connected","clientId":"client1","installationId":"phone"}'


def test_connected_leaves_out_an_installation_that_was_not_named() -> None:
    assert connected().connected(None) == b'{"op":"connected","clientId":"client1"}'


def test_a_cursor_is_given_only_to_those_who_ask() -> None:
    assert protocol().receive(encode(CONNECT)) == [Greet(cursors=False)]
    it = protocol()
    assert say(it, {**CONNECT, "cursors": True}) == [Greet(cursors=True)]
    assert it.connected("c1") == b'{"op":"connected","clientId":"client1","cursor":"c1"}'


@pytest.mark.parametrize(
    ("keys", "offered"),
    [
        (KEYS, {"applicationId": "other"}),
        (KEYS, {"applicationId": "other", "masterKey": "master-secret"}),
        (KEYS, {"masterKey": "wrong"}),
        (Keys("app", "", {}), {"masterKey": ""} | {"applicationId": "x"}),
        (Keys("app", "m", {"javascriptKey": "js"}), {}),
        (Keys("app", "m", {"javascriptKey": "js"}), {"javascriptKey": "wrong"}),
        (Keys("app", "m", {"javascriptKey": "js"}), {"restAPIKey": "js"}),
    ],
)
def test_a_wrong_key_is_refused_with_code_4_and_nobody_is_connected(keys: Keys, offered: Object) -> None:
    it = protocol(keys)
    error = only_error(say(it, {**CONNECT, **offered}))
    assert error == {"error": "Key in request is not valid", "code": 4, "reconnect": True, "requestId": None}
    assert it.client_id is None


def test_one_right_client_key_is_enough() -> None:
    keys = Keys("app", "m", {"javascriptKey": "js", "restAPIKey": "rest"})
    assert connected(keys, restAPIKey="rest", javascriptKey="wrong").is_master is False


def test_the_master_key_makes_a_master_only_from_an_allowed_address() -> None:
    assert connected(masterKey="master-secret").is_master
    refused = protocol(may_use_master_key=False)
    assert only_error(say(refused, {**CONNECT, "masterKey": "master-secret"}))["code"] == 4
    assert not refused.is_master


def test_a_board_of_our_own_origin_needs_no_client_key_and_speaks_for_its_cookie() -> None:
    it = protocol(Keys("app", "m", {"javascriptKey": "js"}), cookie_token="r:cookie")
    assert say(it, CONNECT) == [Greet(cursors=False)]
    assert it.session_token == "r:cookie"


def test_connecting_again_begins_anew() -> None:
    it = connected()
    say(it, SUBSCRIBE)
    assert say(it, CONNECT) == [Drop(1), Greet(cursors=False)]
    assert it.client_id == "client2"
    assert it.subscriptions == {}


# ---- subscribe, update, unsubscribe, query


def test_subscribe_opens_what_was_asked() -> None:
    query: Object = {**QUERY, "keys": ["psi", "site"], "watch": ["psi"]}
    message = {**SUBSCRIBE, "query": query, "sessionToken": "r:1", "since": "c", "snapshot": True}
    expected = Subscription(
        request_id=1,
        class_name="Tank",
        where={"site": "s1"},
        keys=frozenset({"psi", "site"}),
        watch=frozenset({"psi"}),
        session_token="r:1",
        since="c",
        snapshot=True,
    )
    assert say(connected(), message) == [Open(expected)]


def test_fields_is_the_older_name_of_keys() -> None:
    [effect] = say(connected(), {**SUBSCRIBE, "query": {**QUERY, "fields": ["psi"]}})
    assert isinstance(effect, Open)
    assert effect.subscription.keys == frozenset({"psi"})


def test_subscribing_again_with_the_same_request_id_replaces_the_first() -> None:
    it = connected()
    say(it, SUBSCRIBE)
    effects = say(it, SUBSCRIBE)
    assert effects[0] == Drop(1)
    assert isinstance(effects[1], Open)


def test_update_drops_the_old_query_silently_and_opens_the_new() -> None:
    it = connected()
    say(it, SUBSCRIBE)
    effects = say(it, {**SUBSCRIBE, "op": "update", "query": {**QUERY, "where": {}}})
    assert [type(effect) for effect in effects] == [Drop, Open]


def test_update_of_nothing_complains_and_subscribes_all_the_same() -> None:
    effects = say(connected(), {**SUBSCRIBE, "op": "update"})
    assert only_error(effects[:1])["error"] == (
        "Cannot find subscription with clientId client1 subscriptionId 1. "
        "Make sure you subscribe to live query server before unsubscribing."
    )
    assert isinstance(effects[1], Open)


def test_unsubscribe_is_answered() -> None:
    it = connected(installationId="phone")
    say(it, SUBSCRIBE)
    drop, answer = say(it, {"op": "unsubscribe", "requestId": 1})
    assert drop == Drop(1)
    assert answer == Send(b'{"op":"unsubscribed","clientId":"client1","installationId":"phone","requestId":1}')
    assert only_error(say(it, {"op": "unsubscribe", "requestId": 1}))["code"] == 2


def test_query_finds_for_a_subscription_that_is_open() -> None:
    it = connected()
    assert only_error(say(it, {"op": "query", "requestId": 1}))["code"] == 2
    [opened] = say(it, SUBSCRIBE)
    assert isinstance(opened, Open)
    assert say(it, {"op": "query", "requestId": 1}) == [Find(opened.subscription)]
    assert it.result(1, ['{"a":1}', '{"a":2}']) == (
        b'{"op":"result","clientId":"client1","requestId":1,"results":[{"a":1},{"a":2}]}'
    )


@pytest.mark.parametrize(
    ("message", "act"),
    [
        (SUBSCRIBE, "subscribing"),
        ({"op": "unsubscribe", "requestId": 1}, "unsubscribing"),
        ({"op": "query", "requestId": 1}, "querying"),
    ],
)
def test_nothing_goes_before_connect(message: Object, act: str) -> None:
    words = f"Can not find this client, make sure you connect to server before {act}"
    error = only_error(say(protocol(), message))
    assert error == {"error": words, "code": 2, "reconnect": True, "requestId": None}


def test_a_refused_subscription_is_not_reconnected_for_and_forgotten() -> None:
    it = connected()
    say(it, SUBSCRIBE)
    frame = it.refused(1, ParseError(ErrorCode.OPERATION_FORBIDDEN, "Permission denied"))
    assert frame == b'{"op":"error","error":"Permission denied","code":119,"reconnect":false,"requestId":1}'
    assert it.subscriptions == {}


# ---- malformed


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ([], "Invalid type: array (expected object)"),
        (None, "Invalid type: null (expected object)"),
        ({}, "Missing required property: op"),
        ({"op": 3}, "Invalid type: number (expected string)"),
        ({"op": "shout"}, 'No enum match for: "shout"'),
        ({"op": "connect"}, "Missing required property: applicationId"),
        ({**CONNECT, "color": 1}, "Additional properties not allowed"),
        ({**CONNECT, "cursors": 1}, "Invalid type: number (expected boolean)"),
        ({**CONNECT, "sessionToken": None}, "Invalid type: null (expected string)"),
        ({"op": "subscribe", "requestId": 1}, "Missing required property: query"),
        ({**SUBSCRIBE, "requestId": "1"}, "Invalid type: string (expected number)"),
        ({**SUBSCRIBE, "requestId": True}, "Invalid type: boolean (expected number)"),
        ({**SUBSCRIBE, "query": {"className": "T"}}, "Missing required property: where"),
        ({**SUBSCRIBE, "query": {**QUERY, "where": []}}, "Invalid type: array (expected object)"),
        ({**SUBSCRIBE, "query": {**QUERY, "hint": 1}}, "Additional properties not allowed"),
        ({**SUBSCRIBE, "query": {**QUERY, "keys": []}}, "Array is too short (0), minimum 1"),
        ({**SUBSCRIBE, "query": {**QUERY, "keys": ["a", "a"]}}, "Array items are not unique (indices 0 and 1)"),
        ({**SUBSCRIBE, "query": {**QUERY, "watch": [1]}}, "Invalid type: number (expected string)"),
        ({**SUBSCRIBE, "query": {**QUERY, "keys": [*map(str, range(40_000))]}}, "Array is too long (40000), maximum 1000"),
        ({**SUBSCRIBE, "query": {**QUERY, "watch": [*map(str, range(101))]}}, "Array is too long (101), maximum 100"),
        ({**CONNECT, "installationId": "x" * 256}, "String is too long (256 chars), maximum 255"),
        ({**SUBSCRIBE, "requestId": 10**4000}, "A number is at most 9007199254740992"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_malformed_message_is_answered_with_the_validators_words(message: Json, words: str) -> None:
    error = only_error(say(connected(), message))
    assert error == {"error": words, "code": 1, "reconnect": True, "requestId": None}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b'{"op":NaN}', b"[" * 100_000, b'{"op":"connect"}x'])
def test_what_is_no_json_is_answered_and_the_connection_goes_on(text: bytes) -> None:
    it = protocol()
    assert only_error(it.receive(text))["code"] == 1
    assert isinstance(say(it, CONNECT)[0], Greet)


# ---- other frames


def test_frames_of_our_own() -> None:
    assert snapshot_frame(1, ['{"a":1}'], "c") == b'{"op":"snapshot","requestId":1,"results":[{"a":1}],"cursor":"c"}'
    assert msgspec.json.decode(reload_frame(2, "cursor expired")) == {
        "op": "reload",
        "requestId": 2,
        "reason": "cursor expired",
    }
    assert progress_frame("c") == b'{"op":"progress","cursor":"c"}'


def test_an_event_begins_as_parse_server_writes_it() -> None:
    it = connected(installationId="phone")
    assert it.event_head("create", 7) == (b'{"op":"create","clientId":"client1","installationId":"phone","requestId":7')
