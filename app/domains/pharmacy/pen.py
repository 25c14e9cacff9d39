"""A signature as a pen would draw it, as the bytes of a PNG: for the demo and the simulation.

Owns: `draw_signature`. Holds: pure; the same random source draws the same line. Imports nothing of ours.
"""

import math
import struct
import zlib
from random import Random
from typing import Final

WIDTH: Final = 240
HEIGHT: Final = 80
_STEPS: Final = 900


def draw_signature(rng: Random) -> bytes:
    """A PNG of 240 x 80, one bit a pixel: loops from left to right and a stroke below."""
    rows = [bytearray(b"\xff" * (WIDTH // 8)) for _ in range(HEIGHT)]
    loops, lean, height = rng.uniform(5, 9), rng.uniform(0.4, 1.2), rng.uniform(12, 22)
    swell = [rng.uniform(0.4, 1.2) for _ in range(12)]
    for step in range(_STEPS):
        part = step / _STEPS
        angle = part * loops * math.tau
        size = height * swell[int(part * 11.99)]
        _ink(rows, 20 + part * 190 + lean * size * 0.5 * math.sin(angle), 38 + size * math.cos(angle * lean))
    for step in range(_STEPS // 3):
        part = step * 3 / _STEPS
        _ink(rows, 30 + part * 150, 66 - 6 * math.sin(part * math.pi))
    picture = b"".join(b"\x00" + bytes(row) for row in rows)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(picture, 9)) + _chunk(b"IEND", b"")


def _ink(rows: list[bytearray], x: float, y: float) -> None:
    """A dot of two pixels across."""
    for across in (0, 1):
        for down in (0, 1):
            column, row = int(x) + across, int(y) + down
            if 0 <= column < WIDTH and 0 <= row < HEIGHT:
                rows[row][column // 8] &= ~(0x80 >> column % 8) & 0xFF


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
