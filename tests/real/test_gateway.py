"""`serve` between the real OpenAI Python SDK and the real model."""

import socket
import urllib.parse

import openai
import pytest

from support import deck as decks
from support import machine


@pytest.fixture
def client(gateway):
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=decks.ANSWER_SECONDS
    ) as client:
        yield client


def prompt(text: str = "Say hello.") -> list[dict]:
    return [{"role": "user", "content": text}]


def test_models_are_listed(client):
    ids = [model.id for model in client.models.list()]
    assert "auto" in ids and "smol/smollm2" in ids


def test_a_whole_answer_with_its_headers(client, deck):
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=prompt(), max_tokens=24,
        extra_headers={"x-lmdeck-request-type": "quick_responses", "x-lmdeck-tags": "team=a"},
    )
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage and answer.usage.completion_tokens > 0
    assert raw.headers["x-lmdeck-provider"] == "smol"
    assert raw.headers["x-lmdeck-model"] == "smollm2"
    assert raw.headers["x-lmdeck-attempts"] == "1"
    assert raw.headers["x-lmdeck-cache"] == "off"
    assert raw.headers["x-lmdeck-policy"]
    call_id = raw.headers["x-lmdeck-call-id"]

    decks.shortly()
    page = deck.json("calls", "list")
    row = next(row for row in page["calls"] if row["id"] == call_id)
    assert row["status"] == "ok" and row["request_type"] == "quick_responses"
    assert row["target"] == "smol/smollm2" and row["client"] == "OpenAI"
    assert row["tokens_out"] == answer.usage.completion_tokens
    assert row["cost_usd"] == 0
    line = next(line for line in deck.call_log() if line["id"] == call_id)
    assert line["provider"] == "smol" and line["status"] == "ok" and line["tags"] == {"team": "a"}
    assert line["tokens_in"] == answer.usage.prompt_tokens
    assert "hello" not in str(line).lower(), "prompts are not recorded unless asked for"


@pytest.mark.parametrize("wants_usage", [False, True])
def test_a_streamed_answer(client, deck, wants_usage):
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    stream = client.chat.completions.create(
        model="smol/smollm2", messages=prompt("Count to twenty."), max_tokens=48, stream=True, **options
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert len([chunk for chunk in chunks if chunk.choices]) > 3
    assert text.strip()
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] in ("stop", "length")
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == wants_usage, "the usage chunk is for those who asked for it"

    decks.shortly()
    call = deck.json("calls", "list", "--limit", "1")["calls"][0]
    assert call["tokens_out"] > 0, "the ledger knows the usage either way"
    assert call["ttft_ms"] <= call["duration_ms"]


def test_labels_may_come_in_metadata(client, deck):
    client.chat.completions.create(
        model="auto", messages=prompt(), max_tokens=8, metadata={"lmdeck.request_type": "teaching_generation"},
        store=False,
    )
    decks.shortly()
    assert deck.json("calls", "list", "--limit", "1")["calls"][0]["request_type"] == "teaching_generation"


def test_an_unknown_model_is_an_error_the_sdk_understands(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="smol2/none", messages=prompt(), max_tokens=8)
    assert "smol2" in str(refused.value)


def test_a_dead_server_is_an_error_the_sdk_understands(client, model):
    model.kill()
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="auto", messages=prompt(), max_tokens=8)
    assert refused.value.status_code in (502, 503)
    assert "smol" in str(refused.value)


def test_a_caller_that_hangs_up_frees_the_slot(gateway, model, deck):
    """Straight from a socket: nothing polite is said, the connection is just gone."""
    address = urllib.parse.urlsplit(gateway.url)
    body = b'{"model":"auto","stream":true,"max_tokens":1500,"messages":[{"role":"user","content":"Tell a long story."}]}'
    with socket.create_connection((address.hostname, address.port), timeout=decks.ANSWER_SECONDS) as caller:
        caller.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (address.netloc.encode(), len(body), body)
        )
        seen = b""
        while b'"content":"' not in seen:
            piece = caller.recv(4096)
            assert piece, seen
            seen += piece
        assert model.busy_slots() == 1
    machine.wait_for("the slot to be free", lambda: model.busy_slots() == 0, 2, lambda: str(model.get("/slots")))
    machine.wait_for(
        "the call in the ledger",
        lambda: deck.json("calls", "list", "--limit", "1")["calls"][0]["status"] == "cancelled", 5,
        lambda: str(deck.json("calls", "list")),
    )


def test_alive_and_ready_are_told_apart(gateway, model):
    assert gateway.get("/health")["status"] == "ok"
    assert gateway.get("/ready")["target"] == "smol/smollm2"


def test_the_service_tells_the_state_of_its_models(gateway):
    status = gateway.get("/api/v1/llm/model-status")
    assert status["active_model"] == "smol/smollm2" and status["active_chosen"] == "auto"
    assert status["all_healthy"] is True and status["total_models"] == 1
    assert status["daily_cost"] == 0
    model = status["models"]["smol/smollm2"]
    assert model == {
        "provider": "llama_cpp", "model_name": "smollm2", "available": True, "rate_limited": False, "is_local": True,
    }


def test_the_service_generates(gateway, deck):
    status, headers, answer = gateway.post(
        "/api/v1/llm/generate",
        {"prompt": "Say hello.", "max_tokens": 24, "context": {"request_type": "prayer_generation", "room": 7}},
    )
    assert status == 200
    assert answer["content"].strip() and answer["provider"] == "llama_cpp" and answer["tokens_used"] > 0
    assert answer["metadata"]["local_model"] is True and answer["metadata"]["attempts"] == 1
    assert headers["x-lmdeck-call-id"] == answer["metadata"]["call_id"]
    decks.shortly()
    line = deck.call_log()[-1]
    assert line["request_type"] == "prayer_generation" and line["tags"] == {"room": "7"}
    said = deck.json("ask", "--max-tokens", "8", "Say hello.")
    assert said.keys() == answer.keys(), "ask --json and the service speak of the same fields"
    assert said["model_used"] == answer["model_used"]
    assert answer["metadata"].keys() <= said["metadata"].keys()


def test_a_failed_generation_is_no_200(gateway, model):
    model.kill()
    status, _, answer = gateway.post("/api/v1/llm/generate", {"prompt": "Say hello.", "max_tokens": 8})
    assert status in (502, 503)
    assert answer["model_used"] == "error" and answer["content"] == ""
    assert answer["metadata"]["error"] and answer["metadata"]["errorCode"]


def test_a_dead_first_target_costs_an_attempt_and_not_the_answer(fresh, model):
    """The first target answers probes, so routing trusts it, and drops every call."""
    with machine.half_dead_server() as half_dead:
        fresh.configure(
            "providers:\n"
            f"  - {{ id: half, type: openai_compatible, endpoint: '{half_dead}', max_retries: 0 }}\n"
            f"  - {{ id: smol, type: llama_cpp, endpoint: '{model.url}' }}\n"
            "routing: { request_priorities: { work: [half/m, smol/smollm2] } }\n"
        )
        with fresh.serving() as gateway:
            gateway.wait_until_up("half")
            gateway.wait_until_up("smol")
            status, headers, answer = gateway.post(
                "/v1/chat/completions", {"model": "auto", "messages": prompt(), "max_tokens": 16},
                {"x-lmdeck-request-type": "work"},
            )
            assert status == 200, answer
            assert answer["choices"][0]["message"]["content"]
            assert headers["x-lmdeck-provider"] == "smol"
            assert headers["x-lmdeck-attempts"] == "2"
            assert headers["x-lmdeck-policy"] == "request_type:work"
        decks.shortly()
        attempts = fresh.call_log()[-1]["attempts"]
        assert [attempt["provider"] for attempt in attempts] == ["half", "smol"]
        assert attempts[0]["errorCode"] and not attempts[1]["errorCode"]
