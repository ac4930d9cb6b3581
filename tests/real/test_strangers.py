"""The gateway over two mock servers that nobody here wrote (aimock, fakellm): where our own simulator shares a
mistake with our reading of an interface, these do not."""

import json
import os
import pathlib
from collections.abc import Iterator

import openai
import pytest

from support import strangers

CONFIGURATION = """\
providers:
  - {{ id: openai, type: openai, endpoint: "{aimock}/v1", authToken: sk-made-up, models: [gpt-4o] }}
  - {{ id: claude, type: anthropic, endpoint: "{aimock}", authToken: made-up, models: [claude-3-5-sonnet-20241022] }}
  - {{ id: compatible, type: openai_compatible, endpoint: "{fakellm}/v1", models: [any-model] }}
  - {{ id: messages, type: anthropic, endpoint: "{fakellm}", authToken: made-up, models: [claude-any] }}
routing:
  order: {{ after_a_limit: [openai/gpt-4o, compatible/any-model] }}
"""

TARGETS = [
    "openai/gpt-4o",
    "claude/claude-3-5-sonnet-20241022",
    "compatible/any-model",
    "messages/claude-any",
]

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def mocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if not os.environ.get("KIT_AIMOCK"):
        pytest.skip("aimock needs Node.js 20.15 or later, which is not on this machine")
    folder: pathlib.Path = tmp_path_factory.mktemp("strangers")
    (folder / "a").mkdir()
    (folder / "f").mkdir()
    with strangers.aimock(folder / "a") as aimock, strangers.fakellm(folder / "f") as fakellm:
        yield {"aimock": aimock, "fakellm": fakellm}


@pytest.fixture
def client(fresh, mocks) -> Iterator[openai.OpenAI]:
    fresh.configure(CONFIGURATION.format(**mocks))
    with fresh.serving() as gateway:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=30) as client:
            yield client


def prompt(text: str) -> list[dict]:
    return [{"role": "system", "content": "You are brief."}, {"role": "user", "content": text}]


@pytest.mark.parametrize("target", TARGETS)
def test_a_whole_answer(client, target):
    answer = client.chat.completions.create(model=target, messages=prompt("say hello"), max_tokens=64)
    assert answer.choices[0].message.content == strangers.ANSWER
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("target", TARGETS)
def test_a_streamed_answer(client, target):
    stream = client.chat.completions.create(
        model=target, messages=prompt("say hello"), max_tokens=64, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == strangers.ANSWER
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["stop"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_a_tool_call(client, target, stream):
    answer = client.chat.completions.create(
        model=target, messages=prompt("use a tool"), max_tokens=64, tools=[TOOL], stream=stream
    )
    if stream:
        pieces = [
            call.function
            for chunk in answer
            for choice in chunk.choices
            for call in choice.delta.tool_calls or []
            if call.function
        ]
        name = "".join(piece.name or "" for piece in pieces)
        arguments = "".join(piece.arguments or "" for piece in pieces)
    else:
        assert answer.choices[0].finish_reason == "tool_calls"
        function = answer.choices[0].message.tool_calls[0].function
        name, arguments = function.name, function.arguments
    assert (name, json.loads(arguments)) == ("weather", {"city": "Oslo"})


def test_thoughts_are_kept_apart_from_the_answer(client):
    stream = client.chat.completions.create(
        model="claude/claude-3-5-sonnet-20241022", messages=prompt("think first"), max_tokens=64, stream=True
    )
    text, thought = "", ""
    for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            thought += getattr(choice.delta, "reasoning_content", None) or ""
    assert (text, thought) == (strangers.ANSWER, strangers.THOUGHT)


def test_a_rate_limit_reaches_the_caller_with_its_wait(client):
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(model="openai/gpt-4o", messages=prompt("too many"), max_tokens=64)
    assert refused.value.response.headers["retry-after"] == "1"


def test_a_failing_server_is_named_and_its_words_kept(client, fresh):
    with pytest.raises(openai.APIStatusError) as failed:
        client.chat.completions.create(model="messages/claude-any", messages=prompt("break"), max_tokens=64)
    assert failed.value.status_code == 502
    assert "the mock was told to fail" in str(failed.value)


def test_embeddings(client):
    answer = client.embeddings.create(
        model="openai/text-embedding-3-small", input="embed me", encoding_format="float"
    )
    assert answer.data[0].embedding == strangers.VECTOR


def test_what_lmdeck_says_of_servers_it_does_not_know(client, fresh):
    health = {row["provider"]: row for row in fresh.json("health")}
    assert health["openai"]["state"] == "up" and health["claude"]["state"] == "up"
    # They have no list of models: what the configuration names is used all the same.
    for without_list in ("compatible", "messages"):
        assert health[without_list]["state"] == "up" and health[without_list]["ladder"]["listed"] is False
