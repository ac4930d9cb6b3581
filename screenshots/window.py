"""A terminal window (kitty) of an exact size on a virtual display: keys in, text and pictures out."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
from collections.abc import Iterator

from support import machine

SETTINGS = {
    "font_family": "JetBrains Mono",
    "font_size": "11",
    "background": "#1e1e1e",
    "foreground": "#e4e4e4",
    "window_padding_width": "6",
    "cursor_blink_interval": "0",
    "remember_window_size": "no",
    "placement_strategy": "top-left",
    "hide_window_decorations": "yes",
    "linux_display_server": "x11",
    "allow_remote_control": "socket-only",
    "confirm_os_window_close": "0",
    "update_check_interval": "0",
    "enable_audio_bell": "no",
    "shell_integration": "disabled",
    # `->` is two characters on the screen and so in the picture.
    "disable_ligatures": "always",
    # No flashing copy of the picture a frame later than the text says.
    "repaint_delay": "5",
}
MOST_BYTES = 150_000
COLOURS = 64


@contextlib.contextmanager
def display() -> Iterator[str]:
    """A virtual X display of its own; its name, as in `:7`."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "2200x1400x24", "-nolisten", "tcp"],
        pass_fds=[writing], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as number:
            name = number.readline().strip()
        if not name:
            raise SystemExit("Xvfb did not start")
        yield f":{name}"
    finally:
        machine.end(server)


class Window:
    def __init__(self, display: str, columns: int, rows: int, command: list[str], environment: dict[str, str],
                 folder: pathlib.Path):
        self._socket = f"unix:{folder / f'kitty-{columns}x{rows}'}"
        self._display = display
        self._log = folder / "kitty.log"
        size = {"initial_window_width": f"{columns}c", "initial_window_height": f"{rows}c"}
        options = [word for key, value in (SETTINGS | size).items() for word in ("-o", f"{key}={value}")]
        own = {"DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1", "COLORTERM": "truecolor"}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                ["kitty", "--config", "NONE", *options, "--listen-on", self._socket, "--directory", str(folder), *command],
                env={key: value for key, value in environment.items() if key != "TERM"} | own,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        machine.wait_for("the terminal", self._answers, 30, self._log.read_text)

    def _remote(self, *words: str, quiet: bool = False) -> str | None:
        done = subprocess.run(["kitty", "@", "--to", self._socket, *words], capture_output=True, text=True, timeout=20)
        if done.returncode == 0:
            return done.stdout
        if quiet:
            return None
        raise AssertionError(f"kitty @ {words[0]}: {done.stderr}")

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"kitty ended:\n{self._log.read_text()}"
        return self._remote("ls", quiet=True) is not None

    def text(self) -> str:
        return self._remote("get-text", "--extent", "screen") or ""

    def type(self, text: str) -> None:
        subprocess.run(
            ["kitty", "@", "--to", self._socket, "send-text", "--stdin"], input=text, text=True, check=True, timeout=20
        )

    def wait(self, pattern: str, seconds: float = 30) -> None:
        machine.wait_for(
            f"{pattern!r} on the screen", lambda: re.search(pattern, self.text(), re.MULTILINE), seconds, self.text
        )

    def wait_until_gone(self, pattern: str, key: str, seconds: float = 30) -> None:
        """Presses a key until the screen no longer matches: a message of trouble goes when somebody was there."""
        def gone() -> bool:
            if not re.search(pattern, self.text(), re.MULTILINE):
                return True
            self.type(key)
            return False

        machine.wait_for(f"no {pattern!r} on the screen", gone, seconds, self.text)

    def picture(self, file: pathlib.Path) -> None:
        """The window alone, in few colours, without anything about the machine that took it."""
        self._wait_until_still()
        raw = file.with_suffix(".raw.png")
        self._import(raw)
        subprocess.run(
            ["pngquant", "--force", "--strip", "--speed", "1", "--output", str(file), str(COLOURS), str(raw)], check=True
        )
        raw.unlink()
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise SystemExit(f"{file.name} is {size} bytes, more than {MOST_BYTES}")

    def _import(self, file: pathlib.Path) -> None:
        listing = json.loads(self._remote("ls") or "[]")
        window = str(listing[0]["platform_window_id"])
        subprocess.run(
            ["import", "-window", window, "-strip", str(file)], check=True, timeout=30,
            env={"PATH": os.environ["PATH"], "DISPLAY": self._display},
        )

    def _wait_until_still(self) -> None:
        """Two looks at the same text: what was asked for is drawn, and drawn whole."""
        last = [""]

        def same() -> bool:
            before, last[0] = last[0], self.text()
            return before == last[0]

        machine.wait_for("a still screen", same, 10, self.text)

    def close(self) -> None:
        machine.end(self._process)
