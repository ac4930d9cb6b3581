"""Streams as model servers write them: one token after another, each on its way alone.

    paced.py serve PORT                        the upstream: every event carries the time at which it was written
    paced.py ask SECONDS ROUNDS BODY PORT...   asks each of the ports in turn, in one connection each, and prints
                                               a line per port: figures <first> <p50> <p99> <late> <errors>

`first` is the time from the request to the first event (median, µs); `p50` and `p99` are how old every further event
was when it was here (µs); `late` is the share of them from 35 ms on, in percent. Both sides read the same clock of
this machine.
"""

import re
import socket
import statistics
import sys
import threading
import time

EVENTS = 20
PAUSE = 0.002
STAMP = re.compile(rb'"content":"(\d+) "')
MODELS = b'{"object":"list","data":[{"id":"bench-model","object":"model","created":1,"owned_by":"bench"}]}'


def event(delta: str, finish: str = "null") -> bytes:
    return (
        'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench-model",'
        f'"choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":{finish}}}]}}\n\n'
    ).encode()


USAGE = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench-model",'
    b'"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":20,"total_tokens":32}}\n\n'
)


def requests(peer: socket.socket):
    """The heads of the requests on a connection, one by one, their bodies read."""
    pending = b""
    while True:
        while b"\r\n\r\n" not in pending:
            more = peer.recv(65536)
            if not more:
                return
            pending += more
        head, _, pending = pending.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        missing = (int(length[1]) if length else 0) - len(pending)
        while missing > 0:
            more = peer.recv(missing)
            if not more:
                return
            pending += more
            missing -= len(more)
        pending = pending[int(length[1]):] if length else pending
        yield head


def answer(peer: socket.socket) -> None:
    with peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for head in requests(peer):
            # A proxy that speaks HTTP/1.0 is told the end by the end of the connection.
            chunked = b" HTTP/1.1" in head.split(b"\r\n", 1)[0]
            framing = b"Transfer-Encoding: chunked" if chunked else b"Connection: close"
            if head.startswith(b"GET"):
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(MODELS), MODELS))
                continue

            def send(data: bytes) -> None:
                peer.sendall(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)

            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%s\r\n\r\n" % framing)
            for _ in range(EVENTS):
                send(event(f'"content":"{time.monotonic_ns()} "'))
                time.sleep(PAUSE)
            send(event("", '"stop"') + USAGE + b"data: [DONE]\n\n")
            if not chunked:
                return
            peer.sendall(b"0\r\n\r\n")


def serve(port: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=answer, args=(peer,), daemon=True).start()


class Asked:
    def __init__(self, port: int):
        self.port, self.first, self.further, self.errors = port, [], [], 0
        self.peer: socket.socket | None = None

    def ask(self, body: bytes) -> None:
        if self.peer is None:
            self.peer = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        started = time.monotonic_ns()
        self.peer.sendall(head % (self.port, len(body)) + body)
        seen, text = 0, b""
        while b"[DONE]" not in text[-64:]:
            more = self.peer.recv(65536)
            now = time.monotonic_ns()
            if not more:
                break
            text += more
            if not text.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"port {self.port} answered {text[:400].decode(errors='replace')}")
            stamps = STAMP.findall(text)
            for stamp in stamps[seen:]:
                if seen == 0:
                    self.first.append((now - started) / 1000)
                else:
                    self.further.append((now - int(stamp)) / 1000)
                seen += 1
        while b"[DONE]" in text and not text.endswith(b"\r\n0\r\n\r\n") and more:
            more = self.peer.recv(65536)
            text += more
        if not more:
            self.peer.close()
            self.peer = None
        if seen != EVENTS:
            self.errors += 1

    def figures(self) -> str:
        further = sorted(self.further) or [0.0]
        late = 100 * sum(age >= 35_000 for age in further) / len(further)
        at = lambda share: further[min(len(further) - 1, int(share * len(further)))]
        return f"figures {statistics.median(self.first or [0]):.0f} {at(0.5):.0f} {at(0.99):.0f} {late:.1f} {self.errors}"


def main() -> None:
    match sys.argv[1:]:
        case ["serve", port]:
            serve(int(port))
        case ["ask", seconds, rounds, body, *ports]:
            asked = [Asked(int(port)) for port in ports]
            for _ in range(int(rounds)):
                for one in asked:
                    until = time.monotonic() + float(seconds)
                    while time.monotonic() < until:
                        one.ask(body.encode())
            for one in asked:
                print(one.figures())
        case _:
            raise SystemExit(__doc__)


main()
