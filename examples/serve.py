# SPDX-License-Identifier: Apache-2.0
"""An inference server: classifies image tiles on an accelerator.

    python examples/serve.py --port 8000 --data ./example-data
    curl http://127.0.0.1:8000/classify/7

Each request reads a tile from disk, decodes it on the CPU, copies it to the accelerator, runs
the classifier, copies the scores back, appends the verdict to a journal that survives a power
cut, and replies.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import tiles
import uvicorn
from classifier import LABELS, Classifier, DeviceUnavailableError, open_classifier
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Journal:
    """An append-only file; `append` returns when the line is on the disk."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def append(self, line: bytes) -> None:
        """Writes one line, in one piece, and waits for the disk."""
        os.write(self._fd, line)
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)


class Service:
    """What a request needs: the tiles, the classifier and the journal."""

    def __init__(self, data: Path, count: int, classifier: Classifier, journal: Journal) -> None:
        self._folder = data / "tiles"
        self._count = count
        self._classifier = classifier
        self._journal = journal

    def classify(self, tile: int) -> dict[str, object]:
        """The verdict on one tile; runs on a thread of the pool."""
        buffer = bytearray(tiles.FILE_BYTES_MAX)
        size = tiles.read_tile(tiles.tile_path(self._folder, tile), buffer)
        with self._classifier.lane() as lane:
            tiles.decode_tile(memoryview(buffer)[:size], lane.pixels)
            scores = lane.classify()
            best = int(scores.argmax())
            score = round(float(scores[best]), 5)
        verdict: dict[str, object] = {"tile": tile, "label": LABELS[best], "score": score}
        line = json.dumps({"at": round(time.time(), 6), **verdict})
        self._journal.append(line.encode() + b"\n")
        return verdict

    async def get_verdict(self, request: Request) -> JSONResponse:
        """GET /classify/{tile}."""
        tile = request.path_params["tile"]
        if tile >= self._count:
            raise HTTPException(404, f"no tile {tile}: they are 0 to {self._count - 1}")
        try:
            return JSONResponse(await run_in_threadpool(self.classify, tile))
        except (OSError, ValueError) as error:
            raise HTTPException(500, f"tile {tile}: {error}") from error

    async def get_about(self, _request: Request) -> JSONResponse:
        """GET /: what this server is."""
        about = {"tiles": self._count, "runtime": self._classifier.runtime}
        return JSONResponse({**about, "device": self._classifier.device})


class Server(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to serve."""
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            print(f"http://{host}:{port}", flush=True)


def make_application(service: Service, workers: int) -> Starlette:
    """The ASGI application; `workers` requests are worked on at a time."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        # One thread for each lane: more would only queue for the device.
        anyio.to_thread.current_default_thread_limiter().total_tokens = workers
        yield

    routes = [
        Route("/", service.get_about),
        Route("/classify/{tile:int}", service.get_verdict),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Classifies image tiles on an accelerator.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    parser.add_argument("--data", type=Path, default=Path("example-data"))
    parser.add_argument("--tiles", type=int, default=64, help="tiles to make at first start")
    parser.add_argument("--workers", type=int, default=4, help="requests worked on at a time")
    parser.add_argument("--device", choices=("auto", "opencl", "cuda"), default="auto")
    arguments = parser.parse_args()
    if arguments.tiles < 1 or arguments.workers < 1:
        parser.error("--tiles and --workers start at 1")
    return arguments


def stop(_signal: int, _frame: object) -> None:
    """Before the server runs, and after it shut down: leave, with success."""
    sys.exit(0)


def main() -> None:
    """Makes the tiles, opens the device, serves until a signal comes."""
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    arguments = parse_arguments()
    try:
        tiles.make_tiles(arguments.data / "tiles", arguments.tiles)
        listener = socket.create_server((arguments.host, arguments.port), backlog=512)
        # Accepted sockets inherit it: an answer leaves at once, in two pieces if need be.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        journal = Journal(arguments.data / "verdicts.jsonl")
        classifier = open_classifier(arguments.device, arguments.workers)
    except (OSError, DeviceUnavailableError) as error:
        sys.exit(f"serve.py: {error}")
    print(f"{classifier.runtime}: {classifier.device}", file=sys.stderr, flush=True)
    service = Service(arguments.data, arguments.tiles, classifier, journal)
    config = uvicorn.Config(
        make_application(service, arguments.workers),
        loop="asyncio",
        http="h11",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )
    try:
        Server(config).run(sockets=[listener])
    finally:
        journal.close()


if __name__ == "__main__":
    main()
