"""The part of an event frame that its readers share, made once.

Owns: `ChangeFrames`, the objects of one change as JSON text for each projection and redaction. Always holds: the text
of the change table is used as it is where nothing is left out; what is hidden from a reader is not in the bytes. May
import core, store.changes.feed and live.
"""

from app.core.wire import Json, Object, encode
from app.live.authority.redaction import Redaction
from app.live.membership import Event, Member
from app.live.outbox import Tail
from app.store.changes.feed import Change

_ALWAYS = ("objectId", "updatedAt", "createdAt", "ACL")
"""What Parse Server keeps under any `keys` (Client.js); className comes first."""

_NOTHING: frozenset[str] = frozenset()

_Shape = tuple[str, bool, frozenset[str] | None, frozenset[str]]


class ChangeFrames:
    """The finished texts of one change."""

    __slots__ = ("_change", "_tails", "_whole")

    def __init__(self, change: Change) -> None:
        self._change = change
        self._tails: dict[_Shape, Tail] = {}
        self._whole: dict[Event, Tail] = {}
        """Those of readers from whom nothing is kept: most of them."""

    def whole(self, event: Event) -> Tail:
        """The object and, where the event has one, the original, for readers from whom nothing is kept."""
        tail = self._whole.get(event)
        if tail is None:
            tail = self._whole[event] = self._tail(event, None, _NOTHING)
        return tail

    def tail(self, event: Event, member: Member) -> Tail:
        """The same for one reader."""
        redaction = member.plan.redaction
        if redaction.hides_nothing and member.keys is None:
            return self.whole(event)
        return self._tail(event, member.keys, _NOTHING if redaction.hides_nothing else self._hidden(event, redaction))

    def _tail(self, event: Event, keys: frozenset[str] | None, hidden: frozenset[str]) -> Tail:
        shape = (event.image, event.original, keys, hidden)
        tail = self._tails.get(shape)
        if tail is None:
            shown = b',"object":' + self._text(event.image, keys, hidden)
            original = b',"original":' + self._text("before", keys, hidden) if event.original else b""
            tail = self._tails[shape] = Tail(shown, original, self._change.object_id)
        return tail

    def _hidden(self, event: Event, redaction: Redaction) -> frozenset[str]:
        image = self._image(event.image)
        hidden = redaction.of(image).intersection(image)
        if event.original:
            before = self._image("before")
            hidden |= redaction.of(before).intersection(before)
        return hidden

    def _image(self, image: str) -> Object:
        found = self._change.after_object if image == "after" else self._change.before_object
        assert found is not None
        return found

    def _text(self, image: str, keys: frozenset[str] | None, hidden: frozenset[str]) -> bytes:
        class_name = self._change.class_name
        if keys is None and not hidden:
            text = self._change.after if image == "after" else self._change.before
            assert text is not None
            return b'{"__type":"Object","className":%s,%s' % (encode(class_name), text[1:].encode())
        return encode(project(self._image(image), class_name, keys, hidden))


def project(image: Object, class_name: str, keys: frozenset[str] | None, hidden: frozenset[str]) -> Object:
    """An object as an event shows it to one who asked for `keys` (None: all) and may not see `hidden`."""
    if keys is None:
        head: dict[str, Json] = {"__type": "Object", "className": class_name}
        return {**head, **{name: value for name, value in image.items() if name not in hidden}}
    shown: dict[str, Json] = {"className": class_name}
    for name in _ALWAYS:
        if name in image:
            shown[name] = image[name]
    wanted = {key.split(".")[0] for key in keys}
    shown.update((name, value) for name, value in image.items() if name in wanted and name not in hidden)
    return shown


def vanished(class_name: str, object_id: str) -> Tail:
    """The tail of a leave by loss of authority: nothing but which object it is."""
    shown = encode({"__type": "Object", "className": class_name, "objectId": object_id})
    return Tail(b',"object":' + shown, object_id=object_id)


def appeared(text: str, member: Member, class_name: str, image: Object) -> Tail:
    """The tail of an enter by gain of authority, from the object's finished JSON text."""
    hidden = member.plan.redaction.of(image).intersection(image)
    object_id = str(image["objectId"])
    if member.keys is None and not hidden:
        shown = b'{"__type":"Object","className":%s,%s' % (encode(class_name), text[1:].encode())
    else:
        shown = encode(project(image, class_name, member.keys, hidden))
    return Tail(b',"object":' + shown, object_id=object_id)
