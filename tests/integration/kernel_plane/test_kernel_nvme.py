# SPDX-License-Identifier: Apache-2.0
"""Commands of NVMe in the kernel plane: the real programs, run on events made by hand."""

from __future__ import annotations

import functools
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel_harness import NEEDS, Samples, cffi, kernel, probes, stopped

from anaros.capture.kernel import nvme as nvme_module
from anaros.capture.kernel.nvme import Nvme
from anaros.capture.kernel.plane import COUNTERS, PROBES
from anaros.kinds import Kind, NameClass
from anaros.records import Columns

pytestmark = NEEDS

EBPF = Path(__file__).resolve().parents[3] / "ebpf"
TARGET, OTHER = 1, 2
READ, WRITE = 2, 1
#: Of each release where the fields are: name, offset, size.
LAYOUTS = {
    "5.12": {
        "nvme_setup_cmd": "disk 8 32, ctrl_id 40 4, qid 44 4, opcode 48 1, flags 49 1, fctype 50 1,"
        " cid 52 2, nsid 56 4, metadata 64 8, cdw10 72 24",
        "nvme_complete_rq": "disk 8 32, ctrl_id 40 4, qid 44 4, cid 48 4, result 56 8,"
        " retries 64 1, flags 65 1, status 66 2",
        "nvme_sq": "ctrl_id 8 4, disk 12 32, qid 44 4, sq_head 48 2, sq_tail 50 2",
    },
    "as it may be one day": {
        "nvme_setup_cmd": "ctrl_id 8 4, qid 12 2, opcode 14 1, cid 16 4, nsid 20 4, disk 24 32",
        "nvme_complete_rq": "ctrl_id 8 4, qid 12 2, retries 14 1, cid 16 2, status 18 2",
        "nvme_sq": "qid 8 4, sq_tail 12 4, sq_head 16 4, ctrl_id 20 4, disk 24 32",
    },
}
LAYOUTS["6.18"] = {
    **LAYOUTS["5.12"],
    "nvme_setup_cmd": LAYOUTS["5.12"]["nvme_setup_cmd"].replace(
        "metadata 64 8, cdw10 72 24", "metadata 60 1, cdw10 61 24"
    ),
}


def fields_of(layout: str) -> dict[str, tuple[int, int]]:
    rows = (field.split() for field in layout.split(","))
    return {name: (int(offset), int(size)) for name, offset, size in rows}


def tracefs(root: Path, release: str) -> Path:
    """The format files of a release, as the kernel writes them."""
    for number, (event, layout) in enumerate(LAYOUTS[release].items()):
        lines = [f"name: {event}", f"ID: {1500 + number}", "format:"]
        lines.append("\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;")
        lines.append("\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n")
        for name, (offset, size) in fields_of(layout).items():
            kind = f"char {name}[{size}]" if name in ("disk", "cdw10") else f"u{8 * size} {name}"
            lines.append(f"\tfield:{kind};\toffset:{offset};\tsize:{size};\tsigned:0;")
        lines.append('\nprint fmt: "nvme%d: qid=%d", REC->ctrl_id, REC->qid')
        path = root / "events" / "nvme" / event / "format"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(lines))
    return root


def controllers(root: Path, **transports: str) -> Path:
    for name, transport in transports.items():
        (root / name).mkdir(parents=True)
        (root / name / "transport").write_text(f"{transport}\n")
    return root


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The object with the twins, built as the others are."""
    if shutil.which("make") is None or not any(
        shutil.which(f"clang{version}")
        for version in ("", "-19", "-18", "-17", "-16", "-15", "-14")
    ):
        pytest.skip("clang and make are not installed")
    built = tmp_path_factory.mktemp("nvme") / "nvme_twin.bpf.o"
    source = Path(__file__).with_name("nvme_twin.bpf.c")
    shutil.copy(source, built.with_suffix(".c"))
    subprocess.run(["make", "-s", "-C", EBPF, built], check=True, timeout=60)
    return built


class Twin:
    """The programs in the kernel, and what they tell."""

    def __init__(self, path: Path, nvme: Nvme, layout: dict[str, str]) -> None:
        self.layout = {event: fields_of(text) for event, text in layout.items()}
        self.libbpf = probes.Libbpf()
        self.ffi, self.lib = self.libbpf.ffi, self.libbpf.lib
        self.opened = self.lib.bpf_object__open_file(os.fsencode(path), self.ffi.NULL)
        assert self.opened != self.ffi.NULL
        nvme.lay(self.libbpf, self.opened)
        assert self.lib.bpf_object__load(self.opened) == 0
        nvme.tell_transports(self.libbpf, self.opened)
        self.samples = Samples()
        sample = self.ffi.cast("ring_buffer_sample_fn", self.samples.address)
        self.ring = self.lib.ring_buffer__new(
            self._map("ring"), sample, self.ffi.NULL, self.ffi.NULL
        )
        assert self.ring != self.ffi.NULL
        self.runner = cffi.FFI()
        self.runner.cdef(
            """
            struct bpf_test_run_opts {
                size_t sz;
                const void *data_in; void *data_out; uint32_t data_size_in, data_size_out;
                const void *ctx_in; void *ctx_out; uint32_t ctx_size_in, ctx_size_out;
                uint32_t retval; int repeat; uint32_t duration, flags, cpu, batch_size;
            };
            int bpf_prog_test_run_opts(int fd, struct bpf_test_run_opts *options);
            """
        )
        self.run_in_kernel = self.runner.dlopen("libbpf.so.1").bpf_prog_test_run_opts

    def close(self) -> None:
        self.lib.ring_buffer__free(self.ring)
        self.lib.bpf_object__close(self.opened)

    def _map(self, name: str) -> int:
        found = self.lib.bpf_object__find_map_by_name(self.opened, name.encode())
        return int(self.lib.bpf_map__fd(found))

    def _run(self, program: str, context: bytes) -> None:
        found = self.lib.bpf_object__find_program_by_name(self.opened, program.encode())
        held = self.runner.from_buffer(context)
        options = self.runner.new("struct bpf_test_run_opts *")
        options.sz = self.runner.sizeof("struct bpf_test_run_opts")
        options.ctx_in, options.ctx_size_in = held, len(context)
        assert self.run_in_kernel(self.lib.bpf_program__fd(found), options) == 0

    def event(self, program: str, event: str, **values: int) -> None:
        made = bytearray(96)
        for name, value in values.items():
            offset, size = self.layout[event][name]
            made[offset : offset + size] = value.to_bytes(size, "little")
        self._run(program, bytes(made))

    def setup(self, queue: int, number: int, opcode: int, controller: int = 1) -> None:
        where = {"ctrl_id": controller, "qid": queue, "cid": number}
        self.event("twin_setup", "nvme_setup_cmd", **where, opcode=opcode)

    def issue(self, request: int) -> None:
        self._run("twin_issue", struct.pack("<12Q", request, *[0] * 11))

    def sq(self, queue: int, head: int, tail: int) -> None:
        self.event("twin_sq", "nvme_sq", ctrl_id=1, qid=queue, sq_head=head, sq_tail=tail)

    def complete(
        self, queue: int, tag: int, status: int = 0, retries: int = 0, controller: int = 1
    ) -> None:
        where = {"ctrl_id": controller, "qid": queue, "cid": tag}
        self.event("twin_complete", "nvme_complete_rq", **where, status=status, retries=retries)

    def follow(self, request: int, owner: int, sector: int, size: int) -> None:
        """What the block probe knows of a request: ``struct io``."""
        io = struct.pack("<3Q8I", 0, 1, sector, 259 << 20, size, size, 0, 4242, 4243, owner, 0)
        key = self.ffi.new("uint64_t *", request)
        value = self.ffi.from_buffer(io)
        assert self.lib.bpf_map_update_elem(self._map("requests"), key, value, 0) == 0

    def told(self) -> Columns:
        assert self.lib.ring_buffer__consume(self.ring) >= 0
        found = self.samples.columns()
        self.samples.records.clear()
        return found

    def counted(self, counter: str) -> int:
        values = self.ffi.new("uint64_t[]", self.lib.libbpf_num_possible_cpus())
        number = PROBES.index("queue") * len(COUNTERS) + COUNTERS.index(counter)
        key = self.ffi.new("uint32_t *", number)
        assert self.lib.bpf_map_lookup_elem(self._map("counters"), key, values) == 0
        return sum(values)


@pytest.fixture(params=LAYOUTS)
def made(request: pytest.FixtureRequest, twin: Path, tmp_path: Path) -> Iterator[Twin]:
    """The programs for the events of a release; this thread stays on one CPU meanwhile."""
    root = tracefs(tmp_path / "tracing", request.param)
    classes = controllers(tmp_path / "class", nvme1="tcp", nvme2="pcie")
    nvme = Nvme(str(root), str(classes))
    assert nvme.off() == {}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    made = None
    try:
        made = Twin(twin, nvme, LAYOUTS[request.param])
        yield made
    finally:
        os.sched_setaffinity(0, before)
        if made is not None:
            made.close()


def test_a_command_is_told_from_its_setup_to_its_completion(made: Twin) -> None:
    for request, number in ((0x1000, 0x2005), (0x2000, 0x3006)):
        made.follow(request, TARGET, sector=2048 + request, size=4096)
        made.setup(3, number, READ)
        made.issue(request)
    made.sq(3, head=4, tail=6)
    made.complete(3, 5)  # the tag alone, as the kernel tells it
    made.sq(3, head=6, tail=0)
    made.complete(3, 6, status=0x4281, retries=2)
    told = made.told()
    assert told.kind.tolist() == [Kind.BLOCK_NVME] * 2
    assert (told.pid == 4242).all()
    assert (told.tid == 4243).all()
    assert told.object.tolist() == [1 << 32 | 1 << 16 | 3] * 2
    assert told.address.tolist() == [2048 + 0x1000, 2048 + 0x2000]
    assert told.size_bytes.tolist() == [4096, 4096]
    assert told.status.tolist() == [0, 0x4281]
    assert told.context.tolist() == [
        2 << 48 | 0 << 32 | 0 << 24 | READ << 16 | 0x2005,
        1 << 48 | 1 << 32 | 2 << 24 | READ << 16 | 0x3006,
    ]
    assert (told.duration_ns > 0).all()
    names = [(int(record["object"]), text) for record, text in made.samples.names]
    assert names == [(1 << 32 | 1 << 16 | 3, "nvme1 tcp queue 3")]
    assert {int(record["status"]) for record, _ in made.samples.names} == {NameClass.DEVICE}


def test_commands_of_others_are_counted_and_stand_in_the_queue(made: Twin) -> None:
    made.setup(1, 1, WRITE)
    made.issue(0x9000)  # the block probe does not follow it
    made.complete(1, 1)
    assert made.counted("others") == 1
    made.follow(0x1000, OTHER, sector=0, size=512)
    made.follow(0x2000, TARGET, sector=8, size=512)
    made.setup(1, 2, WRITE)
    made.issue(0x1000)
    made.setup(1, 3, WRITE)
    made.issue(0x2000)
    made.setup(2, 2, WRITE, controller=2)
    made.issue(0x2000)
    for queue, tag, controller in ((1, 2, 1), (1, 3, 1), (2, 2, 2)):
        made.complete(queue, tag, controller=controller)
    told = made.told()
    assert (told.context >> 32 & 0xFFFF).tolist() == [1, 0]
    assert [text for _, text in made.samples.names] == ["nvme1 tcp queue 1", "nvme2 pcie queue 2"]
    assert made.counted("others") == 2
    assert made.counted("untracked") == 0


def test_what_never_came_to_its_end_leaves_the_depth_right(made: Twin) -> None:
    made.follow(0x1000, TARGET, sector=0, size=512)
    made.setup(1, 1, WRITE)  # and then it could not be issued
    for number in (1, 0x1001, 0x2001):  # the same place again and again, never completed
        made.setup(1, number, WRITE)
        made.issue(0x1000)
    made.issue(0x1000)  # of another driver
    made.setup(1, 2, WRITE)
    made.issue(0x1000)
    made.complete(1, 2)
    made.complete(1, 1)
    made.complete(1, 1)
    told = made.told()
    assert (told.context & 0xFFFF).tolist() == [0x2001, 2]
    assert (told.context >> 32 & 0xFFFF).tolist() == [0, 1]
    assert made.counted("untracked") == 1


def test_without_its_tracepoints_nvme_is_missing_only_where_there_is_one(tmp_path: Path) -> None:
    none, some = tmp_path / "none", controllers(tmp_path / "some", nvme0="rdma")
    assert set(Nvme(str(none), str(none)).off().values()) == {""}
    reason = "no block.nvme: this kernel has no tracepoint nvme_setup_cmd"
    assert set(Nvme(str(none), str(some)).off().values()) == {reason}
    root = tracefs(tmp_path / "tracing", "6.18")
    (root / "events/nvme/nvme_sq/format").unlink()
    assert set(Nvme(str(root), str(some)).off()) == {"nvme_sq"}
    far = root / "events/nvme/nvme_complete_rq/format"
    far.write_text(far.read_text().replace("offset:66", "offset:166"))
    assert set(Nvme(str(root), str(some)).off()) == {
        *("nvme_setup", "nvme_issue", "nvme_sq", "nvme_complete")
    }


def test_the_probes_load_with_them_and_do_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if Path("/sys/kernel/tracing/events/nvme").exists():
        pytest.skip("this kernel has the tracepoints of NVMe")
    root = tracefs(tmp_path / "tracing", "6.18")
    found: functools.partial[Any] = functools.partial(Nvme, str(root))
    monkeypatch.setattr(nvme_module, "Nvme", found)
    samples, child = Samples(), stopped(["/bin/true"])
    try:
        plane = kernel.KernelPlane.start(kernel.Target(child.pid), samples.address, 0)
        try:
            plane.extend(delay_s=0.0)
            deadline = time.monotonic() + 30
            while not plane.extended():
                assert time.monotonic() < deadline, plane.missing()
                time.sleep(0.01)
            missing = plane.missing()
        finally:
            plane.stop()
    finally:
        child.kill()
        child.communicate()
    # The kernel took all of them, and has nothing to attach three of them to.
    assert len(missing) == 3, missing
    assert all("nvme" in sentence and "cannot be used" in sentence for sentence in missing)
