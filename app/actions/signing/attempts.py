"""Wrong sign-ins, and what else a stranger may try so often: how many of them one may make.

Owns: `Attempts` and `Asked`. Holds: an attempt counts as wrong until it has shown to be right, so that many at once gain
nothing; who is limited reads the same whether the account exists or not; a stranger's attempts elsewhere do not soon lock an
account's owner out, as the narrow limit is of account and address together; memory is bounded. Counts are of this process.
Imports errors and core/addresses.
"""

import hashlib
import time
from collections.abc import Callable

from app.core.addresses import is_loopback
from app.errors import ErrorCode, ParseError

WINDOW_SECONDS = 300.0
"""So long a wrong attempt counts, less and less."""

ADDRESS_FACTOR = 5
"""An address may have people behind it who all mistype."""

ACCOUNT_FACTOR = 20
"""Guesses at one account from many addresses."""

MOST_KEYS = 50_000

LONGEST_NAME = 320
"""What is longer is nobody's name, and known by its digest."""

MAIL_FACTOR = 2
"""Mails to one account that many addresses ask for, or that it has sent itself by new addresses."""

_Key = tuple[str, str]


def mail_attempts(most: int) -> "Attempts":
    """What counts the mails that somebody asks for."""
    return Attempts(most, words="Too many mails were asked for", account_factor=MAIL_FACTOR)


class Asked:
    """What anybody may ask for without being anybody, by address: new accounts, challenges. `words` are told to who is limited.

    This very machine may ask for any number: tools are there, and proxies that name nobody.
    """

    def __init__(self, most: int, words: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked = Attempts(most, words=words, account_factor=1, clock=clock)

    def begin(self, address: str) -> None:
        """Counts one. Raises 155 with how long to wait when there were too many."""
        if address and not is_loopback(address):
            self._asked.begin(address, "")


class Attempts:
    """Wrong sign-ins by account and address, each kept as a level that sinks to nothing in `WINDOW_SECONDS`.

    `words` are told to who is limited; `account_factor` says how many an account may have from many addresses.
    """

    def __init__(
        self,
        most: int,
        *,
        words: str = "Too many wrong sign-ins",
        account_factor: int = ACCOUNT_FACTOR,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._words = words
        self._account_factor = account_factor
        self._clock = clock
        self._levels: dict[_Key, tuple[float, float]] = {}

    def begin(self, name: str, address: str) -> None:
        """Counts an attempt. Raises 155 with how long to wait when there were too many; then it does not count."""
        if not self._most:
            return
        now, limits = self._clock(), self._limits(name, address)
        for key, most in limits.items():
            over = self._level(key, now, most) + 1 - most
            if over > 0:
                minutes = max(1, round(over / most * WINDOW_SECONDS / 60))
                words = f"{self._words}; wait {minutes} minute{'s' * (minutes > 1)} and try again."
                raise ParseError(ErrorCode.REQUEST_LIMIT_EXCEEDED, words)
        for key, most in limits.items():
            self._put(key, self._level(key, now, most) + 1, now)

    def forgive(self, name: str, address: str) -> None:
        """The attempt was right."""
        if not self._most:
            return
        now = self._clock()
        for key, most in self._limits(name, address).items():
            self._put(key, self._level(key, now, most) - 1, now)

    def _limits(self, name: str, address: str) -> dict[_Key, int]:
        name = name.lower()
        if len(name) > LONGEST_NAME:
            name = hashlib.sha256(name.encode(errors="replace")).hexdigest()
        by_account = {("", name): self._most * self._account_factor}
        if not address:
            return by_account
        return {(address, name): self._most, (address, ""): self._most * ADDRESS_FACTOR, **by_account}

    def _level(self, key: _Key, now: float, most: int) -> float:
        level, since = self._levels.get(key, (0.0, now))
        return max(0.0, level - (now - since) * most / WINDOW_SECONDS)

    def _put(self, key: _Key, level: float, now: float) -> None:
        self._levels.pop(key, None)
        if level > 0:
            self._levels[key] = (level, now)
        while len(self._levels) > MOST_KEYS:
            del self._levels[next(iter(self._levels))]
