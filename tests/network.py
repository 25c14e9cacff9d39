"""A network that can be cut, loudly or in silence: a TCP relay on loopback between a client and a server."""

import asyncio
import contextlib
from types import TracebackType


class Relay:
    """Forwards connections to `target_port` until `cut`; from then on none lives and none is accepted, until `mend`.

    After `hush` all connections stay and nothing comes through any more, as when a cable is pulled between two switches.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()
        await asyncio.sleep(0.05)

    def cut(self) -> None:
        """Breaks every connection and refuses new ones."""
        self._is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def hush(self) -> None:
        """Lets nothing through, and says so to nobody."""
        self._flows.clear()

    def mend(self) -> None:
        """Accepts connections again, and lets through what waits."""
        self._is_cut = False
        self._flows.set()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= pair
            for end in pair:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()
