"""`lmdeck ask` on a terminal's edge: streamed, as JSON, on a pipe, without a configuration, with a dead target."""

import json
import subprocess

import pytest

from support import deck as decks
from support import machine
from support.model_server import ModelServer

SHORT = ("--max-tokens", "24")


def test_an_answer_arrives_on_stdout_and_nothing_else_does(deck):
    done = deck.run("ask", *SHORT, "Say hello.")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) > 1
    assert done.stdout.endswith("\n")
    assert "\x1b" not in done.stdout + done.stderr
    for word in ("smol", "tok/s", "--"):
        assert word not in done.stdout.splitlines()[-1], "words about the call belong to stderr"


def test_the_answer_streams(deck):
    """The first letters are there well before the last ones."""
    # Without chance, so that the answer is as long today as it was yesterday.
    asking = deck.start("ask", "--temperature", "0", "--max-tokens", "160", "Tell a long story about a fox and a river.")
    machine.wait_for("the first letters", asking.out, decks.ANSWER_SECONDS, asking.words)
    first = asking.out()
    assert asking.process.wait(decks.ANSWER_SECONDS) == 0, asking.words()
    assert asking.out().startswith(first)
    assert len(asking.out()) > len(first), "all of it came at once"


def test_json_has_the_fields_of_the_service(deck):
    answer = deck.json("ask", *SHORT, "--type", "quick_responses", "Say hello.")
    assert answer["content"].strip()
    assert answer["provider"] == "llama_cpp"
    assert answer["model_used"].endswith("smollm2")
    assert answer["tokens_used"] > 0
    assert answer["generation_time"] > 0
    assert answer["cached"] is False
    metadata = answer["metadata"]
    assert metadata["local_model"] is True
    assert metadata["attempts"] == 1
    assert metadata["response_id"] and metadata["call_id"] and metadata["policy"]


def test_the_prompt_may_come_from_a_pipe(deck):
    done = deck.run("ask", *SHORT, "-", stdin="Say hello.\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_reader_that_leaves_is_no_failure(deck):
    command = subprocess.list2cmdline(deck.arguments("ask", "--max-tokens", "200", "Tell a long story."))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -c 1"], capture_output=True, text=True,
        timeout=decks.ANSWER_SECONDS, env=deck.environment, cwd=deck.folder,
    )
    assert len(done.stdout) == 1
    assert done.returncode == 0, done.stderr
    assert "panic" not in done.stderr and "error" not in done.stderr, done.stderr


def test_a_dead_first_target_is_passed_over_and_said(deck, model: ModelServer):
    # Discovered down before the call where the probe is faster, so the first target must look alive: it
    # answers probes and refuses calls only once it is killed; here its port is closed from the start.
    deck.configure(
        "providers:\n"
        f"  - {{ id: dead, type: openai_compatible, endpoint: 'http://127.0.0.1:{machine.free_port()}', models: [m] }}\n"
        f"  - {{ id: smol, type: llama_cpp, endpoint: '{model.url}' }}\n"
        "routing: { request_priorities: { work: [dead/m, smol] } }\n"
    )
    answer = deck.json("ask", *SHORT, "--type", "work", "Say hello.")
    assert answer["content"].strip()
    assert answer["provider"] == "llama_cpp"
    call = deck.json("calls", "show", answer["metadata"]["call_id"])
    story = json.dumps(call)
    assert "dead" in story, "the record says what became of the first target"


def test_without_any_target_the_failure_says_what_to_do(fresh):
    fresh.configure(
        f"providers: [{{ id: dead, type: llama_cpp, endpoint: 'http://127.0.0.1:{machine.free_port()}', models: [m] }}]\n"
    )
    done = fresh.run("ask", *SHORT, "Say hello.")
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout == ""
    assert "dead" in done.stderr
    assert "do:" in done.stderr


def test_a_server_on_a_known_port_is_found_without_a_configuration(fresh, tmp_path):
    if not machine.is_free(8080):
        pytest.skip("port 8080 is in use on this machine")
    server = ModelServer(8080, tmp_path / "discovered.log")
    server.start()
    try:
        done = fresh.run("ask", *SHORT, "--json", "Say hello.")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["content"].strip()
        assert not list(fresh.folder.glob("home/.config/**/*.yaml")), "asking writes no configuration"
    finally:
        server.kill()
