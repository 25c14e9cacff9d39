"""Files in frames: each gets its address, nothing else is touched."""

from app.core.wire import Object, decode, encode
from app.live.addresses import Addressed

URLS = "http://here/parse/files/app/"


class Wire:
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, frames: list[bytes]) -> None:
        self.sent += frames

    def buffered(self) -> int:
        return sum(map(len, self.sent))

    def close(self, code: int, reason: str) -> None: ...


def sent(frame: Object) -> object:
    wire = Wire()
    Addressed(wire, URLS).send([encode(frame)])
    (text,) = wire.sent
    return decode(text)


def test_a_file_gets_its_address() -> None:
    named: Object = {"__type": "File", "name": "ab12_a photo@home.png"}
    told = sent({"op": "create", "object": {"image": named}, "original": {"image": named}})
    full = {**named, "url": f"{URLS}ab12_a%20photo%40home.png"}
    assert told == {"op": "create", "object": {"image": full}, "original": {"image": full}}


def test_a_file_with_an_address_and_a_text_about_files_stay_as_they_are() -> None:
    known: Object = {"__type": "File", "name": "a.png", "url": "http://elsewhere/a.png"}
    frame: Object = {"object": {"image": known, "note": '{"__type":"File","name":"a.png"}', "size": 3}}
    assert sent(frame) == frame


def test_a_frame_without_a_file_is_the_very_same() -> None:
    wire, frame = Wire(), encode({"op": "update", "object": {"psiLevel": 900}})
    Addressed(wire, URLS).send([frame])
    assert wire.sent[0] is frame
