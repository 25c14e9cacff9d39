"""How things are called in GraphQL: classes, their plurals, global ids and cursors, as Parse Server's API calls them.

Owns: the names. Holds: a global id leads back to the class and objectId it was made from; what is no global id of the class
that is asked for is taken for an objectId. Pure; may import nothing of the project.
"""

import base64
import binascii
import re

_CURSOR = "arrayconnection:"

_UNCOUNTABLE = frozenset(
    (
        *("equipment", "information", "news", "series", "species", "sheep", "fish", "deer", "moose", "shrimp", "aircraft"),
        *("advice", "software", "hardware", "firmware", "traffic", "staff", "police", "music", "homework"),
        *("progress", "rice", "health", "cash", "wildlife", "research", "metadata", "butter", "media"),
    )
)
_IRREGULAR = {
    "person": "people",
    "human": "humans",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "ox": "oxen",
    "die": "dice",
    "axis": "axes",
    "quiz": "quizzes",
    "proof": "proofs",
    "valve": "valves",
    "canvas": "canvases",
    "genus": "genera",
    "i": "we",
    "me": "us",
    "this": "these",
    "that": "those",
    "passerby": "passersby",
}
_ENDINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), ending)
    for pattern, ending in (
        (r"(pe)rson$", r"\1ople"),
        (r"(child)$", r"\1ren"),
        (r"([^aeiou]ese)$", r"\1"),
        (r"((?:^|[a-z])m)an$", r"\1en"),
        (r"\b((?:tit)?m|l)(?:ice|ouse)$", r"\1ice"),
        (r"(matr|append|ind|vert)(?:ix|ex)$", r"\1ices"),
        (r"(agend|addend|millenni|dat|extrem|bacteri|desiderat|strat|candelabr|errat|ov|symposi|curricul|quor)(?:a|um)$",
         r"\1a"),
        (r"(criteri|phenomen)on$", r"\1a"),
        (r"(alumn|cact|foc|fung|nucle|radi|stimul|syllab|termin|vir|uter)(?:us|i)$", r"\1i"),
        (r"(alias|status|bus|atlas|iris|campus|virus|bonus|census|corpus|gas|octopus)$", r"\1es"),
        (r"(ax|test|analy|ba|diagno|parenthe|progno|synop|the|empha|ellip|neuro|thrombo|metasta|necro|hypothe|cri)sis$",
         r"\1ses"),
        (r"sis$", "ses"),
        (r"(her|at|gr|potat|tomat|mosquit|ech|torped|buffal|tornad|volcan|embarg|domin)o$", r"\1oes"),
        (r"((?:kni|wi|li)f)e$", None),
        (r"(ar|l|ea|eo|oa|hoo|wol|hal|shel|el)f$", r"\1ves"),
        (r"([^aeiou]|qu)y$", r"\1ies"),
        (r"(x|ch|ss|sh|zz|z)$", r"\1es"),
        (r"s$", "s"),
    )
)  # fmt: skip


def type_name(class_name: str) -> str:
    """`_User` -> User, `tank` -> Tank."""
    bare = class_name.removeprefix("_")
    return bare[:1].upper() + bare[1:]


def field_name(class_name: str) -> str:
    """The query that gets one object: `_User` -> user."""
    name = type_name(class_name)
    return name[:1].lower() + name[1:]


def plural(word: str) -> str:
    """The query that finds many: tankAssignment -> tankAssignments, dispatchEntry -> dispatchEntries, person -> people."""
    lower = word.lower()
    if lower in _UNCOUNTABLE or any(lower.endswith(name) for name in ("fish", "sheep", "deer", "pox", "measles", "metadata")):
        return word
    if lower in _IRREGULAR:
        return word[:1] + _IRREGULAR[lower][1:] if _IRREGULAR[lower][0] == lower[0] else _IRREGULAR[lower]
    for pattern, ending in _ENDINGS:
        if pattern.search(word):
            return word[:-2] + "ves" if ending is None else pattern.sub(ending, word)
    return word + "s"


def to_global_id(class_name: str, object_id: str) -> str:
    """The id of an object among those of all classes (Relay)."""
    return base64.b64encode(f"{class_name}:{object_id}".encode()).decode()


def from_global_id(global_id: str) -> tuple[str, str]:
    """Class and objectId; two empty texts for what is no global id. The padding may be left out."""
    text = _unpacked(global_id)
    class_name, _, object_id = text.partition(":")
    return (class_name, object_id) if object_id else ("", "")


def object_id_of(class_name: str, given: str) -> str:
    """The objectId that a global id of this class, or an objectId, names."""
    found, object_id = from_global_id(given)
    return object_id if found == class_name else given


def to_cursor(place: int) -> str:
    """The cursor of the object at a place of a result."""
    return base64.b64encode(f"{_CURSOR}{place}".encode()).decode()


def from_cursor(cursor: str) -> int | None:
    """The place that a cursor names; None for what is no cursor."""
    text = _unpacked(cursor)
    place = text.removeprefix(_CURSOR)
    return int(place) if text.startswith(_CURSOR) and place.isascii() and place.isdigit() and len(place) < 16 else None


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
