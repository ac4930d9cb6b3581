"""What the checks share: one real model server, and a fresh account per check."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator

import pytest

from support import machine
from support.deck import Deck
from support.model_server import ModelServer
from support.screen import Screen

CONFIGURATION = """\
providers:
  - id: smol
    name: Real model
    type: llama_cpp
    endpoint: {url}
    health: {{ interval: 1, timeout: 2, retries: 0 }}
# Any free port: a dashboard of somebody else may have the usual one.
gateway: {{ listen: "127.0.0.1:0" }}
"""


@pytest.fixture(scope="session")
def the_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    server = ModelServer(machine.free_port(), tmp_path_factory.mktemp("model") / "server.log")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def model(the_server: ModelServer) -> ModelServer:
    """The real server, running; a check may kill it."""
    the_server.start()
    return the_server


@pytest.fixture
def fresh(tmp_path: pathlib.Path) -> Iterator[Deck]:
    """An account without any configuration."""
    deck = Deck(tmp_path)
    yield deck
    deck.close()


@pytest.fixture
def deck(fresh: Deck, model: ModelServer) -> Deck:
    """An account with the real model as its one provider `smol`."""
    fresh.configure(CONFIGURATION.format(url=model.url))
    return fresh


@pytest.fixture
def gateway(deck: Deck):
    with deck.serving() as gateway:
        gateway.wait_until_up("smol")
        yield gateway


@pytest.fixture
def open_screen(deck: Deck) -> Iterator[Callable[[int, int], Screen]]:
    with contextlib.ExitStack() as open_ones:

        def make(columns: int, rows: int) -> Screen:
            screen = Screen(deck, columns, rows)
            open_ones.callback(screen.close)
            return screen

        yield make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    count = {word: len(terminalreporter.stats.get(word, [])) for word in ("passed", "failed", "error", "skipped")}
    line = f"{count['passed']} passed, {count['failed'] + count['error']} failed"
    if count["skipped"]:
        line += f", {count['skipped']} skipped"
    terminalreporter.write_line(line)
