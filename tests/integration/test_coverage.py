# SPDX-License-Identifier: Apache-2.0
"""The coverage ledger of real programs, whose bytes are known."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anaros import report
from anaros.store import sql
from anaros.store.rundir import RunDirectory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the kernel's count needs root")

NOBODY = 65534

#: Reads and writes past and through the wrappers; says how much of each.
MOVER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static char buffer[50000];

int main(int count, char **words)
{
    int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
    int calls = atoi(words[1]), raw = count > 2 ? atoi(words[2]) : 0;

    for (int i = 0; i < calls; i++)
        if (read(zero, buffer, 10000) != 10000 || write(null, buffer, 5000) != 5000)
            return 1;
    for (int i = 0; i < raw; i++)
        if (syscall(SYS_read, zero, buffer, 50000) != 50000 ||
            syscall(SYS_write, null, buffer, 7000) != 7000)
            return 1;
    return write(1, "done\n", 5) != 5;
}
"""

SERVER = """
import os, socket, sys
folder, requests, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = os.path.join(folder, "data")
with open(data, "wb", buffering=0) as file:
    for _ in range(64):
        file.write(os.urandom(65536))
server = socket.create_server(("127.0.0.1", 0))
if os.fork() == 0:
    got = 0
    for number in range(requests):
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"%08d" % number)
            while piece := client.recv(65536):
                got += len(piece)
    sys.stdout.write(f"{got}\\n"); sys.stdout.flush()
    os._exit(0)
with open(data, "rb", buffering=0) as file, open(os.path.join(folder, "log"), "wb", 0) as log:
    for _ in range(requests):
        peer, _ = server.accept()
        with peer:
            number = int(peer.recv(8))
            answer = os.pread(file.fileno(), size, number * 4096 % (1 << 20))
            if number % 3:
                peer.sendall(answer)
            else:
                os.write(peer.fileno(), answer[:1000]); peer.sendall(answer[1000:])
            os.sendfile(peer.fileno(), file.fileno(), 0, 5000)
            log.write(b"x" * 500)
os.wait()
"""


@pytest.fixture(scope="module")
def mover(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds the program that moves bytes, as a static one or not."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("mover")
    source = folder / "mover.c"
    source.write_text(MOVER)

    def build(name: str, *words: str) -> Path:
        made = folder / name
        subprocess.run(["gcc", "-O1", *words, "-o", made, source], check=True)
        return made

    return build


def _run(
    anaros: Callable[..., list[str]], run: Path, *words: str | Path, options: tuple[str, ...] = ()
) -> tuple[str, dict[str, Any]]:
    """What the program printed, and the coverage that the report tells."""
    command = anaros("run", "--output", run, *options, "--", *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, report.build(RunDirectory.open(run))["coverage"]


def _total(coverage: dict[str, Any], quantity: str) -> dict[str, Any]:
    (found,) = (row for row in coverage["quantities"] if row["quantity"] == quantity)
    return dict(found)


def test_a_server_is_seen_to_the_thousandth(
    anaros: Callable[..., list[str]], tmp_path: Path
) -> None:
    requests, size = 400, 60_000
    # The interpreter itself: a shell in front of it would be one more program.
    python = os.path.realpath(sys.executable)
    words = (python, "-c", SERVER, tmp_path, str(requests), str(size))
    said, found = _run(anaros, tmp_path / "run", *words)
    assert said == f"{requests * (size + 5000)}\n"
    assert found["shares"]["file_bytes"] >= 0.999
    assert found["shares"]["socket_bytes"] >= 0.999
    sent = _total(found, "socket.sent_bytes")
    assert sent["seen"] == sent["witnessed"] == requests * (size + 5000 + 8)
    received = _total(found, "socket.received_bytes")
    assert received["witnessed"] == sent["witnessed"]
    written = _total(found, "file.written_bytes")
    whole = 64 * 65536 + requests * (500 + 5000) + len(range(0, requests, 3)) * 1000
    assert written["witnessed"] - whole == len(said)
    assert written["seen"] == written["witnessed"]
    rows = sql.query(
        RunDirectory.open(tmp_path / "run"),
        "SELECT quantity, sum(seen), sum(witnessed), min(start_s) FROM coverage"
        " WHERE quantity LIKE 'socket.%' GROUP BY ALL ORDER BY ALL",
    ).rows
    assert [row[:3] for row in rows] == [
        ("socket.received_bytes", received["seen"], received["witnessed"]),
        ("socket.sent_bytes", sent["seen"], sent["witnessed"]),
    ]


def test_a_child_that_nobody_has_waited_for_counts_once(
    anaros: Callable[..., list[str]], tmp_path: Path
) -> None:
    size = 1_000_000
    leave = f"""
import os, time
if os.fork() == 0:
    os.write(os.open("/dev/null", os.O_WRONLY), bytes({size}))
    os._exit(0)
os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
time.sleep(1.2)  # The kernel's count is asked for once a second.
os.wait()
"""
    python = os.path.realpath(sys.executable)
    _, found = _run(anaros, tmp_path / "run", python, "-c", leave)
    written = _total(found, "file.written_bytes")
    assert written["seen"] == written["witnessed"] == size


def test_what_recording_cost_is_a_track(anaros: Callable[..., list[str]], tmp_path: Path) -> None:
    spin = "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass"
    python = os.path.realpath(sys.executable)
    _run(anaros, tmp_path / "run", python, "-c", spin)
    run = RunDirectory.open(tmp_path / "run")
    told = report.build(run)["overhead"]
    (summed,) = sql.query(
        run,
        "SELECT sum(records), sum(recording_ns) / 1e9, sum(supervisor_ns) / 1e9, max(rss_bytes),"
        " sum(shim_drops), sum(kernel_drops), sum(meter_ns), sum(workload_ns) / 1e9 FROM overhead",
    ).rows
    records, recording_s, supervisor_s, memory, shim, kernel, meter_ns, workload_s = summed
    assert 0 < records < told["records"]  # those of the kernel plane take no time of the program
    assert recording_s == pytest.approx(records * told["record_ns"] / 1e9, abs=1e-6)
    assert 0 < supervisor_s < 10
    assert 1e7 < memory < 1e9
    assert (shim, kernel) == (0, 0)
    assert meter_ns / 1e6 == told["metering_ms"]
    if workload_s is not None:  # it has a cgroup of its own
        assert workload_s > 0.02


def test_a_static_child_is_named_and_its_bytes_filled(
    anaros: Callable[..., list[str]], mover: Callable[..., Path], tmp_path: Path
) -> None:
    dynamic, static = mover("dynamic"), mover("go-helper", "-static")
    said, found = _run(anaros, tmp_path / "run", "sh", "-c", f"{dynamic} 300; {static} 100; true")
    assert said == "done\ndone\n"
    (bare,) = found["without_shim"]
    assert (bare["program"], bare["reason"]) == (str(static), "static")
    assert (bare["read_bytes"], bare["written_bytes"]) == (1_000_000, 500_005)
    assert bare["source"] == "kernel"
    assert found["partly_seen"] == []
    total = _total(found, "file.read_bytes")
    assert total.pop("filled") <= 1_000_000  # where it lived long enough
    assert total == {
        "quantity": "file.read_bytes",
        "seen": 3_000_000,
        "witnessed": 4_000_000,
        "covered": 3_000_000,
        "share": 0.75,
    }
    view = subprocess.run(
        anaros("report", tmp_path / "run"), capture_output=True, text=True, check=True
    ).stdout
    assert "74.9 % of file bytes" in view  # of 6,000,010; never rounded up
    assert "1 process without the shim: go-helper (static)" in view


def test_a_setuid_helper_is_named_and_its_bytes_filled(
    anaros: Callable[..., list[str]], mover: Callable[..., Path], tmp_path: Path
) -> None:
    helper = mover("helper")
    os.chown(helper, NOBODY, NOBODY)
    helper.chmod(0o4755)
    if os.statvfs(helper).f_flag & os.ST_NOSUID:
        pytest.skip("set-user-ID means nothing on this file system")
    _, found = _run(anaros, tmp_path / "run", "sh", "-c", f"{helper} 40; true")
    (bare,) = found["without_shim"]
    assert bare["reason"] == "setuid"
    # With what the loader read: without the shim nobody tells it from the program's own.
    assert 400_000 <= bare["read_bytes"] < 410_000
    assert bare["written_bytes"] == 200_005


def test_raw_calls_are_missing_to_the_byte_and_told(
    anaros: Callable[..., list[str]], mover: Callable[..., Path], tmp_path: Path
) -> None:
    program = mover("raw")
    _, found = _run(anaros, tmp_path / "run", program, "100", "20")
    read, written = _total(found, "file.read_bytes"), _total(found, "file.written_bytes")
    assert (read["seen"], read["witnessed"]) == (1_000_000, 2_000_000)
    assert (written["seen"], written["witnessed"]) == (500_005, 640_005)
    assert _total(found, "file.read_calls")["witnessed"] == 120
    assert found["shares"]["file_bytes"] == 1_500_005 / 2_640_005
    (partly,) = found["partly_seen"]
    assert partly["program"] == str(program)
    assert (partly["read_bytes"], partly["written_bytes"]) == (1_000_000, 140_000)
    assert found["before_shim_bytes"] > 0


def test_the_program_is_the_same_with_and_without_the_ledger(
    anaros: Callable[..., list[str]], tmp_path: Path
) -> None:
    tell = (
        "import os, sys, json\n"
        "data = os.urandom(0) + bytes(range(256)) * 400\n"
        f"open({str(tmp_path / 'f')!r}, 'wb').write(data)\n"
        f"got = open({str(tmp_path / 'f')!r}, 'rb').read()\n"
        "json.dump([len(got), sum(got), sorted(os.listdir('/proc/self/fd'))], sys.stdout)\n"
    )
    python = os.path.realpath(sys.executable)
    bare = subprocess.run([python, "-c", tell], capture_output=True, text=True, check=True).stdout
    with_kernel, found = _run(anaros, tmp_path / "kernel", python, "-c", tell)
    without, blind = _run(anaros, tmp_path / "blind", python, "-c", tell, options=("--no-kernel",))
    assert json.loads(with_kernel) == json.loads(without) == json.loads(bare)
    assert found["shares"]["file_bytes"] is not None
    assert set(blind["shares"].values()) == {None}
    assert all(row["witnessed"] is None for row in blind["quantities"])
    view = subprocess.run(
        anaros("report", tmp_path / "blind"), capture_output=True, text=True, check=True
    ).stdout
    assert "coverage" not in view
