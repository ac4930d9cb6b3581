"""The server dies and comes back: what `health`, `status`, `providers test` and `health --watch` say."""

import json
import time

import pytest

from support import machine


def one(rows: list[dict]) -> dict:
    assert len(rows) == 1, rows
    return rows[0]


def test_a_running_server_is_up_everywhere(deck):
    done = deck.run("health")
    assert done.returncode == 0, done.stdout + done.stderr
    row = one(deck.json("health"))
    assert row["provider"] == "smol" and row["state"] == "up"
    assert row["since"] and row["lastChecked"]
    assert row["latency_ms"] >= 0
    assert row["ladder"]["reachable"] and row["ladder"]["listed"]
    assert row["slots_total"] == 4
    status = deck.json("status")
    assert status["in_effect"] == "smol/smollm2" and status["all_healthy"]
    shown = deck.run("status").stdout
    assert "smol" in shown and "up" in shown


@pytest.mark.parametrize("running", [True, False], ids=["up", "down"])
def test_a_look_costs_no_waiting(deck, model, running):
    """Five times, since a wait for a task that never ends is a matter of luck."""
    if not running:
        model.kill()
    times = []
    for _ in range(5):
        begun = time.monotonic()
        assert deck.run("status").returncode == (0 if running else 4)
        times.append(time.monotonic() - begun)
    assert max(times) < 0.9, times


def test_a_connection_test_names_every_step(deck):
    done = deck.run("providers", "test", "smol", "--answer")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split()[1] for line in done.stdout.splitlines()]
    assert steps == ["address", "connect", "http", "kind", "key", "models", "answer"], done.stdout
    report = deck.json("providers", "test", "smol")
    assert report["passed"] and "smollm2" in report["models"]


def test_a_killed_server_is_down_with_its_remedy_and_back_when_started(deck, model):
    model.kill()
    for words in (("health",), ("status",), ("providers", "test", "smol")):
        done = deck.run(*words)
        shown = done.stdout + done.stderr
        assert done.returncode == 4, f"{words}: exit {done.returncode}\n{shown}"
        assert "refused" in shown, f"{words}: {shown}"
        assert "llama-server" in shown and str(model.port) in shown, f"{words} names no remedy:\n{shown}"
    row = one(deck.json("health"))
    assert row["state"] == "down" and row["errorCode"] == "network" and "refused" in row["message"]

    model.start()
    done = deck.run("health")
    assert done.returncode == 0, done.stdout
    assert one(deck.json("health"))["state"] == "up"


def test_a_watch_tells_every_change_once(deck, model):
    watching = deck.start("health", "--watch")
    watching.wait_for("smol up")
    model.kill()
    watching.wait_for("smol down")
    assert "refused" in watching.out()
    model.start()
    machine.wait_for("up again", lambda: watching.out().count("smol up") == 2, 30, watching.words)
    lines = [line.split()[2].rstrip(":") for line in watching.out().splitlines()]
    assert lines == ["up", "down", "up"], watching.out()
    assert machine.end(watching.process) in (0, -15, 143)


def test_a_watch_for_programs_is_one_object_per_line(deck, model):
    watching = deck.start("health", "--watch", "--json")
    watching.wait_for('"up"')
    model.kill()
    watching.wait_for('"down"')
    states = [json.loads(line)["state"] for line in watching.out().splitlines()]
    assert states == ["up", "down"]
