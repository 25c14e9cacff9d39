"""The classes of the toy domain: walking frames, and who has one on loan."""

from piccolo.columns import ForeignKey, OnDelete, Text, Timestamptz

from app.store.tables import ParseTable, User


class WalkingFrame(ParseTable, tablename="WalkingFrame"):
    """A frame that is lent out."""

    label = Text(default=None, null=False, db_column_name="label")
    state = Text(default=None, null=False, db_column_name="state")
    due_at = Timestamptz(default=None, null=True, db_column_name="dueAt")


class Loan(ParseTable, tablename="Loan"):
    """Who has a frame."""

    frame = ForeignKey(WalkingFrame, on_delete=OnDelete.no_action, default=None, null=False, db_column_name="frame")
    borrower = ForeignKey(User, on_delete=OnDelete.no_action, default=None, null=False, db_column_name="borrower")


TABLES: tuple[type[ParseTable], ...] = (WalkingFrame, Loan)
