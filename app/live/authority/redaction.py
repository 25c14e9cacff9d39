"""Which fields of an object one caller is never shown.

Owns: `Redaction`, the answer of core.access for one class and one caller, asked once where it is the same for every
object. Always holds: it is decided before a frame exists; two callers with the same answer share the bytes. May
import core.
"""

from app.core.access import Authority, hidden_fields, protected_by_pointer, protected_for
from app.core.schema import ClassSchema
from app.core.wire import Object


class Redaction:
    """What is hidden from one caller in objects of one class."""

    __slots__ = ("_authority", "_schema", "_varies", "hidden", "hides_nothing")

    def __init__(self, schema: ClassSchema, authority: Authority) -> None:
        self._schema = schema
        self._authority = authority
        self.hidden = hidden_fields(schema, authority)
        """Hidden as a rule; what is in here the caller may not ask about either, for an answer would tell it."""
        own_account = schema.class_name == "_User"
        self._varies = authority.user_id is not None and (own_account or bool(protected_by_pointer(schema)))
        self.hides_nothing = not self._varies and not self.hidden

    def of(self, obj: Object) -> frozenset[str]:
        """The fields of this very object that the caller may not see."""
        if not self._varies:
            return self.hidden
        return self._schema.secrets | protected_for(self._schema, obj, self._authority)

    def same_as(self, other: "Redaction") -> bool:
        """Whether both hide the same of every object."""
        if self._varies or other._varies:
            mine, theirs = self._schema.permissions, other._schema.permissions
            return mine == theirs and self._authority == other._authority and self.hidden == other.hidden
        return self.hidden == other.hidden
