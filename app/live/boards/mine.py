"""A person's own page: what their cards say.

Owns: cards of the first paint and "$me" in a description; static/mine.js says the same once the page is live. Holds: pure. May
import core and live.boards.board, live.boards.rows, live.boards.cells.
"""

from collections.abc import Iterable

from app.core.wire import Json, Object, pointer
from app.live.boards.board import Mine, Part
from app.live.boards.cells import Moment, badges_of, file_links, fill, geo_link, place_words, upper, words
from app.live.boards.rows import date_of, read


def for_caller(value: Json, user_id: str) -> Json:
    """A condition with "$me" replaced by a pointer to the caller."""
    if value == "$me":
        return pointer("_User", user_id)
    if isinstance(value, dict):
        return {key: for_caller(each, user_id) for key, each in value.items()}
    return [for_caller(each, user_id) for each in value] if isinstance(value, list) else value


def part_query(part: Part, user_id: str) -> tuple[str, Object]:
    """The find that fills a part."""
    where = for_caller(part.where, user_id)
    params: Object = {"where": where, "keys": ",".join(part.keys), "order": part.order, "limit": part.limit}
    if part.include:
        params["include"] = ",".join(part.include)
    return part.class_name, params


def cards(mine: Mine, part: Part, items: Iterable[Object], moment: Moment) -> list[dict[str, object]]:
    """The cards of a part in their order, those that are done last."""
    made = [_card(mine, part, item, moment) for item in items]
    return sorted(made, key=lambda card: bool(card["done"]))


def _card(mine: Mine, part: Part, item: Object, moment: Moment) -> dict[str, object]:
    status = str(read(item, part.status) or "") if part.status else ""
    at, until = (date_of(read(item, path)) if path else None for path in (part.at, part.until))
    point = read(item, part.point) if part.point else None
    due = "" if part.begun else until or at
    done = status in part.done
    is_one_day = not at or not until or moment.local(at).date() == moment.local(until).date()
    return {
        "id": item["objectId"],
        "title": fill(mine, part.title, item) or "—",
        "lines": [line for line in (fill(mine, pattern, item) for pattern in part.lines) if line],
        "badges": badges_of(part.flags, item),
        "status": upper(words(mine, item, part.status)) if status else "",
        "tone": part.tones.get(status, "calm"),
        "at": at or "",
        "clock": ("since " if part.begun else "") + (moment.clock(at) if is_one_day else moment.day(at) or "today") if at else "",
        "end": (f"{moment.local(until):%H:%M}" if is_one_day else moment.day(until) or "today") if until else "",
        "shapes": ("clock", "time") if is_one_day else ("day", "day"),
        "until": until or "",
        "late": moment.late(due) if due and part.status and not done and moment.is_past(due) else "",
        "place": words(mine, item, part.place) or place_words(point),
        "href": geo_link(point),
        "phone": str(read(item, part.phone) or "") if part.phone else "",
        "files": file_links(read(item, part.files)) if part.files else [],
        "done": done,
    }
