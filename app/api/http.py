"""The HTTP protocol class that uvicorn runs for us: how endless answers end when the server stops.

Owns: `END`, where an answer without an end puts what ends it. Always holds: a stopping server waits for requests, and for
no stream; a stream is told that the server stops, so that its reader comes back. May import uvicorn and the standard library.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

END = "careboard.end"
"""The key of the ASGI scope whose value is called, once, when the server stops."""


class StreamProtocol(HttpToolsProtocol):
    """uvicorn's protocol; it ends streams before it waits for what is under way."""

    def shutdown(self) -> None:
        """Called once for each open connection when the server stops."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if cycle is not None and not cycle.response_complete:
            end = dict(cycle.scope).get(END)
            if callable(end):
                end()
        super().shutdown()
