"""llama.cpp's server from xllamacpp, which `alarm models serve` runs where `llama-server` is not installed.

python -m alarm_agents.models.llamacpp_server model.gguf --mmproj mmproj.gguf --port 8080
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from alarm_agents.errors import AlarmError
from alarm_agents.models.llamacpp_load import Options, Weights, start


def main() -> None:
    """Serve until the process is told to end; the address is printed when it listens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--mmproj", type=Path)
    parser.add_argument("--alias", default="", help="the model's name in requests")
    parser.add_argument("--slots", type=int, default=1, help="requests answered at once")
    parser.add_argument("--port", type=int, default=8080)
    for name, field in Options.model_fields.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=field.default)
    given = parser.parse_args()
    options = Options(**{name: getattr(given, name) for name in Options.model_fields})
    weights = Weights(model=given.model, mmproj=given.mmproj, slots=given.slots, options=options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server = start(weights, given.port, [], given.alias)
    except AlarmError as error:
        sys.exit(str(error))
    print(f"listening on {server.listening_address}/v1", flush=True)  # noqa: T201
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
