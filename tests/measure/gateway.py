"""`serve` from its start to its first answer, and its memory under load."""

import concurrent.futures
import http.client
import json
import pathlib
import socket
import subprocess
import time

from dashboard import environment, resident_mb

CALLS = 2000
AT_ONCE = 16


class Serving:
    def __init__(self, lmdeck: pathlib.Path, config: pathlib.Path, folder: pathlib.Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [str(lmdeck), "--config", str(config), "serve", "--listen", f"127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment(folder), cwd=folder,
        )

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def first_answer(self) -> float:
        """Milliseconds from the start of the process; asks again and again as an impatient client would."""
        while time.monotonic() - self.started < 20:
            try:
                ask(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10), stream=False)
            except OSError:
                time.sleep(0.001)
                continue
            return (time.monotonic() - self.started) * 1000
        raise SystemExit("serve gave no answer in 20 s")


def ask(connection: http.client.HTTPConnection, stream: bool) -> None:
    body = {"model": "auto", "max_tokens": 30, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"serve answered {answer.status}: {text[:500]!r}")


def first_answer_ms(lmdeck: pathlib.Path, config: pathlib.Path, folder: pathlib.Path) -> float:
    with Serving(lmdeck, config, folder) as serving:
        return serving.first_answer()


def memory_under_load(lmdeck: pathlib.Path, config: pathlib.Path, folder: pathlib.Path) -> tuple[float, float]:
    with Serving(lmdeck, config, folder) as serving:
        serving.first_answer()
        resting = resident_mb(serving.process.pid)

        def one_client(calls: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
            for number in range(calls):
                ask(connection, stream=number % 2 == 0)

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as clients:
            list(clients.map(one_client, [CALLS // AT_ONCE] * AT_ONCE))
        return resting, resident_mb(serving.process.pid)
