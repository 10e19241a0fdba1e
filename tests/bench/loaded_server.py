# SPDX-License-Identifier: Apache-2.0
"""A server at work, for ``attach_cycles.py`` and ``inject_cycles.py`` to be attached to.

    python tests/bench/loaded_server.py & python tests/bench/inject_cycles.py $! 1000

A thread answers each of three connections; the clients are a process of their own, which ends with
it, and ends it where an answer is wrong.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import signal
import threading
import time
from pathlib import Path

_ANSWER = Path(__file__)
_CLIENTS, _PAUSE_S, _PATIENCE_S = 3, 0.004, 120
#: How often the thread that accepts looks up from its poll: until then no shim is unloaded.
_POLL_S = 0.1


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = _ANSWER.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its parent has it
        pass


def _answer(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/")
    return connection.getresponse().read()


def _ask(port: int, server: int) -> None:
    expected = _ANSWER.read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        while _answer(connection) == expected:
            time.sleep(_PAUSE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
        os._exit(1)


def main() -> None:
    """Serves until it is killed."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    own = os.getpid()
    if os.fork() == 0:
        for _ in range(_CLIENTS):
            threading.Thread(target=_ask, args=(server.server_address[1], own), daemon=True).start()
        while os.getppid() == own:
            time.sleep(0.2)
        os._exit(0)
    server.serve_forever(poll_interval=_POLL_S)


if __name__ == "__main__":
    main()
