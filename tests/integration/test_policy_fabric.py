# SPDX-License-Identifier: Apache-2.0
"""The fabric rewrite over two veth pairs between two network namespaces.

::

    client  a0 10.77.1.1 ── 10.77.1.2 a1  server   10.77.9.9 on lo, reached over
            b0 10.77.2.1 ── 10.77.2.2 b1           path a (metric 10) or b (metric 20)

IPv6 the same with fd77:1::/64, fd77:2::/64 and fd77:9::9. The server answers with the address
that it saw, so the answer tells the path.
"""

from __future__ import annotations

import ctypes
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from anaros.errors import GovernError
from anaros.govern import fabric, netlink
from anaros.govern.cgroups import cgroup2_mounts
from anaros.policy import load, select
from anaros.policy.model import Decision

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PORT = 7077
PEER, PEER6 = "10.77.9.9", "fd77:9::9"
MAPPED = f"::ffff:{PEER}"
CLONE_NEWNET = 0x40000000

SERVER = """
import selectors, socket, sys
chooser = selectors.DefaultSelector()
for host in sys.argv[2:]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        made = socket.socket(family, kind)
        made.bind((host, int(sys.argv[1])))
        if kind == socket.SOCK_STREAM:
            made.listen()
        chooser.register(made, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in chooser.select():
        if key.fileobj.type == socket.SOCK_STREAM:
            peer, address = key.fileobj.accept()
            peer.settimeout(20)
            with peer:
                peer.recv(1)
                peer.sendall(address[0].encode())
        else:
            _, address = key.fileobj.recvfrom(16)
            key.fileobj.sendto(address[0].encode(), address)
"""

if os.geteuid() != 0:
    pytest.skip("needs root: namespaces, cgroups and BPF", allow_module_level=True)
for tool in ("ip", "gcc"):
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}", allow_module_level=True)
if not cgroup2_mounts():
    pytest.skip("needs a cgroup v2 hierarchy", allow_module_level=True)
if not (ROOT / "ebpf" / "fabric.bpf.o").exists():
    pytest.skip("ebpf/fabric.bpf.o is not built", allow_module_level=True)


def sh(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=60)


@contextmanager
def namespace(name: str) -> Iterator[None]:
    """This thread in another network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        assert libc.setns(there, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(home, CLONE_NEWNET) == 0
    finally:
        os.close(home)
        os.close(there)


@dataclass(frozen=True)
class Bed:
    client: str
    server: str
    cgroup: Path
    binary: Path
    tmp: Path

    def run(self, *words: str, uid: int | None = None) -> str:
        """What a client in the cgroup prints."""
        script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, str(self.cgroup), *words],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | ({"UID": str(uid)} if uid else {}),
        )
        return done.stdout.strip() + done.stderr.strip()

    def ask(self, kind: str, address: str, *more: str, uid: int | None = None) -> str:
        return self.run(str(self.binary), kind, address, str(PORT), *more, uid=uid)

    def decide(self, *rules: str) -> Decision:
        body = "\n".join(f"    - {{{rule}, reason: test}}" for rule in rules)
        path = self.tmp / "policy.yaml"
        path.write_text(f"version: 1\ndefault:\n  fabric:\n{body}\n")
        return select(load([path]), "root", Path("/bin/true"), ["true"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    tmp = tmp_path_factory.mktemp("fabric")
    tmp.chmod(0o755)
    for parent in tmp.parents[:2]:
        parent.chmod(0o755)
    client, server = (f"anaros-{end}-{os.getpid()}" for end in ("c", "s"))
    cgroup = cgroup2_mounts()[0] / f"anaros-test-{os.getpid()}"
    binary = tmp / "client"
    sh("gcc", "-O1", "-static", "-o", str(binary), str(HERE / "test_policy_client.c"))
    served = None
    try:
        for name in (client, server):
            sh("ip", "netns", "add", name)
            sh("ip", "-n", name, "link", "set", "lo", "up")
        for number, path in ((1, "a"), (2, "b")):
            make_path(client, server, number, path)
        sh("ip", "-n", server, "addr", "add", f"{PEER}/32", "dev", "lo")
        sh("ip", "-n", server, "addr", "add", f"{PEER6}/128", "dev", "lo", "nodad")
        cgroup.mkdir()
        served = subprocess.Popen(
            ["ip", "netns", "exec", server, sys.executable, "-c", SERVER, str(PORT), PEER, PEER6],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert served.stdout is not None
        assert served.stdout.readline() == "ready\n"
        yield Bed(client, server, cgroup, binary, tmp)
    finally:
        if served is not None:
            served.kill()
            served.communicate()
        for name in (client, server):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        remove(cgroup)


def make_path(client: str, server: str, number: int, path: str) -> None:
    near, far = f"{path}0", f"{path}1"
    sh(
        "ip",
        "-n",
        client,
        "link",
        "add",
        near,
        "type",
        "veth",
        "peer",
        "name",
        far,
        "netns",
        server,
    )
    for name, device, host in ((client, near, 1), (server, far, 2)):
        sh("ip", "-n", name, "addr", "add", f"10.77.{number}.{host}/24", "dev", device)
        sh("ip", "-n", name, "addr", "add", f"fd77:{number}::{host}/64", "dev", device, "nodad")
        sh("ip", "-n", name, "link", "set", device, "up")
        for where in ("all", device):
            path_word = f"net.ipv4.conf.{where}.rp_filter=0"
            sh("ip", "netns", "exec", name, "sysctl", "-q", "-w", path_word)
    metric = str(number * 10)
    for family, peer, gateway in (
        ("-4", f"{PEER}/32", f"10.77.{number}.2"),
        ("-6", f"{PEER6}/128", f"fd77:{number}::2"),
    ):
        command = ["ip", family, "-n", client, "route", "add", peer]
        sh(*command, "via", gateway, "dev", near, "metric", metric)


def remove(cgroup: Path) -> None:
    """A cgroup empties a moment after its last process ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            cgroup.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


@pytest.fixture
def bed(world: Bed) -> Iterator[Bed]:
    with namespace(world.client):
        yield world


CASES = [("tcp", PEER, 4), ("udp", PEER, 4), ("tcp", MAPPED, 4), ("udp", MAPPED, 4)]
CASES += [("tcp", PEER6, 6), ("udp", PEER6, 6)]
A = {4: "10.77.1.1", 6: "fd77:1::1"}
B = {4: "10.77.2.1", 6: "fd77:2::1"}
BOTH = f"to: [{PEER}/32, '{PEER6}/128']"


@pytest.mark.parametrize(
    "rule",
    [
        f"interface: b0, source: [10.77.2.1, 'fd77:2::1'], {BOTH}",
        f"interface: b0, {BOTH}",
        f"source: [10.77.2.1, 'fd77:2::1'], {BOTH}",
    ],
)
def test_policy_moves_new_connections_and_revert_moves_them_back(bed: Bed, rule: str) -> None:
    decision = bed.decide(rule)
    assert [bed.ask(kind, peer) for kind, peer, _ in CASES] == [A[v] for _, _, v in CASES]
    with fabric.apply(decision, bed.cgroup) as rewrite:
        assert [bed.ask(kind, peer) for kind, peer, _ in CASES] == [B[v] for _, _, v in CASES]
        assert [bed.ask(k, p, uid=65534) for k, p, _ in CASES] == [B[v] for _, _, v in CASES]
        (count,) = rewrite.counters()
        assert count == fabric.FabricCounters(2 * len(CASES), 0, 0, 0, 0)
        assert "12 connections" in rewrite.describe()[0]
    assert [bed.ask(kind, peer) for kind, peer, _ in CASES] == [A[v] for _, _, v in CASES]
    assert rewrite.counters() == (count,)
    assert not rewrite.active


def test_interface_carries_the_packets(bed: Bed) -> None:
    def sent() -> int:
        answer = subprocess.run(["ip", "-s", "-j", "link", "show", "b0"], capture_output=True)
        return int(json.loads(answer.stdout)[0]["stats64"]["tx"]["packets"])

    before = sent()
    bed.ask("tcp", PEER)
    assert sent() == before
    with fabric.apply(bed.decide(f"interface: b0, to: [{PEER}/32]"), bed.cgroup):
        bed.ask("tcp", PEER)
    assert sent() >= before + 4


def test_mark_selects_a_routing_table(bed: Bed) -> None:
    sh("ip", "rule", "add", "fwmark", "0x77", "lookup", "177")
    sh("ip", "route", "add", f"{PEER}/32", "via", "10.77.2.2", "dev", "b0", "table", "177")
    try:
        with fabric.apply(bed.decide(f"mark: 0x77, to: [{PEER}/32]"), bed.cgroup):
            assert bed.ask("tcp", PEER) == B[4]
        assert bed.ask("tcp", PEER) == A[4]
    finally:
        sh("ip", "rule", "del", "fwmark", "0x77", "lookup", "177")
        sh("ip", "route", "flush", "table", "177")


def test_other_destinations_and_other_cgroups_keep_their_route(bed: Bed) -> None:
    decision = bed.decide("interface: b0, to: [10.77.2.0/24]")
    with fabric.apply(decision, bed.cgroup) as rewrite:
        assert bed.ask("tcp", PEER) == A[4]
        outside = subprocess.run(
            [bed.binary, "tcp", PEER, str(PORT)], capture_output=True, text=True, timeout=60
        )
        assert outside.stdout.strip() == A[4]
        assert rewrite.counters()[0].connected == 0


def test_the_longest_prefix_wins(bed: Bed) -> None:
    decision = bed.decide(
        f"interface: b0, to: [{PEER}/32]", "interface: a0, source: 10.77.1.1, to: [10.77.9.8/29]"
    )
    sh("ip", "route", "add", "10.77.9.8/29", "via", "10.77.1.2", "dev", "a0")
    try:
        with fabric.apply(decision, bed.cgroup) as rewrite:
            assert bed.ask("tcp", PEER) == B[4]
            assert [count.connected for count in rewrite.counters()] == [1, 0]
    finally:
        sh("ip", "route", "del", "10.77.9.8/29")


def test_socket_that_the_program_bound_is_left_alone(bed: Bed) -> None:
    with fabric.apply(bed.decide(f"interface: b0, {BOTH}"), bed.cgroup) as rewrite:
        assert bed.ask("tcp", PEER, "bind", "10.77.1.1") == A[4]
        assert bed.ask("udp", PEER6, "bind", "fd77:1::1") == A[6]
        assert rewrite.counters()[0] == fabric.FabricCounters(0, 0, 2, 0, 0)


@pytest.fixture
def default_by_b(bed: Bed) -> Iterator[None]:
    sh("ip", "route", "add", "default", "via", "10.77.2.2", "dev", "b0", "metric", "500")
    sh("ip", "-6", "route", "add", "default", "via", "fd77:2::2", "dev", "b0", "metric", "500")
    yield
    sh("ip", "route", "del", "default")
    sh("ip", "-6", "route", "del", "default")


#: Streams to this machine itself, then one datagram socket that connects here and there.
LOCAL = """
import ctypes, os, socket, sys
peer, port, own, *user = sys.argv[1:]
"all of Python that is needed later".encode("idna")
if user:
    os.setuid(int(user[0]))
for host in ("127.0.0.1", "10.77.1.1", "10.77.2.1", "::1", "fd77:1::1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        with socket.create_connection(server.getsockname()[:2], timeout=20) as client:
            assert client.getpeername()[0] == host
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    for host, source in ((peer, own), ("127.0.0.1", "127.0.0.1"), (peer, own)):
        client.connect((host, int(port)))
        assert client.getsockname()[0] == source, (host, client.getsockname())
        assert ctypes.CDLL(None).connect(client.fileno(), bytes(16), 16) == 0
print("fine")
"""


def local(bed: Bed, *user: str) -> str:
    return bed.run(sys.executable, "-c", LOCAL, PEER, str(PORT), B[4], *user)


@pytest.mark.usefixtures("default_by_b")
@pytest.mark.parametrize("user", [[], ["65534"]])
def test_rule_for_every_destination_spares_this_machine(bed: Bed, user: list[str]) -> None:
    with fabric.apply(bed.decide("interface: b0"), bed.cgroup) as rewrite:
        assert local(bed, *user) == "fine"
        assert [bed.ask(kind, peer) for kind, peer, _ in CASES] == [B[v] for _, _, v in CASES]
        assert rewrite.counters()[0].failed == 0


SENDTO = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(20)
    client.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
    print(client.recv(64).decode())
"""


def send_to(bed: Bed) -> str:
    return bed.run(sys.executable, "-c", SENDTO, PEER, str(PORT))


@pytest.mark.usefixtures("default_by_b")
def test_rule_for_all_sockets_reaches_datagrams_that_never_connect(bed: Bed) -> None:
    with fabric.apply(bed.decide("interface: b0"), bed.cgroup):
        assert send_to(bed) == A[4]
    with fabric.apply(bed.decide("interface: b0, mark: 3, sockets: all"), bed.cgroup) as rewrite:
        assert send_to(bed) == B[4]
        assert local(bed) == "fine"
        assert [bed.ask(kind, peer) for kind, peer, _ in CASES] == [B[v] for _, _, v in CASES]
        count = rewrite.counters()[0]
        assert count.created >= 5
        assert (count.failed, count.own) == (0, 0)


def test_child_in_another_namespace_is_left_alone(bed: Bed) -> None:
    with fabric.apply(bed.decide(f"interface: b0, {BOTH}"), bed.cgroup) as rewrite:
        inner = ("ip", "netns", "exec", bed.server, str(bed.binary), "tcp")
        assert bed.run(*inner, PEER, str(PORT)) == PEER
        assert bed.run(*inner, PEER6, str(PORT)) == PEER6
        assert rewrite.counters()[0] == fabric.FabricCounters(0, 0, 0, 0, 2)


def test_address_that_went_away_lets_the_connection_go_its_old_way(bed: Bed) -> None:
    sh("ip", "addr", "add", "10.77.2.50/24", "dev", "b0")
    try:
        decision = bed.decide(f"interface: b0, source: 10.77.2.50, mark: 5, to: [{PEER}/32]")
        with fabric.apply(decision, bed.cgroup) as rewrite:
            assert bed.ask("tcp", PEER) == "10.77.2.50"
            sh("ip", "addr", "del", "10.77.2.50/24", "dev", "b0")
            assert bed.ask("tcp", PEER) == A[4]
            assert bed.ask("udp", PEER, uid=65534) == A[4]
            assert rewrite.counters()[0] == fabric.FabricCounters(1, 0, 0, 2, 0)
    finally:
        subprocess.run(["ip", "addr", "del", "10.77.2.50/24", "dev", "b0"], capture_output=True)


@pytest.mark.parametrize(
    ("rule", "fact", "remedy"),
    [
        (f"interface: c0, {BOTH}", "there is no interface c0", "ip -br link"),
        (f"source: 10.77.5.5, to: [{PEER}]", "does not have the address 10.77.5.5", "ip -br addr"),
        (
            f"interface: b0, source: 10.77.1.1, to: [{PEER}]",
            "the interface b0 does not have the address 10.77.1.1",
            "ip address show b0",
        ),
        ("interface: b0, to: [10.99.0.0/16]", "b0 has no route to 10.99.0.0/16", "ip route add"),
        ("interface: b0, to: ['fd99::/48']", "b0 has no route to fd99::/48", "ip -6 route add"),
        ("interface: b0", "b0 has no route to the rest of the world", "name its destinations"),
    ],
)
def test_what_cannot_be_applied_is_told_and_changes_nothing(
    bed: Bed, rule: str, fact: str, remedy: str
) -> None:
    with pytest.raises(GovernError) as caught:
        fabric.apply(bed.decide(rule), bed.cgroup)
    assert fact in caught.value.fact
    assert remedy in caught.value.remedy
    assert attached(bed.cgroup) == ""
    assert bed.ask("tcp", PEER) == A[4]


def attached(cgroup: Path) -> str:
    if shutil.which("bpftool") is None:
        return ""
    done = subprocess.run(
        ["bpftool", "cgroup", "list", str(cgroup)], capture_output=True, text=True
    )
    return done.stdout


def test_interface_that_is_down_is_told(bed: Bed) -> None:
    sh("ip", "link", "add", "c0", "type", "veth", "peer", "name", "c1")
    try:
        with pytest.raises(GovernError, match="c0 is down"):
            fabric.apply(bed.decide(f"interface: c0, {BOTH}"), bed.cgroup)
    finally:
        sh("ip", "link", "del", "c0")


def test_strict_reverse_path_filter_is_told(bed: Bed) -> None:
    decision = bed.decide(f"interface: b0, to: [{PEER}/32]")
    sh("sysctl", "-q", "-w", "net.ipv4.conf.b0.rp_filter=1")
    try:
        with pytest.raises(GovernError, match="rp_filter is strict"):
            fabric.apply(decision, bed.cgroup)
        sh("ip", "rule", "add", "from", "10.77.2.1", "lookup", "178")
        sh("ip", "route", "add", "default", "via", "10.77.2.2", "dev", "b0", "table", "178")
        with fabric.apply(decision, bed.cgroup):
            assert bed.ask("tcp", PEER) == B[4]
    finally:
        sh("sysctl", "-q", "-w", "net.ipv4.conf.b0.rp_filter=0")
        subprocess.run(["ip", "rule", "del", "lookup", "178"], capture_output=True)
        subprocess.run(["ip", "route", "flush", "table", "178"], capture_output=True)


def test_folder_that_is_no_cgroup_is_told(bed: Bed, tmp_path: Path) -> None:
    with pytest.raises(GovernError, match="is not a cgroup v2"):
        fabric.apply(bed.decide(f"interface: b0, {BOTH}"), tmp_path)


def test_user_without_rights_is_told(bed: Bed) -> None:
    script = """
import os
from anaros.govern import cgroups, plan
os.setuid(65534)
print([error.fact for error in plan.obstacles(())])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "overlay")},
    )
    assert "needs CAP_BPF and CAP_NET_ADMIN" in done.stdout, done.stderr


HOLDER = """
import sys, time
from pathlib import Path
from anaros.govern import fabric
from anaros.policy import load, select
decision = select(load([Path(sys.argv[1])]), "root", Path("/bin/true"), ["true"])
rewrite = fabric.apply(decision, Path(sys.argv[2]))
print("on", flush=True)
time.sleep(60)
"""


def test_supervisor_that_is_killed_leaves_nothing_behind(bed: Bed) -> None:
    bed.decide(f"interface: b0, {BOTH}")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(bed.tmp / "policy.yaml"), str(bed.cgroup)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "overlay")},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "on\n"
        assert bed.ask("tcp", PEER) == B[4]
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert wait_for(lambda: bed.ask("tcp", PEER) == A[4])
        assert attached(bed.cgroup) == ""
    finally:
        holder.kill()
        holder.communicate()


def test_run_takes_the_path_of_its_policy_and_keeps_the_count(bed: Bed, tmp_path: Path) -> None:
    bed.decide(f"interface: b0, {BOTH}")
    options = ["--no-kernel", "--policy", bed.tmp / "policy.yaml", "--output", tmp_path / "run"]
    client = [bed.binary, "tcp", PEER, str(PORT)]
    done = subprocess.run(
        [sys.executable, "-m", "anaros_cli", "run", *options, "--", *client],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'overlay'}:{ROOT / 'cli'}"},
    )
    assert (done.returncode, done.stdout.strip()) == (0, B[4]), done.stderr
    kept = json.loads((tmp_path / "run" / "meta.json").read_text())["policy"]
    assert len(kept["digest"]) == 64
    assert kept["tenant"] == "default"
    assert "by b0: 1 connection" in kept["rewrites"][0]
    assert bed.ask("tcp", PEER) == A[4]


def wait_for(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_netlink_agrees_with_pyroute2(bed: Bed) -> None:
    pyroute2 = pytest.importorskip("pyroute2")
    with pyroute2.IPRoute() as oracle:
        known = {
            (row["index"], row.get_attr("IFA_LOCAL") or row.get_attr("IFA_ADDRESS"))
            for row in oracle.get_addr()
        }
        assert {(own.interface, str(own.address)) for own in netlink.addresses()} == known
        for text in (PEER, PEER6, "10.77.2.2", "127.0.0.1"):
            (row,) = oracle.route("get", dst=text)
            answer = netlink.route(ipaddress.ip_address(text))
            assert answer is not None
            assert answer.interface == row.get_attr("RTA_OIF")
            assert answer.local == (row["type"] == 2)
