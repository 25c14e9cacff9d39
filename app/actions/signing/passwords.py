"""Passwords: bcrypt hashes, made and compared off the event loop.

Owns: `hash_password`, `verify_password`. Holds: a hash is the one Parse Server would make ($2, 10 rounds), so its accounts
go on working; a missing account costs as much time as a wrong password. Imports bcrypt and the standard library only.
"""

import asyncio

import bcrypt

ROUNDS = 10
_LONGEST = 72  # bytes that bcrypt looks at; bcryptjs drops the rest in silence, so must we to know the same passwords
_NOBODY = bcrypt.hashpw(b"", bcrypt.gensalt(ROUNDS))


async def hash_password(password: str) -> str:
    """The bcrypt hash of a password."""
    given = password.encode()[:_LONGEST]
    return (await asyncio.to_thread(bcrypt.hashpw, given, bcrypt.gensalt(ROUNDS))).decode()


async def verify_password(password: str, hashed: str | None) -> bool:
    """Whether a password is the one of the hash; `hashed` None is never right, and takes as long."""
    given, known = password.encode()[:_LONGEST], _NOBODY if not hashed else hashed.encode()
    try:
        right = await asyncio.to_thread(bcrypt.checkpw, given, known)
    except ValueError:  # a hash that bcrypt cannot read belongs to nobody
        return False
    return right and bool(hashed)
