"""A bucket on this machine that speaks as much of S3 as a file needs: whole and multipart puts, ranges, deletes."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Bucket(ThreadingHTTPServer):
    """What was put, by path, and whether every request was signed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.stored: dict[str, bytes] = {}
        self.parts: dict[int, bytes] = {}
        self.unsigned = 0
        self.largest = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def open_bucket() -> Iterator[Bucket]:
    """A bucket that is closed at the end."""
    bucket = Bucket()
    thread = threading.Thread(target=bucket.serve_forever, daemon=True)
    thread.start()
    yield bucket
    bucket.shutdown()
    thread.join()
    bucket.server_close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        path, asked, body = self.read()
        if "partNumber" in asked:
            self.server.parts[int(asked["partNumber"][0])] = body
        else:
            self.server.stored[path] = body
        self.answer(200, ETag='"e"')

    def do_POST(self) -> None:
        path, asked, body = self.read()
        if "uploads" in asked:
            self.server.parts = {}
            self.answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        elif "uploadId" in asked:
            self.server.stored[path] = b"".join(part for _, part in sorted(self.server.parts.items()))
            self.answer(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
        else:
            keys = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for key in keys:
                self.server.stored.pop(f"{path}/{key}", None)
            told = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self.answer(200, f"<DeleteResult>{told}</DeleteResult>".encode())

    def do_GET(self) -> None:
        path, _, _ = self.read()
        stored = self.server.stored.get(path)
        if stored is None:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", f"bytes=0-{len(stored) - 1}"))
        assert found is not None
        start, end = int(found[1]), min(int(found[2]), len(stored) - 1)
        told = {"ETag": '"e"', "Last_Modified": "Sat, 21 Nov 2026 13:00:00 GMT"}
        self.answer(206, stored[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(stored)}", **told)

    def do_DELETE(self) -> None:
        self.read()
        self.answer(204)

    def read(self) -> tuple[str, dict[str, list[str]], bytes]:
        parts = urlsplit(self.path)
        self.server.unsigned += "Authorization" not in self.headers
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.largest = max(self.server.largest, len(body))
        return parts.path, parse_qs(parts.query, keep_blank_values=True), body
