# SPDX-License-Identifier: Apache-2.0
"""The example server and its load generator, as real processes on a real OpenCL runtime."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

for package in ("pyopencl", "pocl_binary_distribution", "uvicorn", "starlette"):
    pytest.importorskip(package, reason=f"{package} is not installed")


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    url: str
    data: Path

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:
            answer = json.load(reply)
        assert isinstance(answer, dict)
        return answer

    def verdicts(self) -> list[dict[str, object]]:
        lines = (self.data / "verdicts.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def start(data: Path, *arguments: str) -> Server:
    command = [sys.executable, str(EXAMPLES / "serve.py"), "--port", "0", "--data", str(data)]
    process = subprocess.Popen(
        [*command, "--device", "opencl", "--tiles", "8", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "POCL_DEVICES": "pthread"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    url = process.stdout.readline().strip()
    if not url:
        pytest.fail(f"the server did not start: {process.stderr.read()}")
    return Server(process, url, data)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("serve"))
    yield running
    running.process.terminate()
    running.process.communicate(timeout=20)


def load(server: Server, *arguments: str) -> tuple[int, dict[str, object]]:
    command = [sys.executable, str(EXAMPLES / "load.py"), "--url", server.url, "--json"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_one_verdict_is_answered_and_on_disk(server: Server) -> None:
    before = len(server.verdicts())
    answer = server.get("/classify/3")
    assert answer["tile"] == 3
    assert isinstance(answer["score"], float)
    assert 0.1 <= answer["score"] <= 1.0  # the best of ten that add up to 1
    written = server.verdicts()[before:]
    assert [{k: line[k] for k in answer} for line in written] == [answer]


def test_tiles_differ(server: Server) -> None:
    answers = [server.get(f"/classify/{tile}") for tile in range(8)]
    assert len({answer["score"] for answer in answers}) == 8
    assert len({answer["label"] for answer in answers}) > 1


@pytest.mark.parametrize(("path", "status"), [("/classify/8", 404), ("/classify/x", 404)])
def test_unknown_tile(server: Server, path: str, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.get(path)
    assert caught.value.code == status
    caught.value.close()


def test_damaged_tile_is_an_error_and_the_server_goes_on(tmp_path: Path) -> None:
    server = start(tmp_path, "--workers", "1")
    good = server.get("/classify/1")
    tile = tmp_path / "tiles" / "00001.tile"
    whole = tile.read_bytes()
    tile.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.get("/classify/1")
    assert caught.value.code == 500
    assert b"damaged tile" in caught.value.read()
    tile.write_bytes(whole)
    assert server.get("/classify/1") == good
    server.process.send_signal(signal.SIGINT)
    _, errors = server.process.communicate(timeout=20)
    assert server.process.returncode == 0, errors
    assert "Traceback" not in errors


def test_closed_loop_load(server: Server) -> None:
    before = len(server.verdicts())
    code, result = load(server, "--connections", "6", "--requests", "120")
    assert code == 0
    assert (result["requests"], result["failed"], result["mismatched"]) == (120, 0, 0)
    assert len(server.verdicts()) - before == 120
    assert 0 < float(str(result["p50_ms"])) <= float(str(result["p99_ms"]))


def test_fixed_rate_load_keeps_its_schedule(server: Server) -> None:
    code, result = load(server, "--connections", "4", "--rate", "25", "--duration", "2")
    assert code == 0
    assert result["requests"] == 50


def test_load_counts_failures(server: Server) -> None:
    tile = server.data / "tiles" / "00000.tile"
    whole = tile.read_bytes()
    tile.write_bytes(b"not a tile, and too short to have a header of one")
    code, result = load(server, "--connections", "1", "--requests", "8")
    tile.write_bytes(whole)
    assert code == 1
    assert (result["requests"], result["failed"]) == (7, 1)
    assert "not a tile" in str(result["error"])


def test_sigterm_under_load_ends_with_zero(tmp_path: Path) -> None:
    server = start(tmp_path)
    command = [sys.executable, str(EXAMPLES / "load.py"), "--url", server.url, "--json"]
    with subprocess.Popen(
        [*command, "--duration", "1.5"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as loading:
        deadline = time.monotonic() + 20
        while not server.verdicts() and time.monotonic() < deadline:
            time.sleep(0.01)
        server.process.terminate()
        _, errors = server.process.communicate(timeout=20)
        loading.communicate(timeout=60)
    assert server.process.returncode == 0, errors
    assert "Traceback" not in errors
    assert all(set(line) == {"at", "tile", "label", "score"} for line in server.verdicts())


def test_port_in_use(server: Server, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "serve.py"), "--port", port, "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
