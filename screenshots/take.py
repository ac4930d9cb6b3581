"""Plays one evening and takes the pictures: with a real model where something answers or fails, with the simulated
providers of `lmdeck demo --still` where the picture is to be the same each time.

usage: take.py FOLDER [NAME...]    NAME is a picture without .png; all when none is given
"""

import contextlib
import pathlib
import sys
import tempfile
from dataclasses import dataclass

from support import machine
from support.deck import Deck
from support.model_server import ModelServer
from window import Window, display

ENTER, TAB, CTRL_U = "\r", "\t", "\x15"
# No keys: what happens to the model server; and the messages about it read and gone.
KILL, START, QUIET = "<kill>", "<start>", "<quiet>"

# A provider that runs, one that does not, and one whose key is not there: what a person sees on most evenings.
CONFIGURATION = """\
providers:
  - id: laptop
    name: This machine
    type: llama_cpp
    endpoint: http://127.0.0.1:{model}
    health: {{ interval: 1, timeout: 2 }}
  - id: workstation
    name: Workstation
    type: llama_cpp
    endpoint: http://127.0.0.1:{nothing}
    models: [qwen3-32b]
    health: {{ interval: 2, timeout: 2, retries: 0 }}
  - id: zai
    name: Z.AI GLM
    type: z_ai_glm
    endpoint: https://api.z.ai/api/paas/v4
    authToken: ${{Z_AI_API_KEY}}
    models: [glm-4.6]
routing:
  strategy: prefer_local
  request_priorities:
    teaching_generation: [workstation, laptop]
    quick_responses: [laptop]
budget: {{ daily_limit: 10.0 }}
gateway: {{ listen: "127.0.0.1:{gateway}" }}
"""

# What was asked before the dashboard opens, so that its tables have something to show: type, most tokens, prompt.
EARLIER = [
    ("quick_responses", 24, "Name a colour."),
    ("teaching_generation", 48, "Explain impermanence to a child."),
    ("prayer_generation", 64, "A short prayer for travellers."),
    ("quick_responses", 16, "Say good night."),
    ("teaching_generation", 80, "What is dependent origination?"),
    ("", 40, "Write two lines about rain."),
]


@dataclass
class Picture:
    name: str
    columns: int
    rows: int
    # Keys to press and then what must be seen, step by step.
    steps: list[tuple[str, str]]
    # On `lmdeck demo --still`; else on the real server.
    demo: bool = False


TABS = r"1 Providers.*2 Health"
STARTED = r"Workstation +refused"
# All of the demo's providers answer, and the calls it begins with are over.
DEMO_STARTED = r"\[ok\] Claude +\d+ ms"
# What was announced at the start: true, but in the way of a picture.
MESSAGES = r"\[(x|ok)\] +[A-Z].*(refused\.|is not set\.|is up again|health has) *"

PICTURES = [
    Picture("providers", 120, 40, [("j", r"> \[x\].*Workstation"), ("", r"llama-server")]),
    # The server goes and comes back meanwhile: a gap in the chart, a block in its timeline.
    Picture("health", 120, 40, [
        ("2", r"\[2 Health\]"), ("", r"^ *This machine +[▁ ]{12,}┆"), (KILL, r"\[x\] +down +This machine"),
        (START, r"\[ok\] up +This machine"), ("", r"^ *This machine +(?=.*█)(?=(.*▁){24})"), (QUIET, ""),
    ]),
    Picture("routing", 120, 40, [("3", r"\[3 Routing\]"), ("jjjj", r"> code_review"), ("t", r"code_review +decides")], demo=True),
    Picture("playground", 120, 40, [
        ("4", r"\[4 Playground\]"),
        ("Explain dependent origination in three sentences.", "three sentences"),
        (ENTER, r"done, "),
    ], demo=True),
    Picture("telemetry", 120, 40, [
        ("5", r"\[5 Telemetry\]"), ("", r"code_review"), ("", r"considered"),
    ], demo=True),
    Picture("models", 120, 40, [
        ("\r", r"━ LM Studio"), ("j", r"> on disk +google/gemma"), ("l", r"> loaded +google/gemma"), (QUIET, ""),
    ], demo=True),
    Picture("doctor", 120, 40, [("j", r"> \[ok\] Z.AI"), ("D", r"Every step that was taken is well")], demo=True),
    Picture("palette", 120, 40, [(":", r"━ Commands"), ("gemma", r": gemma"), ("", r"lmdeck models load")], demo=True),
    Picture("form-error", 120, 40, [
        ("a", r"ctrl-s"), (TAB, r"> Id"), ("Work Station" + TAB, r"an id holds"),
    ], demo=True),
    Picture("rule", 120, 40, [
        ("3", r"3 rules"), ("a", r"New rule"), ("long-prompts" + TAB * 4, r"> When"),
        ("request.prompt_tokens => 24000", r"column \d+"),
    ], demo=True),
    Picture("help", 120, 40, [("?", r"Help")], demo=True),
    Picture("providers-80x24", 80, 24, [("j", r"> \[x\].*Workstation"), ("", r"llama-server")]),
]


def prepared(folder: pathlib.Path, model: ModelServer) -> Deck:
    """The account of that evening, with its calls already made."""
    deck = Deck(folder)
    deck.config = folder / "home" / "ai_models.yaml"
    deck.configure(CONFIGURATION.format(model=model.port, nothing=machine.free_port(), gateway=machine.free_port()))
    for request_type, most, prompt in EARLIER:
        typed = ["--type", request_type] if request_type else []
        done = deck.run("ask", *typed, "--max-tokens", str(most), prompt)
        if done.returncode != 0:
            raise SystemExit(f"lmdeck ask failed: {done.stderr}")
    return deck


def take(
    picture: Picture, deck: Deck, model: ModelServer, display: str, folder: pathlib.Path, to: pathlib.Path
) -> None:
    command = [str(deck.binary), "demo", "--still"] if picture.demo else deck.arguments()
    window = Window(display, picture.columns, picture.rows, command, deck.environment, folder)
    try:
        window.wait(TABS)
        window.wait(DEMO_STARTED if picture.demo else STARTED)
        window.wait_until_gone(MESSAGES, "k")
        for keys, pattern in picture.steps:
            if keys == KILL:
                model.kill()
            elif keys == START:
                model.start()
            elif keys == QUIET:
                window.wait_until_gone(MESSAGES, "k")
            elif keys:
                window.type(keys)
            window.wait(pattern, 120)
        file = to / f"{picture.name}.png"
        window.picture(file)
        print(f"{file.name}: {file.stat().st_size} bytes")
    finally:
        window.close()


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    to, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    known = {picture.name for picture in PICTURES}
    for name in names:
        if name not in known:
            sys.exit(f"no picture is called {name}: there are {', '.join(sorted(known))}")
    to.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lmdeck-pictures-")))
        chosen = [picture for picture in PICTURES if not names or picture.name in names]
        model = ModelServer(machine.free_port(), folder / "model.log")
        stack.callback(model.kill)
        if all(picture.demo for picture in chosen):
            deck = Deck(folder / "account")
        else:
            model.start()
            deck = prepared(folder / "account", model)
        screen = stack.enter_context(display())
        for picture in chosen:
            try:
                take(picture, deck, model, screen, folder, to)
            except AssertionError as problem:
                failures.append(f"{picture.name}: {problem}")
    if failures:
        sys.exit("\n\n".join(failures))


if __name__ == "__main__":
    main()
