"""The dashboard in tmux with the real model: what a person sees, presses and finds afterwards."""

import pytest

from support import deck as decks
from support import machine

SIZES = [(80, 24), (120, 40)]


@pytest.fixture(params=SIZES, ids=["80x24", "120x40"])
def screen(request, open_screen):
    return open_screen(*request.param)


def test_the_server_is_seen_up_dying_and_returning(screen, model):
    screen.start_dashboard()
    screen.wait(r"\[ok\] Real model")
    model.kill()
    shown = screen.wait(r"\[x\]\s+Real model")
    assert "refused" in shown
    shown = screen.wait("llama-server")
    assert str(model.port) in shown, "the remedy names the port"
    model.start()
    screen.wait(r"\[ok\] Real model", 30)
    # The change is announced, not only drawn: it stands in the messages.
    screen.keys("!")
    shown = screen.wait("Messages")
    assert "down" in shown and "up" in shown, shown


def test_health_shows_the_same_from_its_tab(screen, model):
    screen.start_dashboard()
    screen.wait(r"\[ok\] Real model")
    screen.keys("2")
    shown = screen.wait(r"\[2 Health\]")
    assert "up" in shown
    model.kill()
    screen.wait(r"\[x\]\s+(down\s+)?Real model")
    model.start()
    screen.wait(r"\[ok\] (up\s+)?Real model", 30)


def test_a_prompt_streams_its_answer(screen, deck):
    screen.start_dashboard()
    screen.wait(r"\[ok\] Real model")
    screen.keys("4")
    screen.wait(r"\[4 Playground\]")
    screen.type("Say hello and count to ten.")
    before = screen.wait("count to ten")
    assert "smol/smollm2" in before, "before Enter it says where the prompt will go"
    screen.keys("Enter")
    shown = screen.wait(r"done, ", decks.ANSWER_SECONDS)
    assert "tok/s" in shown and "first token" in shown
    decks.shortly()
    call = deck.json("calls", "list", "--limit", "1")["calls"][0]
    assert call["status"] == "ok" and call["target"] == "smol/smollm2"


def test_calls_of_another_process_appear(screen, deck):
    done = deck.run("ask", "--type", "quick_responses", "--max-tokens", "8", "Say hello.")
    assert done.returncode == 0, done.stderr
    screen.start_dashboard()
    screen.wait(r"\[ok\] Real model")
    screen.keys("5")
    screen.wait(r"\[5 Telemetry\]")
    screen.wait(r"\[ok\].*smol")


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_leaving_gives_the_terminal_back(open_screen, key):
    screen = open_screen(80, 24)
    terminal, modes = screen.shell("stty -g"), screen.modes()
    screen.start_dashboard()
    screen.wait(r"\[ok\] Real model")
    assert screen.modes()["alternate_on"] == "1"
    screen.keys(key)
    screen.wait_for_shell()
    assert screen.modes() == modes
    assert screen.shell("stty -g") == terminal
    assert screen.shell("echo typing works") == ["typing works"]


def test_a_narrower_window_is_drawn_anew(open_screen):
    screen = open_screen(120, 40)
    screen.start_dashboard()
    screen.wait(r"\[ok\] Real model")
    for columns, rows in ((60, 20), (40, 10), (30, 6), (80, 24)):
        screen.resize(columns, rows)
        machine.wait_for(
            f"a picture of {columns}x{rows}", lambda: screen.text().strip() and "Real model" in screen.text() or rows < 10,
            10, screen.text,
        )
    screen.wait(r"\[ok\] Real model")
    screen.keys("q")
    screen.wait_for_shell()


def test_a_stranger_without_configuration_is_told_what_to_do(fresh):
    from support.screen import Screen

    screen = Screen(fresh, 80, 24)
    try:
        screen.start_dashboard()
        shown = screen.wait("no configuration|No configuration|Welcome")
        assert "add" in shown
        screen.keys("q")
        screen.wait_for_shell()
    finally:
        screen.close()
