"""A real DSPy program through the gateway to the real model, with both of DSPy's engines."""

import os

# LiteLLM otherwise asks the internet for a price list while it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import dspy  # noqa: E402
import litellm  # noqa: E402
import pytest  # noqa: E402

from support import deck as decks  # noqa: E402

MODEL = "openai/smol/smollm2"


@pytest.fixture
def lm(gateway, tmp_path, monkeypatch):
    monkeypatch.setenv("DSPY_CACHEDIR", str(tmp_path / "dspy"))

    def make(**options) -> dspy.LM:
        return dspy.LM(
            MODEL, api_base=f"{gateway.url}/v1", api_key="none", cache=False, max_tokens=120, temperature=0.0,
            num_retries=0, timeout=decks.ANSWER_SECONDS, **options,
        )

    return make


def last_call(deck) -> dict:
    decks.shortly()
    return deck.call_log()[-1]


def test_the_default_engine_asks(lm, deck):
    answers = lm()("Say hello.")
    assert len(answers) == 1 and str(answers[0]).strip()
    call = last_call(deck)
    assert call["status"] == "ok" and call["model"] == "smollm2"
    assert 0 < call["tokens_out"] <= 120, "its max_completion_tokens reaches the model"


def test_litellm_asks_with_a_label(lm, deck):
    labelled = lm(engine="litellm", extra_headers={"x-lmdeck-request-type": "teaching_generation"})
    answers = labelled("Say hello.")
    assert str(answers[0]).strip()
    call = last_call(deck)
    assert call["status"] == "ok" and call["request_type"] == "teaching_generation"
    assert 0 < call["tokens_out"] <= 120


def test_a_program_with_a_schema_gets_an_answer_in_form(lm, deck):
    litellm.register_model({
        MODEL: {
            "litellm_provider": "openai", "mode": "chat", "supports_response_schema": True, "max_tokens": 8192,
            "input_cost_per_token": 0, "output_cost_per_token": 0,
        }
    })
    # Greedy decoding and a limit: this small model otherwise fills the first field without end.
    program_lm = lm(engine="litellm")
    with dspy.context(lm=program_lm, adapter=dspy.JSONAdapter()):
        prediction = dspy.Predict("question -> answer")(question="What is 2+2?")
    assert isinstance(prediction.answer, str) and prediction.answer
    call = last_call(deck)
    assert call["status"] == "ok"
