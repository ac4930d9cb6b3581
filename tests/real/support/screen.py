"""The dashboard in a real terminal (tmux), driven by keys and read as text."""

import pathlib
import re
import shlex
import subprocess

from . import machine
from .deck import Deck

PROMPT = "READY$ "


class Screen:
    """A shell in a tmux window of the given size, so that what the dashboard leaves behind can be seen too."""

    def __init__(self, deck: Deck, columns: int, rows: int):
        self._deck = deck
        self._socket = deck.folder / "tmux"
        environment = {key: value for key, value in deck.environment.items() if key != "TERM"}
        environment |= {"PS1": PROMPT, "ENV": "", "COLORTERM": "truecolor"}
        setting = [f"{key}={value}" for key, value in environment.items()]
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "env", "-i", "TERM=tmux-256color",
                   *setting, "sh", "-i")
        self.wait_for_shell()

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *words],
            capture_output=True, text=True, timeout=20,
        )
        assert done.returncode == 0, f"tmux {words[0]}: {done.stderr}"
        return done.stdout

    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def keys(self, *names: str) -> None:
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def wait(self, pattern: str, seconds: float = 20) -> str:
        """Until the screen matches; the screen as it was then."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [self.text()]
            return re.search(pattern, found[0]) is not None

        machine.wait_for(f"{pattern!r} on the screen", look, seconds, self.text)
        return found[0]

    def wait_for_shell(self, seconds: float = 20) -> None:
        """Until the shell below waits for a command."""
        self.wait(rf"{re.escape(PROMPT.strip())}\s*$", seconds)

    def start_dashboard(self, *words: str) -> None:
        self.type("clear; " + shlex.join(self._deck.arguments(*words)))
        self.keys("Enter")

    def shell(self, command: str) -> list[str]:
        """Runs a command in the shell below and gives its output lines."""
        out: pathlib.Path = self._deck.folder / "shell.out"
        out.unlink(missing_ok=True)
        self.type(f"{command} > {shlex.quote(str(out))}.part; mv {shlex.quote(str(out))}.part {shlex.quote(str(out))}")
        self.keys("Enter")
        machine.wait_for(command, out.exists, 20, self.text)
        return out.read_text().splitlines()

    def modes(self) -> dict[str, str]:
        """What a program may leave switched on in the terminal."""
        names = ["alternate_on", "cursor_flag", "mouse_any_flag", "keypad_cursor_flag", "keypad_flag", "wrap_flag"]
        values = self._tmux("display-message", "-p", ",".join(f"#{{{name}}}" for name in names)).strip().split(",")
        return dict(zip(names, values, strict=True))

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def close(self) -> None:
        self._tmux("kill-server")
