"""What is left of many events when they are merged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.live.outbox import Backlog, News, Tail

ALL = 1 << 30


class Asked:
    """A subscription."""

    def head(self, op: str) -> bytes:
        return b'{"op":"%s"' % op.encode()


def news(source: Asked, op: str, object_id: str, state: str, before: str = "") -> News:
    return News(source, op, Tail(state.encode(), before.encode(), object_id), 0)


def told(*events: tuple[str, str] | tuple[str, str, str]) -> list[tuple[str, str, str]]:
    """(op, state, original) of what is left of the events of one object."""
    backlog, asked = Backlog("base"), Asked()
    for op, *states in events:
        backlog.add(news(asked, op, "a", *states))
    return [(left.op, left.tail.object.decode(), left.tail.original.decode()) for left in backlog.take(ALL)]


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ([("create", "1"), ("update", "2", "1"), ("update", "3", "2")], [("create", "3", "")]),
        ([("update", "2", "1"), ("update", "3", "2")], [("update", "3", "1")]),
        ([("update", "2", "1"), ("delete", "2")], [("delete", "2", "")]),
        ([("update", "2", "1"), ("leave", "9", "2")], [("leave", "9", "1")]),
        ([("leave", "9", "1"), ("enter", "2", "9")], [("update", "2", "1")]),
        ([("enter", "1", "9"), ("update", "2", "1")], [("enter", "2", "9")]),
        ([("enter", "1", "9"), ("leave", "9", "1")], []),
        ([("create", "1"), ("delete", "1")], []),
        ([("create", "1"), ("delete", "1"), ("create", "2")], [("create", "2", "")]),
        ([("delete", "1"), ("create", "2")], [("update", "2", "")]),
        ([("leave", "9", "1"), ("enter", "2", "9"), ("delete", "2")], [("delete", "2", "")]),
    ],
)
def test_events_of_one_object_become_one_that_says_the_same(
    events: list[tuple[str, str]], left: list[tuple[str, str, str]]
) -> None:
    assert told(*events) == left


def test_a_leave_by_loss_of_access_takes_away_what_waited_to_be_told() -> None:
    assert told(("update", "secret", "older secret"), ("leave", "id only")) == [("leave", "id only", "")]


def test_objects_keep_the_order_of_their_first_event_and_subscriptions_stay_apart() -> None:
    backlog, one, other = Backlog("base"), Asked(), Asked()
    for source, object_id, state in ((one, "a", "1"), (other, "a", "2"), (one, "b", "3"), (one, "a", "4")):
        backlog.add(news(source, "update", object_id, state))
    left = list(backlog.take(ALL))
    assert [(each.source, each.tail.object) for each in left] == [(one, b"4"), (other, b"2"), (one, b"3")]
    assert backlog.bytes == 0


def test_nothing_is_merged_across_an_event_that_stands_for_itself() -> None:
    backlog, asked = Backlog("base"), Asked()
    backlog.add(news(asked, "update", "a", "1"))
    backlog.add(News(asked, "update", Tail(b"moved"), 0))
    backlog.add(news(asked, "update", "a", "2"))
    assert [each.tail.object for each in backlog.take(ALL)] == [b"1", b"moved", b"2"]


def test_an_event_that_was_sent_is_not_merged_into() -> None:
    backlog, asked = Backlog("base"), Asked()
    backlog.add(news(asked, "create", "a", "1"))
    assert [each.op for each in backlog.take(1)] == ["create"]
    backlog.add(news(asked, "update", "a", "2"))
    assert [each.op for each in backlog.take(ALL)] == ["update"]


def test_a_subscription_that_ended_is_told_nothing_more() -> None:
    backlog, one, other = Backlog("base"), Asked(), Asked()
    backlog.add(news(one, "update", "a", "1"))
    backlog.add(news(other, "update", "a", "2"))
    backlog.forget(one)
    backlog.add(news(one, "update", "a", "3"))
    assert [each.tail.object for each in backlog.take(ALL)] == [b"2", b"3"]
    assert backlog.bytes == 0


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["change", "hide", "delete", "drain"])), max_size=40)


@given(STEPS, st.sets(st.sampled_from("abc")))
def test_merged_events_take_a_client_to_the_same_state_without_strays(steps: list[tuple[str, str]], known: set[str]) -> None:
    backlog, asked, number = Backlog("base"), Asked(), 0
    is_shown = {object_id: object_id in known for object_id in "abc"}
    truth = dict.fromkeys(known, "0")
    client = dict(truth)
    for object_id, step in steps:
        number += 1
        if step == "drain":
            follow(client, backlog, 1 + number % 3 * 100)
            continue
        was = is_shown[object_id]
        if step == "change":
            backlog.add(news(asked, "update" if was else "enter", object_id, str(number), truth.get(object_id, "unseen")))
            truth[object_id], is_shown[object_id] = str(number), True
        elif was:
            backlog.add(news(asked, "leave" if step == "hide" else "delete", object_id, "gone"))
            del truth[object_id]
            is_shown[object_id] = False
    follow(client, backlog, ALL)
    assert client == truth
    assert backlog.bytes == 0
    assert not backlog


def follow(client: dict[str, str], backlog: Backlog, room: int) -> None:
    for each in backlog.take(room):
        object_id = str(each.tail.object_id)
        assert (object_id in client) == (each.op in ("update", "leave", "delete"))
        if each.op in ("leave", "delete"):
            del client[object_id]
        else:
            client[object_id] = each.tail.object.decode()
