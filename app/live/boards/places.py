"""Where a person may go: the boards and the pages beside them, by role.

Owns: `Place` (a domain's board with what its rules say about it) and `Way` (one page that is offered). Holds: a page is offered
to the roles that may read what it shows; what they then see of it is judged by the server for each object. Pure. May import
live.boards.board.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.core.wire import Object
from app.live.boards.board import Board, Figures, Mine

Page = Board | Figures | Mine


@dataclass(frozen=True, slots=True)
class Way:
    """One page: its address below /boards/, what it is, and the board it stands beside."""

    path: str
    page: Page
    main: Board

    @property
    def url(self) -> str:
        """Its address."""
        return f"/boards/{self.path}"


@dataclass(frozen=True, slots=True)
class Place:
    """A domain's board. `readers`, `writers`: the roles that may read a class, or add to it; `machines`: its state machines as
    published, by class."""

    board: Board
    readers: Mapping[str, frozenset[str]]
    machines: Mapping[str, tuple[Object, ...]] = field(default_factory=dict)
    writers: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def ways(self) -> list[Way]:
        """The board and every page beside it."""
        beside = [Way(f"{self.board.name}/{page.name}", page, self.board) for page in self.board.beside]
        return [Way(self.board.name, self.board, self.board), *beside]

    def offers(self, page: Page, role: str | None) -> bool:
        """Whether a caller of this role is shown the way to a page."""
        if not isinstance(page, Board):
            return role in page.roles
        readers = self.readers.get(page.sources[0].class_name)
        return (readers is None or role in readers) and (role in page.roles if page.roles or readers is None else True)

    def open_to(self, role: str | None) -> list[Way]:
        """The pages this role is offered, the board first."""
        return [way for way in self.ways() if self.offers(way.page, role)]


def home_of(places: Sequence[Place], role: str | None) -> Way | None:
    """Where a caller begins: the page made for one person of their role, else the first board; None where nothing is theirs."""
    open_ways = [way for place in places for way in place.open_to(role)]
    own = [way for way in open_ways if isinstance(way.page, Mine) and way.page.home]
    return next(iter([*own, *open_ways]), None)
