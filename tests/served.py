"""A file on a local HTTP server that can cut, forget ranges, change or redirect."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Served:
    """What is served, how, and what was asked.

    Args:
        content: the file.
        cut: of each answer so many bytes come, the rest does not; None for all; an iterator for one number each.
        tag: its ETag; "" for none.
        ranges: whether Range and If-Range are understood; "forced" answers 206 whatever If-Range says.
        length: whether Content-Length is sent; "chunked" sends the file in chunks of 1000 bytes, and `cut` is the
            number of chunks.
        status: the answer instead of the file, where it is not 200.
        location: where every request is sent on to.
    """

    content: bytes
    cut: int | Iterator[int] | None = None
    tag: str = '"one"'
    ranges: bool | str = True
    length: bool | str = True
    status: int = 200
    location: str = ""
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class _Handler(BaseHTTPRequestHandler):
    served: Served

    def do_GET(self) -> None:
        served = self.served
        served.asked.append({name: self.headers.get(name, "") for name in ("Range", "If-Range")})
        if served.location or served.status != 200:
            self.send_response(302 if served.location else served.status)
            self.send_header("Location", served.location)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        start = self._start()
        if start >= len(served.content) > 0:
            return self.send_error(416)
        body = served.content[start:]
        self.send_response(206 if start else 200)
        if start:
            whole = len(served.content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        if served.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif served.length:
            self.send_header("Content-Length", str(len(body)))
        if served.tag:
            self.send_header("ETag", served.tag)
        self.end_headers()
        cut = next(served.cut, 0) if isinstance(served.cut, Iterator) else served.cut
        if served.length == "chunked":
            pieces = [body[i : i + 1000] for i in range(0, len(body), 1000)]
            framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b"")]
            return self.wfile.writelines(framed[:cut])
        body = body[:cut]
        served.sent += len(body)
        self.wfile.write(body)

    def _start(self) -> int:
        served, asked = self.served, self.served.asked[-1]
        found = re.fullmatch(r"bytes=(\d+)-", asked["Range"])
        same = served.ranges == "forced" or asked["If-Range"] in ("", served.tag)
        return int(found[1]) if found and served.ranges and same else 0

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test reads `asked`."""


@contextmanager
def serve(content: bytes, name: str = "file.bin", **how: object) -> Iterator[Served]:
    """Serve one file from this machine while the block lasts."""
    served = Served(content, **how)  # type: ignore[arg-type]
    handler = type("Handler", (_Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/{name}"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
