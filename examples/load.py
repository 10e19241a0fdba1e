# SPDX-License-Identifier: Apache-2.0
"""Loads the inference server over keep-alive connections, and checks every answer.

    python examples/load.py --url http://127.0.0.1:8000 --connections 8 --duration 10

Without --rate each connection asks again as soon as it has its answer (closed loop). With
--rate the requests have fixed times, and a latency counts from the time at which the request
should have left, so a slow server cannot hide by slowing its clients.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_S = 30.0


class BadAnswerError(Exception):
    """The server answered, but not what it should."""


@dataclass
class Plan:
    """What to send, and what came back."""

    host: str
    port: int
    tiles: int
    requests: int | None
    end_s: float
    rate: float | None
    start_s: float
    sent: int = 0
    failed: int = 0
    mismatched: int = 0
    latencies_s: list[float] = field(default_factory=list)
    verdicts: dict[int, tuple[str, float]] = field(default_factory=dict)
    first_error: str | None = None

    def next_request(self) -> tuple[int, float] | None:
        """Tile and time of the next request; None when there are no more."""
        number, now = self.sent, time.monotonic()
        due = now if self.rate is None else self.start_s + number / self.rate
        if (self.requests is not None and number >= self.requests) or max(due, now) >= self.end_s:
            return None
        self.sent += 1
        # A step that shares no factor with the number of tiles visits all of them.
        return number * 37 % self.tiles, due

    def check(self, tile: int, answer: dict[str, object]) -> None:
        """The same tile must get the same verdict, every time and from every worker."""
        if answer.get("tile") != tile:
            raise BadAnswerError(f"asked for tile {tile}, got {answer}")
        verdict = (str(answer["label"]), float(str(answer["score"])))
        if self.verdicts.setdefault(tile, verdict) != verdict:
            self.mismatched += 1
            raise BadAnswerError(f"tile {tile}: {verdict}, before: {self.verdicts[tile]}")

    def fail(self, error: BaseException) -> None:
        """Counts a request that did not work."""
        self.failed += 1
        self.first_error = self.first_error or f"{type(error).__name__}: {error}"


class Connection:
    """One keep-alive connection, opened anew after an error."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> dict[str, object]:
        """One GET; the body is JSON."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            self.close()
        if head[0].split(" ")[1] != "200":
            raise BadAnswerError(f"{head[0]}: {body.decode(errors='replace')}")
        answer = json.loads(body)
        if not isinstance(answer, dict):
            raise BadAnswerError(f"not an object: {answer}")
        return answer

    def close(self) -> None:
        """Closes the connection, if it is open."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def work(plan: Plan) -> None:
    """Sends requests over one connection until the plan has no more."""
    connection = Connection(plan.host, plan.port)
    while (request := plan.next_request()) is not None:
        tile, due = request
        if due > (now := time.monotonic()):
            await asyncio.sleep(due - now)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                plan.check(tile, await connection.get(f"/classify/{tile}"))
            plan.latencies_s.append(time.monotonic() - due)
        except (OSError, EOFError, ValueError, KeyError, IndexError, BadAnswerError) as error:
            plan.fail(error)
            connection.close()
            await asyncio.sleep(0.05)
        except asyncio.LimitOverrunError as error:
            plan.fail(error)
            connection.close()
    connection.close()


def quantile(ordered: list[float], share: float) -> float | None:
    """The value that `share` of the values do not exceed, in ms; None without values."""
    if not ordered:
        return None
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Runs the whole load and returns what it measured."""
    url = urlsplit(arguments.url)
    host, port = url.hostname or "127.0.0.1", url.port or 80
    first = Connection(host, port)
    async with asyncio.timeout(TIMEOUT_S):
        about = await first.get("/")
    first.close()
    start_s = time.monotonic()
    plan = Plan(
        host=host,
        port=port,
        tiles=int(str(about["tiles"])),
        requests=arguments.requests,
        end_s=start_s + arguments.duration,
        rate=arguments.rate,
        start_s=start_s,
    )
    await asyncio.gather(*(work(plan) for _ in range(arguments.connections)))
    elapsed_s = time.monotonic() - start_s
    ordered = sorted(plan.latencies_s)
    return {
        "requests": len(ordered),
        "failed": plan.failed,
        "mismatched": plan.mismatched,
        "error": plan.first_error,
        "duration_s": elapsed_s,
        "throughput_per_s": len(ordered) / elapsed_s,
        "p50_ms": quantile(ordered, 0.50),
        "p99_ms": quantile(ordered, 0.99),
    }


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Loads the example server.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--requests", type=int, help="stop after so many")
    parser.add_argument(
        "--duration", type=float, help="stop after so many seconds (10, or 600 with --requests)"
    )
    parser.add_argument("--rate", type=float, help="requests per second; without it a closed loop")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.duration is None:
        arguments.duration = 10.0 if arguments.requests is None else 600.0
    numbers = (arguments.connections, arguments.duration, arguments.requests, arguments.rate)
    if any(number is not None and number <= 0 for number in numbers):
        parser.error("numbers must be greater than 0")
    return arguments


def main() -> None:
    """Exit code 1 if any request failed or any verdict changed."""
    arguments = parse_arguments()
    try:
        result = asyncio.run(run(arguments))
    except (OSError, EOFError, BadAnswerError) as error:
        sys.exit(f"load.py: {arguments.url}: {error or type(error).__name__}")
    except KeyboardInterrupt:
        sys.exit(130)
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            shown = f"{value:.3f}" if isinstance(value, float) else value
            print(f"{name:18} {'—' if value is None else shown}")
    if result["failed"] or not result["requests"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
