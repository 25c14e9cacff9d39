"""Files: who may upload, hold and read them, what is kept of them and for how long."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.actions.caller import ANONYMOUS, MASTER, Caller
from app.actions.files import Files, Upload
from app.actions.reads import Reads
from app.config import Settings
from app.core.wire import Json, Object, pointer
from app.store.vault import Vault
from tests.actions.world import World, acl, refusing


def file(name: str, **more: Json) -> Object:
    return {"__type": "File", "name": name, **more}


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@dataclass
class Cabinet:
    """Files, and a class whose objects hold them."""

    world: World
    files: Files
    folder: Path
    paper: str

    async def upload(self, caller: Caller, content: bytes = b"hello", filename: str = "note.txt", **more: Json) -> str:
        return await self.files.save(caller, Upload(filename, **more), chunks(content))  # type: ignore[arg-type]  # text or none

    async def content(self, caller: Caller, name: str) -> bytes:
        opened = await self.files.open(caller, name)
        assert opened.size is not None
        return b"".join([chunk async for chunk in self.files.read(opened, 0, opened.size)])

    async def hold(self, name: str, caller: Caller = MASTER, **more: Json) -> str:
        return (await self.world.objects.create(caller, self.paper, {"scan": file(name), **more})).object_id

    async def holders(self, name: str) -> int:
        async with self.world.database.connection() as connection:
            found: int = await connection.fetchval("select count(*) from careboard.file_holder where file = $1", name)
        return found

    def stored(self) -> list[Path]:
        return [path for path in (self.folder / "files").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
async def cabinet(world: World, settings: Settings) -> Cabinet:
    kinds: Object = {"scan": "File", "more": "Array", "facts": "Object"}
    fields: Object = {name: {"type": kind} for name, kind in kinds.items()}
    paper = await world.thing(fields={**fields, "owner": {"type": "Pointer", "targetClass": "_User"}})
    return Cabinet(world, Files(world.objects, settings), settings.data_dir, paper)


async def test_the_uploader_alone_reads_a_file_until_an_object_holds_it(cabinet: Cabinet) -> None:
    ana, ben, admin = [await cabinet.world.person(role) for role in ("patient", "patient", "admin")]
    name = await cabinet.upload(ana)
    assert await cabinet.content(ana, name) == await cabinet.content(MASTER, name) == b"hello"
    for stranger in (ANONYMOUS, ben, admin):
        with refusing(101, "File not found."):
            await cabinet.content(stranger, name)


async def test_a_file_is_read_by_whoever_may_read_an_object_that_holds_it(cabinet: Cabinet) -> None:
    ana, ben, nurse = [await cabinet.world.person(role) for role in ("patient", "patient", "nurse")]
    name = await cabinet.upload(ana)
    held = await cabinet.hold(name, ana, ACL=acl(role_nurse="r", **{str(ana.user_id): "w"}))
    assert await cabinet.content(nurse, name) == b"hello"
    for stranger in (ANONYMOUS, ben, ana):  # who uploaded it may write that object, not read it
        with refusing(101):
            await cabinet.content(stranger, name)
    await cabinet.world.objects.update(MASTER, cabinet.paper, held, {"ACL": acl(public="r")})
    assert await cabinet.content(ANONYMOUS, name) == b"hello"
    await cabinet.world.objects.update(MASTER, cabinet.paper, held, {"scan": {"__op": "Delete"}})
    for stranger in (ANONYMOUS, nurse):
        with refusing(101):
            await cabinet.content(stranger, name)


@pytest.mark.parametrize(
    "body", [{"more": [1, {"deep": "$"}]}, {"facts": {"a": {"b": ["$"]}}}, {"more": {"__op": "Add", "objects": ["$"]}}]
)
async def test_files_inside_arrays_and_objects_count_as_held(cabinet: Cabinet, body: Json) -> None:
    nurse, name = await cabinet.world.person("nurse"), await cabinet.upload(MASTER)

    def filled(value: Json) -> Json:
        if isinstance(value, list):
            return [filled(item) for item in value]
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return file(name, url="http://elsewhere/x") if value == "$" else value

    made = filled(body)
    assert isinstance(made, dict)
    held = (await cabinet.world.objects.create(MASTER, cabinet.paper, {**made, "ACL": acl(role_nurse="r")})).object_id
    assert await cabinet.content(nurse, name) == b"hello"
    await cabinet.world.objects.update(MASTER, cabinet.paper, held, {"more": [], "facts": {}})
    assert await cabinet.holders(name) == 0


async def test_a_field_that_is_hidden_does_not_open_its_file(cabinet: Cabinet) -> None:
    nurse, name = await cabinet.world.person("nurse"), await cabinet.upload(MASTER)
    hiding = await cabinet.world.thing(
        fields={"scan": {"type": "File"}},
        classLevelPermissions={"get": {"requiresAuthentication": True}, "protectedFields": {"*": ["scan"], "role:admin": []}},
    )
    await cabinet.world.objects.create(MASTER, hiding, {"scan": file(name)})
    for stranger in (nurse, ANONYMOUS):
        with refusing(101):
            await cabinet.content(stranger, name)
    assert await cabinet.content(await cabinet.world.person("admin"), name) == b"hello"


async def test_nobody_opens_a_file_by_letting_an_own_object_hold_it(cabinet: Cabinet) -> None:
    ana, thief = await cabinet.world.person(), await cabinet.world.person()
    name = await cabinet.upload(ana)
    attempts: list[Object] = [
        {"scan": file(name)},
        {"more": [[file(name)]]},
        {"facts": {"x": {"y": file(name)}}},
        {"more": {"__op": "AddUnique", "objects": [file(name)]}},
        {"scan": {"__op": "SetOnInsert", "amount": file(name)}},
    ]
    mine = (await cabinet.world.objects.create(thief, cabinet.paper, {})).object_id
    for body in attempts:
        for attempt in (
            cabinet.world.objects.create(thief, cabinet.paper, body),
            cabinet.world.objects.update(thief, cabinet.paper, mine, body),
        ):
            with refusing(119, f"There is no file {name} that you may use; upload it first."):
                await attempt
    with refusing(119):
        await cabinet.world.objects.update(thief, cabinet.paper, mine, {"facts.x": file(name)})
    assert await cabinet.holders(name) == 0
    await cabinet.hold(name, ana, ACL=acl(**{str(ana.user_id): "rw"}))
    with refusing(119):
        await cabinet.world.objects.create(thief, cabinet.paper, attempts[0])


async def test_what_may_be_read_may_be_held_again_and_a_name_that_is_no_file_of_ours_too(cabinet: Cabinet) -> None:
    ana, ben = await cabinet.world.person(), await cabinet.world.person()
    name = await cabinet.upload(ana)
    await cabinet.hold(name, ana)
    await cabinet.hold(name, ben)
    assert await cabinet.holders(name) == 2
    await cabinet.hold("of_another_server.png", ben)


async def test_what_is_stored_is_sealed_and_any_part_of_it_is_read_alone(cabinet: Cabinet) -> None:
    content = b"".join(b"Marisol %07d " % number for number in range(30_000))
    known = set(cabinet.stored())
    name = await cabinet.files.save(MASTER, Upload("big.bin"), chunks(content[:7], content[7:200_000], content[200_000:]))
    [stored] = set(cabinet.stored()) - known
    assert b"Marisol" not in stored.read_bytes()
    opened = await cabinet.files.open(MASTER, name)
    for start, end in ((0, 1), (65_530, 65_545), (131_072, 400_000), (len(content) - 3, len(content))):
        assert b"".join([part async for part in cabinet.files.read(opened, start, end)]) == content[start:end]


async def test_a_stored_file_that_was_changed_is_refused(cabinet: Cabinet) -> None:
    known = set(cabinet.stored())
    name = await cabinet.upload(MASTER, b"sign here")
    [stored] = set(cabinet.stored()) - known
    stored.write_bytes(bytes(len(stored.read_bytes())))
    with refusing(1, "The stored file is damaged; it does not match its seal."):
        await cabinet.content(MASTER, name)


async def test_an_upload_that_breaks_off_or_is_too_large_leaves_nothing(cabinet: Cabinet) -> None:
    known = set(cabinet.stored())

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 6_000_000
        raise ConnectionResetError

    with pytest.raises(BaseException):  # noqa: B017 - whatever the connection says
        await cabinet.files.save(MASTER, Upload("a.bin"), broken())
    small = Files(cabinet.world.objects, replace(cabinet.world.objects.settings, max_file_bytes=10))
    with refusing(130, "File size exceeds maximum allowed: 10 bytes."):
        await small.save(MASTER, Upload("a.bin"), chunks(b"12345", b"678901"))
    with refusing(130, "Invalid file upload."):
        await cabinet.files.save(MASTER, Upload("a.bin"), chunks())
    await cabinet.files.sweep()
    assert set(cabinet.stored()) == known


@pytest.mark.parametrize(
    ("filename", "kind", "outcome"),
    [
        ("photo.png", None, "image/png"),
        ("photo", "image/png", "image/png"),
        ("photo.png", "text/html", "image/png"),
        ("thing", None, "application/octet-stream"),
        ("thing.unheardof", "image/png", "application/octet-stream"),
        ("page.html", None, 130),
        ("page.HTML", "image/png", 130),
        ("page", "text/html", 130),
        ("picture.svg", None, 130),
        ("", None, 122),
        ("a/b.png", None, 122),
        ("..", None, 122),
        ("a" * 129, None, 122),
        ("x\r\nSet-Cookie: a", None, 122),
    ],
)
async def test_names_and_types(cabinet: Cabinet, filename: str, kind: str | None, outcome: str | int) -> None:
    ana = await cabinet.world.person()
    if isinstance(outcome, int):
        with refusing(outcome):
            await cabinet.upload(ana, filename=filename, content_type=kind)
        return
    name = await cabinet.upload(ana, filename=filename, content_type=kind)
    assert (await cabinet.files.open(ana, name)).content_type == outcome


async def test_a_list_of_extensions_allows_only_these_and_the_master_key_all(cabinet: Cabinet) -> None:
    files = Files(cabinet.world.objects, replace(cabinet.world.objects.settings, file_extensions=("png", "pdf")))
    ana = await cabinet.world.person()
    await files.save(ana, Upload("a.PDF"), chunks(b"x"))
    with refusing(130, "File upload of extension txt is disabled."):
        await files.save(ana, Upload("a.txt"), chunks(b"x"))
    await files.save(MASTER, Upload("a.html"), chunks(b"x"))


@pytest.mark.parametrize(
    ("setting", "allowed"),
    [
        ("master", {"master"}),
        ("authenticated", {"master", "person"}),
        ("anonymous", {"master", "person", "guest"}),
        ("public", {"master", "person", "guest", "nobody"}),
    ],
)
async def test_who_may_upload(cabinet: Cabinet, setting: str, allowed: set[str]) -> None:
    world = cabinet.world
    files = Files(world.objects, replace(world.objects.settings, file_uploaders=setting))
    guest = await world.caller(await world.users.sign_up(ANONYMOUS, {"authData": {"anonymous": {"id": f"guest-{setting}"}}}))
    callers = {"master": MASTER, "person": await world.person(), "guest": guest, "nobody": ANONYMOUS}
    for who, caller in callers.items():
        if who in allowed:
            await files.save(caller, Upload("a.txt"), chunks(b"x"))
        else:
            with refusing(130):
                await files.save(caller, Upload("a.txt"), chunks(b"x"))


async def test_files_that_nothing_holds_are_swept_and_others_are_not(cabinet: Cabinet) -> None:
    free, held, once_held = [await cabinet.upload(MASTER) for _ in range(3)]
    await cabinet.hold(held)
    left = await cabinet.hold(once_held)
    await cabinet.world.objects.delete(MASTER, cabinet.paper, left)
    await cabinet.files.sweep()
    assert await cabinet.content(MASTER, free) == b"hello"
    before = len(cabinet.stored())
    assert await cabinet.files.sweep(seconds=-1) >= 2
    assert len(cabinet.stored()) <= before - 2
    assert await cabinet.content(MASTER, held) == b"hello"
    for name in (free, once_held):
        with refusing(101):
            await cabinet.content(MASTER, name)


async def test_a_file_that_is_being_deleted_is_held_by_nobody_any_more(cabinet: Cabinet) -> None:
    ana = await cabinet.world.person()
    name = await cabinet.upload(ana)
    async with cabinet.world.database.connection() as connection:
        await connection.execute("update careboard.file set gone = true where name = $1", name)
    with refusing(119):
        await cabinet.hold(name, ana)


async def test_of_two_objects_that_let_go_at_once_the_last_one_frees_the_file(cabinet: Cabinet) -> None:
    name = await cabinet.upload(MASTER)
    both = [await cabinet.hold(name) for _ in range(2)]
    await asyncio.gather(*(cabinet.world.objects.delete(MASTER, cabinet.paper, each) for each in both))
    async with cabinet.world.database.connection() as connection:
        assert await connection.fetchval("select free_since is not null from careboard.file where name = $1", name)


async def test_writes_past_the_server_are_known_too(cabinet: Cabinet) -> None:
    nurse, name = await cabinet.world.person("nurse"), await cabinet.upload(MASTER)
    async with cabinet.world.database.transaction() as tx:
        await tx.execute(
            f'insert into "{cabinet.paper}" ("objectId", "scan", _rperm) values ($1, $2, $3)', "bypsql", name, ["role:nurse"]
        )
    assert await cabinet.content(nurse, name) == b"hello"
    async with cabinet.world.database.transaction() as tx:
        await tx.execute(f'truncate "{cabinet.paper}"')
    assert await cabinet.holders(name) == 0


async def test_a_file_column_that_comes_later_is_kept_track_of(cabinet: Cabinet) -> None:
    nurse, name = await cabinet.world.person("nurse"), await cabinet.upload(MASTER)
    late = await cabinet.world.thing(fields={"n": {"type": "Number"}})
    await cabinet.world.objects.create(MASTER, late, {"n": 1})
    await cabinet.world.classes.update(late, {"fields": {"scan": {"type": "File"}}})
    await cabinet.world.objects.create(MASTER, late, {"scan": file(name)})
    assert await cabinet.content(nurse, name) == b"hello"


async def test_only_the_master_key_deletes(cabinet: Cabinet) -> None:
    ana = await cabinet.world.person()
    name = await cabinet.upload(ana)
    for caller in (ANONYMOUS, ana):
        with refusing(119):
            await cabinet.files.delete(caller, name)
    before = len(cabinet.stored())
    await cabinet.files.delete(MASTER, name)
    assert len(cabinet.stored()) == before - 1
    with refusing(101):
        await cabinet.content(ana, name)
    with refusing(153):
        await cabinet.files.delete(MASTER, name)


async def test_metadata_and_tags_are_kept_and_bad_keys_refused(cabinet: Cabinet) -> None:
    name = await cabinet.upload(MASTER, metadata={"page": 1}, tags={"kind": "scan"})
    opened = await cabinet.files.open(MASTER, name)
    assert (opened.metadata, opened.tags) == ({"page": 1}, {"kind": "scan"})
    with refusing(107):
        await cabinet.upload(MASTER, metadata=[1])
    with refusing(105):
        await cabinet.upload(MASTER, tags={"__proto__": 1})


async def test_a_rotation_wraps_every_key_anew_and_every_file_is_still_read(cabinet: Cabinet) -> None:
    names = [await cabinet.upload(MASTER, b"file %d" % number) for number in range(3)]
    told: list[tuple[int, int]] = []
    newest = await cabinet.files.rotate_as_master(lambda done, total: told.append((done, total)))
    async with cabinet.world.database.connection() as connection:
        assert await connection.fetchval("select array_agg(distinct key_id) from careboard.file") == [newest]
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] >= 3
    for number, name in enumerate(names):
        assert await cabinet.content(MASTER, name) == b"file %d" % number
    fresh = Files(cabinet.world.objects, cabinet.world.objects.settings)
    assert (await fresh.open(MASTER, names[0])).wrapped.key_id == newest


async def test_with_keys_of_the_setting_a_rotation_goes_to_the_first_of_them(cabinet: Cabinet, tmp_path: Path) -> None:
    key = Vault(cabinet.world.objects.settings)
    name = await cabinet.upload(MASTER)
    ring = dict(line.split(":") for line in (cabinet.folder / "files.keys").read_text(encoding="utf-8").split())
    keys = (("fresh", bytes(range(32))), *((each, base64.b64decode(text)) for each, text in ring.items()))
    given = Files(cabinet.world.objects, replace(cabinet.world.objects.settings, file_keys=keys))
    assert await given.rotate_as_master(lambda *_: None) == "fresh"
    opened = await given.open(MASTER, name)
    assert b"".join([part async for part in given.read(opened, 0, 5)]) == b"hello"
    with refusing(1, "The key fresh of this file is not in the key ring; an operator must put it back."):
        key.unwrap(opened.wrapped, opened.id)
    back = Files(cabinet.world.objects, replace(cabinet.world.objects.settings, file_keys=(*keys[1:], keys[0])))
    await back.rotate_as_master(lambda *_: None)


async def test_reading_a_file_of_a_logged_class_is_written_down(cabinet: Cabinet) -> None:
    nurse, name = await cabinet.world.person("nurse"), await cabinet.upload(MASTER)
    held = await cabinet.hold(name)
    objects = cabinet.world.objects
    objects.reads, silent = Reads(objects.database, {cabinet.paper}), objects.reads
    await cabinet.content(nurse, name)
    objects.reads = silent
    [row] = await cabinet.world.rows("AccessLog", user=pointer("_User", str(nurse.user_id)))
    assert (row["entityType"], row["entityId"], row["action"]) == (cabinet.paper, held, "file")
