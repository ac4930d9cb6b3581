"""The dashboard on a pseudo-terminal that answers no query, and a model server that costs no time."""

import fcntl
import http.server
import json
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time

ANSWER = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello there"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
PIECES = [{"role": "assistant", "content": ""}] + [{"content": "word "} for _ in range(20)] + [{}]
STREAM = "".join(
    "data: " + json.dumps({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": piece, "finish_reason": None if piece else "stop"}],
    }) + "\n\n"
    for piece in PIECES
) + "data: [DONE]\n\n"
TABS = b"Providers"
TICKS = os.sysconf("SC_CLK_TCK")


class QuietServer(http.server.ThreadingHTTPServer):
    """Says nothing of a client that went away: the dashboard is ended in the middle of things, on purpose."""

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Upstream:
    """Lists a model and answers at once; counts how often it was probed."""

    def __init__(self, slower: float = 0) -> None:
        """Each list of models takes `slower` times as long as the one before, from 2 ms up to 0.7 s."""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise head and body of an answer meet the peer's delayed acknowledgement.
            disable_nagle_algorithm = True
            wbufsize = -1

            def _send(self, kind: str, body: bytes, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def do_GET(self) -> None:
                if self.path == "/v1/models":
                    if slower:
                        time.sleep(min(0.002 * slower**outer.probes, 0.7))
                    self._send("application/json", b'{"object":"list","data":[{"id":"m","object":"model"}]}')
                    outer.probes += 1
                else:
                    self._send("application/json", b'{"error":{"message":"not here"}}', 404)

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if asked.get("stream"):
                    self._send("text/event-stream", STREAM.encode())
                else:
                    self._send("application/json", json.dumps(ANSWER).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.probes = 0
        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.request_queue_size = 64
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Upstream":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def configuration(folder: pathlib.Path, url: str, interval: int) -> pathlib.Path:
    file = folder / "ai_models.yaml"
    file.write_text(
        "providers:\n"
        f"  - id: quick\n    type: openai_compatible\n    endpoint: {url}\n    max_concurrent: 64\n"
        f"    health: {{ interval: {interval}, timeout: 2 }}\n"
        "limits: { max_concurrent_requests: 64 }\n"
        # Port 0: the dashboard's own gateway takes any free one.
        'gateway: { listen: "127.0.0.1:0" }\n'
    )
    file.chmod(0o600)
    return file


class Crowd:
    """Many servers, each of which lists many models: one process, one thread each."""

    def __init__(self, servers: int, models: int) -> None:
        self._servers = [self._server(server, models) for server in range(servers)]

    @staticmethod
    def _server(server: int, models: int) -> QuietServer:
        listed = [{"id": f"vendor-{server}/model-{model:03}-instruct", "object": "model"} for model in range(models)]
        listing = json.dumps({"object": "list", "data": listed}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                known = self.path == "/v1/models"
                body = listing if known else b'{"error":{"message":"not here"}}'
                self.send_response(200 if known else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        return QuietServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> "Crowd":
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def configuration(self, folder: pathlib.Path) -> pathlib.Path:
        file = folder / "ai_models.yaml"
        profiles = "".join(
            f"  - id: box{place:02}\n    type: openai_compatible\n    endpoint: http://127.0.0.1:{server.server_port}\n"
            "    health: { interval: 3600, timeout: 2 }\n"
            for place, server in enumerate(self._servers)
        )
        file.write_text("providers:\n" + profiles + 'gateway: { listen: "127.0.0.1:0" }\n')
        file.chmod(0o600)
        return file


def environment(folder: pathlib.Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "xterm-256color",
        "LMDECK_STATE_DIR": str(folder / "state"),
    }


class Dashboard:
    def __init__(self, lmdeck: pathlib.Path, config: pathlib.Path, folder: pathlib.Path, columns: int, rows: int,
                 traced: bool = False):
        self._trace = folder / "writes.trace" if traced else None
        command = [str(lmdeck), "--config", str(config)]
        if self._trace is not None:
            self._trace.unlink(missing_ok=True)
            command = ["strace", "-f", "-qq", "-y", "-e", "trace=write,writev", "-o", str(self._trace), *command]
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._device = os.ttyname(terminal)
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment(folder), cwd=folder,
            start_new_session=True,
        )
        os.close(terminal)

    def __enter__(self) -> "Dashboard":
        return self

    def __exit__(self, *_: object) -> None:
        self.press("q")
        deadline = time.monotonic() + 5
        # Reads on: a program that cannot write its farewell would seem to hang.
        while self._process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    def _read(self, seconds: float) -> bytes:
        """What comes within the time, as soon as it comes; empty when nothing does."""
        ready, _, _ = select.select([self._master], [], [], max(seconds, 0))
        if not ready:
            return b""
        try:
            return os.read(self._master, 1 << 20)
        except OSError:
            return b""

    def first_frame_ms(self) -> float:
        seen = b""
        while TABS not in seen:
            if time.monotonic() - self._started > 20 or self._process.poll() is not None:
                raise SystemExit(f"no dashboard came; the terminal got: {seen[-2000:]!r}")
            seen += self._read(1)
        return (time.monotonic() - self._started) * 1000

    def press(self, keys: str) -> None:
        try:
            os.write(self._master, keys.encode())
        except OSError:
            pass

    def echo_ms(self, keys: str) -> list[float]:
        """For each key, how long until the screen answers it."""
        times = []
        for key in keys:
            pressed = time.monotonic()
            self.press(key)
            self._read(5)
            times.append((time.monotonic() - pressed) * 1000)
            while self._read(0.1):
                pass
        return times

    def settle(self, quiet: float = 2, seconds: float = 30) -> None:
        """Until nothing was written for a while: probes of the start are over, messages are gone."""
        deadline = time.monotonic() + seconds
        while self._read(quiet):
            if time.monotonic() > deadline:
                raise SystemExit(f"the dashboard writes all the time: not {quiet:g} s of quiet in {seconds:g} s")

    def watch(self, seconds: float) -> tuple[int, float]:
        """Bytes written and the share of one core used in this time."""
        deadline, used, written = time.monotonic() + seconds, self._processor_seconds(), 0
        while (left := deadline - time.monotonic()) > 0:
            written += len(self._read(left))
        return written, (self._processor_seconds() - used) / seconds

    def next_output(self, upstream: Upstream) -> tuple[int, int]:
        """Bytes and writes of what the next probe changes on the screen; (0, 0) when nothing does."""
        before, traced = upstream.probes, self._traced_writes()
        written = bursts = 0
        # From a moment of quiet to a second after the probe; the one after it is seconds away.
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            piece = self._read(0.02)
            written, bursts = written + len(piece), bursts + bool(piece)
            if deadline is None and upstream.probes > before:
                deadline = time.monotonic() + 1
        return written, (self._traced_writes() - traced if self._trace else bursts)

    def _traced_writes(self) -> int:
        if self._trace is None:
            return 0
        return len(re.findall(rf"write[v]?\(\d+<{re.escape(self._device)}", self._trace.read_text(errors="replace")))

    def _processor_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> float:
        return resident_mb(self._process.pid)


def resident_mb(pid: int) -> float:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    kilobytes = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes[1]) * 1024 / 1_000_000 if kilobytes else 0.0
