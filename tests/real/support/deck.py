"""`lmdeck` as a person on a fresh account has it: an own home, an own configuration, no keys in the environment."""

import contextlib
import json
import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

from . import machine

# The model writes 7 tokens/s when a compiler runs beside it.
ANSWER_SECONDS = 120


class Deck:
    def __init__(self, folder: pathlib.Path):
        self.binary = pathlib.Path(os.environ["LMDECK_BIN"]).resolve()
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "ai_models.yaml"
        home = folder / "home"
        home.mkdir(parents=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "LMDECK_STATE_DIR": str(self.state),
        }
        self._running: list[subprocess.Popen] = []

    def configure(self, text: str) -> None:
        self.config.write_text(text)
        self.config.chmod(0o600)

    def arguments(self, *words: str) -> list[str]:
        config = ["--config", str(self.config)] if self.config.exists() else []
        return [str(self.binary), *config, *words]

    def run(self, *words: str, stdin: str = "", seconds: float = ANSWER_SECONDS) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(*words), input=stdin, capture_output=True, text=True, timeout=seconds,
            env=self.environment, cwd=self.folder,
        )

    def json(self, *words: str):
        done = self.run(*words, "--json")
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"{words} --json printed no JSON (exit {done.returncode}):\n{done.stdout}\n{done.stderr}") from None

    def start(self, *words: str) -> "Running":
        """A verb that stays; its output goes to files that can be read while it runs."""
        number = len(self._running)
        running = Running(self, words, self.folder / f"out{number}.txt", self.folder / f"err{number}.txt")
        self._running.append(running.process)
        return running

    @contextlib.contextmanager
    def serving(self):
        """`serve` on a free port, until the block ends; ends well or the check fails."""
        gateway = Gateway(self, machine.free_port())
        try:
            yield gateway
        finally:
            code = machine.end(gateway.running.process)
        assert code == 0, f"serve ended with {code}:\n{gateway.running.words()}"

    def call_log(self) -> list[dict]:
        """The JSON lines of all calls, oldest first."""
        lines: list[dict] = []
        for file in sorted(self.state.rglob("calls*.jsonl")):
            lines += [json.loads(line) for line in file.read_text().splitlines()]
        return lines

    def close(self) -> None:
        for process in self._running:
            machine.end(process)


class Running:
    def __init__(self, deck: Deck, words: tuple[str, ...], out: pathlib.Path, err: pathlib.Path):
        self._out, self._err = out, err
        with out.open("w") as stdout, err.open("w") as stderr:
            self.process = subprocess.Popen(
                deck.arguments(*words), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                env=deck.environment, cwd=deck.folder,
            )

    def out(self) -> str:
        return self._out.read_text()

    def words(self) -> str:
        return self.out() + self._err.read_text()

    def wait_for(self, text: str, seconds: float = 20) -> None:
        def seen() -> bool:
            if text in self.out():
                return True
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.words()}"
            return False

        machine.wait_for(f"{text!r} in the output", seen, seconds, self.words)


class Gateway:
    def __init__(self, deck: Deck, port: int):
        self.url = f"http://127.0.0.1:{port}"
        self.running = deck.start("serve", "--listen", f"127.0.0.1:{port}")
        machine.wait_for("the gateway", self._answers, 20, self.running.words)

    def _answers(self) -> bool:
        assert self.running.process.poll() is None, f"serve ended at once:\n{self.running.words()}"
        try:
            self.get("/health")
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: dict, headers: dict[str, str] | None = None):
        """Status, headers and the parsed body; an error status is an answer too."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
        )
        try:
            answer = urllib.request.urlopen(request, timeout=ANSWER_SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, json.load(answer)

    def wait_until_up(self, provider: str, seconds: float = 20) -> None:
        """Until the engine behind it has seen the provider."""
        def usable() -> bool:
            models = self.get("/api/v1/llm/model-status")["models"]
            return any(name.startswith(provider + "/") and model["available"] for name, model in models.items())

        machine.wait_for(f"{provider} at the gateway", usable, seconds, lambda: str(self.get("/health")))


def shortly() -> None:
    """Longer than the ledger's delay of 50 ms for finished calls."""
    time.sleep(0.2)
