"""Ports, waiting, and ending what was started."""

import contextlib
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for(what: str, look: Callable[[], T], seconds: float = 20, describe: Callable[[], str] = str) -> T:
    """Looks again and again until `look` gives something true; says what was there instead when it never does."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}; there was:\n{describe()}")
        time.sleep(0.05)


def end(process: subprocess.Popen, seconds: float = 10) -> int:
    """Asks a process to end, then makes it; its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class _ListsAndDrops(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        listing = b'{"object":"list","data":[{"id":"m","object":"model"}]}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(listing)))
        self.end_headers()
        self.wfile.write(listing)

    def do_POST(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def half_dead_server() -> Iterator[str]:
    """Lists its model `m` to probes and drops the connection of every call; its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _ListsAndDrops)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
