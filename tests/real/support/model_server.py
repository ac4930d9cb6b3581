"""The real model server, started and killed as a person would start and kill theirs."""

import json
import pathlib
import subprocess
import sys
import urllib.request

from . import machine

SCRIPT = pathlib.Path(__file__).parent.parent / "serve_model.py"
START_SECONDS = 120


class ModelServer:
    def __init__(self, port: int, log: pathlib.Path):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(self.port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        machine.wait_for("the model server", self._ready, START_SECONDS, self._log.read_text)

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the model server ended at once:\n{self._log.read_text()}")
        # Asked rather than read from its output, where its threads write into each other's lines.
        try:
            return self.get("/health")["status"] == "ok"
        except OSError:
            return False

    def kill(self) -> None:
        """Gone at once, connections and all."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def busy_slots(self) -> int:
        return sum(1 for slot in self.get("/slots") if slot["is_processing"])
