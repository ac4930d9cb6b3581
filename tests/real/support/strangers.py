"""Mock servers that nobody here wrote: their reading of the vendors' interfaces, not ours, answers."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

from . import machine

ANSWER = "Hello from a mock that nobody here wrote."
THOUGHT = "The question is known."
VECTOR = [0.5, -0.25, 0.125]

# What each prompt brings.
AIMOCK = {
    "fixtures": [
        {"match": {"userMessage": "say hello"}, "response": {"content": ANSWER}},
        {"match": {"userMessage": "think first"}, "response": {"content": ANSWER, "reasoning": THOUGHT}},
        {
            "match": {"userMessage": "use a tool"},
            "response": {"toolCalls": [{"name": "weather", "arguments": json.dumps({"city": "Oslo"})}]},
        },
        {
            "match": {"userMessage": "too many"},
            "response": {
                "error": {"message": "Rate limit reached", "type": "rate_limit_error", "code": "rate_limit_exceeded"},
                "status": 429,
            },
        },
        {"match": {"inputText": "embed me"}, "response": {"embedding": VECTOR}},
    ]
}

FAKELLM = f"""\
version: 1
rules:
  - name: hello
    when: {{ messages_contain: say hello }}
    respond: {{ content: "{ANSWER}" }}
  - name: tool
    when: {{ messages_contain: use a tool }}
    respond:
      tool_calls: [{{ name: weather, arguments: {{ city: Oslo }} }}]
  - name: broken
    when: {{ messages_contain: break }}
    respond: {{ status: 500, error: "the mock was told to fail" }}
"""


@contextlib.contextmanager
def _running(command: list[str], url: str, folder: pathlib.Path, **environment: str) -> Iterator[str]:
    log = folder / "mock.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=folder,
            env={**os.environ, **environment},
        )

    def answers() -> bool:
        assert process.poll() is None, f"it ended at once:\n{log.read_text()}"
        try:
            urllib.request.urlopen(f"{url}/nothing-here", timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    try:
        machine.wait_for("the mock server", answers, 30, log.read_text)
        yield url
    finally:
        machine.end(process)


def aimock(folder: pathlib.Path):
    """OpenAI's, Anthropic's and Ollama's interfaces; from npm. Its program is named by KIT_AIMOCK."""
    port = machine.free_port()
    fixtures = folder / "fixtures.json"
    fixtures.write_text(json.dumps(AIMOCK))
    command = ["node", os.environ["KIT_AIMOCK"], "-p", str(port), "-f", str(fixtures), "--log-level", "warn"]
    return _running(command, f"http://127.0.0.1:{port}", folder)


def fakellm(folder: pathlib.Path):
    """OpenAI's chat and Anthropic's messages, and no list of models; from PyPI."""
    port = machine.free_port()
    rules = folder / "fakellm.yaml"
    rules.write_text(FAKELLM)
    serve = f"import uvicorn; uvicorn.run('fakellm.server:app', host='127.0.0.1', port={port}, log_level='warning')"
    return _running(
        [sys.executable, "-c", serve], f"http://127.0.0.1:{port}", folder, FAKELLM_CONFIG=str(rules)
    )
