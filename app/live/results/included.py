"""The objects that a kept result shows inside its own: which they are, how they look to the caller, who shows them.

Owns: `Included`. Always holds: an included object is kept as its caller may see it, without the fields hidden from the
caller, and as None where it is missing or may not be read: then the pointer stays; every one of them is followed, also
those that are None, so a change of any of them finds the objects that show it without looking at others. No I/O. May
import core, actions and live.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from app.actions.caller import Caller
from app.actions.visibility import View
from app.config import Settings
from app.core import nodes as ast
from app.core.match import Predicate, compile_match
from app.core.schema import ClassSchema, FieldType
from app.core.wire import Json, Object, pointer
from app.live.authority.redaction import Redaction
from app.store.changes.feed import Change
from app.store.schemas import Schemas

Target = tuple[str, str]
"""Class and objectId of an included object."""

Tree = dict[str, "Tree"]

Look = Callable[[Target], Object | None]
"""What stands behind a pointer, None where nothing is to be seen; raises KeyError when that is not known."""


def tree_of(include: Iterable[ast.Path]) -> Tree:
    """The paths as a tree: field, then what is included below it."""
    tree: Tree = {}
    for path in include:
        below = tree
        for name in path:
            below = below.setdefault(name, {})
    return tree


@dataclass(frozen=True, slots=True)
class _Sight:
    """How one class looks to the caller."""

    schema: ClassSchema
    is_seen: Predicate
    redaction: Redaction


class Included:
    """The included objects of one kept result."""

    def __init__(self, include: Iterable[ast.Path], schema: ClassSchema, caller: Caller, schemas: Schemas, settings: Settings):
        self.follow: Callable[[Target], None] = lambda target: None
        self.unfollow: Callable[[Target], None] = lambda target: None
        self._tree = tree_of(include)
        self._class_name = schema.class_name
        self._caller = caller
        self._schemas = schemas
        self._settings = settings
        self._images: dict[Target, Object | None] = {}
        self._roots: dict[Target, dict[str, None]] = {}
        self._targets: dict[str, frozenset[Target]] = {}
        self._sights: dict[str, _Sight] = {}

    # ---- from the database

    def forget(self) -> None:
        """Begins anew: everything is about to be read."""
        for root in list(self._targets):
            self.release(root)
        self._images.clear()

    def take_apart(self, shown: Object) -> Object:
        """Keeps what an object, as a find shows it, has inside; returns it with pointers there."""
        image = self._apart(shown, self._tree)
        self.resolve(str(image["objectId"]), image)
        return image

    def _apart(self, shown: Object, tree: Tree) -> Object:
        image = dict(shown)
        for name, below in tree.items():
            value = shown.get(name)
            image[name] = [self._taken(item, below) for item in value] if isinstance(value, list) else self._taken(value, below)
            if value is None:
                del image[name]
        return image

    def _taken(self, value: Json, below: Tree) -> Json:
        """A pointer in the place of an included object, which is kept."""
        target = _target(value)
        if target is None or not isinstance(value, dict):
            return value
        if value["__type"] == "Pointer":
            self._images.setdefault(target, None)
            return value
        inside = {key: item for key, item in value.items() if key not in ("__type", "className")}
        self._images[target] = self._apart(inside, below)
        return pointer(*target)

    # ---- in the stream

    def resolve(self, root: str, image: Object) -> Object | None:
        """The object with its included objects in place, which are from now on followed for it.

        None when one of them is not known: it must be read.
        """
        targets: set[Target] = set()
        try:
            shown = self._resolved(image, self._class_name, self._tree, targets, self._images.__getitem__)
        except KeyError:
            return None
        self._use(root, frozenset(targets))
        return shown

    def show(self, image: Object, look: Look) -> Object:
        """The object with what `look` says in place of its pointers; nothing is followed for it."""
        return self._resolved(image, self._class_name, self._tree, set(), look)

    def known(self, target: Target) -> Object | None:
        """How an included object looks to the caller at present. Raises KeyError when it is not known."""
        return self._images[target]

    def _resolved(self, image: Object, class_name: str, tree: Tree, targets: set[Target], look: Look) -> Object:
        shown = dict(image)
        fields = self._schemas.get(class_name).fields if self._schemas.has(class_name) else {}
        for name, below in tree.items():
            value, field = image.get(name), fields.get(name)
            if field is None or value is None:
                continue
            if field.type is FieldType.POINTER:
                shown[name] = self._placed(value, below, targets, look)
            elif field.type is FieldType.ARRAY and isinstance(value, list):
                shown[name] = [self._placed(item, below, targets, look) for item in value]
        return shown

    def _placed(self, value: Json, below: Tree, targets: set[Target], look: Look) -> Json:
        """The object a pointer leads to; the pointer itself where there is nothing to be seen."""
        target = _target(value)
        if target is None or not isinstance(value, dict) or value["__type"] != "Pointer":
            return value
        targets.add(target)
        inside = look(target)
        if inside is None:
            return value
        return {"__type": "Object", "className": target[0], **self._resolved(inside, target[0], below, targets, look)}

    def seen(self, root: str) -> Iterator[Target]:
        """The objects that are shown inside one that is kept."""
        return (target for target in self._targets.get(root, ()) if self._images.get(target) is not None)

    def change(self, change: Change) -> list[str]:
        """Takes the change of an included object: the objects that look different now."""
        target = (change.class_name, change.object_id)
        after = change.after_object
        image = None if after is None else self.as_seen(change.class_name, after)
        if target not in self._images or self._images[target] == image:
            return []
        self._images[target] = image
        return list(self._roots.get(target, ()))

    def release(self, root: str) -> None:
        """An object is no longer kept."""
        self._use(root, frozenset())

    def _use(self, root: str, targets: frozenset[Target]) -> None:
        before = self._targets.get(root, frozenset())
        if targets:
            self._targets[root] = targets
        else:
            self._targets.pop(root, None)
        for target in targets - before:
            roots = self._roots.setdefault(target, {})
            if not roots:
                self.follow(target)
            roots[root] = None
        for target in before - targets:
            roots = self._roots[target]
            del roots[root]
            if not roots:
                del self._roots[target]
                self._images.pop(target, None)
                self.unfollow(target)

    def as_seen(self, class_name: str, image: Object) -> Object | None:
        """What the caller may see of an object that is included; None when it may not be read."""
        sight = self._sight(class_name)
        if sight is None or not sight.is_seen(image):
            return None
        hidden = sight.redaction.of(image)
        return {name: value for name, value in image.items() if name not in hidden}

    def _sight(self, class_name: str) -> _Sight | None:
        if not self._schemas.has(class_name):
            return None
        schema = self._schemas.get(class_name)
        known = self._sights.get(class_name)
        if known is None or known.schema is not schema:
            allowed = View(self._schemas, self._settings, self._caller).allowed_included(schema)
            known = _Sight(schema, compile_match(schema, allowed), Redaction(schema, self._caller.authority))
            self._sights[class_name] = known
        return known


def _target(value: Json) -> Target | None:
    if not isinstance(value, dict) or value.get("__type") not in ("Pointer", "Object"):
        return None
    class_name, object_id = value.get("className"), value.get("objectId")
    return (class_name, object_id) if isinstance(class_name, str) and isinstance(object_id, str) else None
