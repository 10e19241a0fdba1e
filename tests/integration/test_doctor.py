# SPDX-License-Identifier: Apache-2.0
"""`anaros doctor` on this machine, and its judgement of facts that this machine cannot show."""

from __future__ import annotations

import ctypes.util
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anaros.capture.host import checks, machine, survey
from anaros.capture.host.checks import Check, State
from anaros.errors import CaptureError
from anaros_cli.main import main

TRACER = frozenset({"CAP_SYS_PTRACE"})
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_the_command_agrees_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    lacking = [c["name"] for c in found["checks"] if c["required"] and c["state"] == "missing"]
    assert (code == 0) is found["works"] is (lacking == [])
    assert found["host"]["kernel"] == os.uname().release
    assert found["versions"]["numpy"]
    for check in found["checks"]:
        assert check["fact"]
        assert (check["remedy"] is None) or check["state"] != "works"


def test_one_plain_frame_where_stdout_is_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anaros_cli", "doctor"],
        env={**ENVIRONMENT, "FORCE_COLOR": "", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode in (0, 1)
    assert "\x1b" not in done.stdout
    assert "anaros run " in done.stdout.splitlines()[-1]
    assert all(len(line) <= 80 and line == line.rstrip() for line in done.stdout.splitlines())


def test_identity_matches_the_kernel() -> None:
    facts = machine.identity()
    assert facts["hostname"] == os.uname().nodename
    assert facts["cpus_usable"] == len(os.sched_getaffinity(0))
    assert facts["memory_bytes"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.read("/nowhere/at/all") is None
    assert machine.field("/proc/meminfo", "NoSuchField") is None


def test_identity_imports_nothing_heavy() -> None:
    code = (
        "import sys, anaros.capture.host, __future__; before = set(sys.modules); "
        "from anaros.capture.host import machine; machine.identity(); "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['anaros.capture.host.machine']\n"


def test_capabilities_follow_the_user() -> None:
    held = survey.capabilities()
    assert held is not None
    if os.geteuid() == 0:
        assert "CAP_KILL" in held


def test_tracepoints_are_looked_up_by_their_whole_name() -> None:
    found = survey.tracepoints(frozenset({"sched_switch", "sched_swit", "no_such_point"}))
    if survey.btf_bytes() is None:
        assert found is None
    else:
        assert found == {"sched_switch"}


def test_preload_tells_what_the_loader_says(tmp_path: Path) -> None:
    broken = tmp_path / "libbroken.so"
    broken.write_bytes(b"this is no library")
    assert "libbroken.so" in survey.preload(broken)
    good = ctypes.util.find_library("m")
    assert good is not None
    assert survey.preload(Path(good)) == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import os; os.abort()", "it was ended by signal 6"),
        ("raise RuntimeError('the driver is unwell')", "RuntimeError: the driver is unwell"),
        ("import time; time.sleep(60)", "it did not answer within 0.5 s"),
        ("print('noise')", "it said nothing"),
    ],
)
def test_a_probe_that_breaks_does_not_break_the_doctor(
    body: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "anaros" / "capture" / "host"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    (package / "survey.py").write_text(f"def sick():\n    {body}\n    return 1 / 0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    probe = survey.in_own_process("sick", timeout_s=0.5 if "sleep" in body else 20)
    assert probe.found is None
    assert probe.reason == reason or "division by zero" in probe.reason


def test_a_cuda_driver_is_asked_through_its_own_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "driver.c"
    source.write_text(
        """
        #include <string.h>
        int cuDriverGetVersion(int *v) { *v = 12080; return 0; }
        int cuInit(unsigned flags) { return FAILS; }
        int cuDeviceGetCount(int *n) { *n = 1; return 0; }
        int cuDeviceGet(int *d, int i) { *d = i; return 0; }
        int cuDeviceGetName(char *s, int n, int d) { strncpy(s, "Small One", n); return 0; }
        int cuDeviceTotalMem_v2(unsigned long *b, int d) { *b = 8ul << 30; return 0; }
        int cuDeviceGetUuid(unsigned char *u, int d) { memset(u, 0xab, 16); return 0; }
        int cuGetErrorName(int e, const char **s) { *s = "CUDA_ERROR_NO_DEVICE"; return 0; }
        """
    )
    for fails in (0, 100):
        folder = tmp_path / str(fails)
        folder.mkdir()
        subprocess.run(
            ["cc", "-shared", "-fPIC", f"-DFAILS={fails}", "-o", folder / "libcuda.so.1", source],
            check=True,
        )
        monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
        check = checks.check_cuda(survey.in_own_process("cuda_driver"))
        if fails:
            assert check.state is State.MISSING
            assert check.fact == "driver for CUDA 12.8; cuInit gave CUDA_ERROR_NO_DEVICE (100)"
        else:
            assert check == Check(
                "CUDA driver", State.WORKS, "driver for CUDA 12.8: Small One (8 GiB)"
            )


@pytest.mark.parametrize(
    ("check", "state", "word"),
    [
        (checks.check_shared_memory(None), State.MISSING, "tmpfs"),
        (checks.check_shared_memory((64 << 20, 64 << 20)), State.MISSING, "--shm-size"),
        (checks.check_shared_memory((8 << 30, 1 << 20)), State.MISSING, "remove what fills"),
        (checks.check_shared_memory((128 << 20, 100 << 20)), State.LIMITED, "size=512m"),
        (checks.check_shared_memory((8 << 30, 4 << 30)), State.WORKS, ""),
        (checks.check_btf(None, None), State.MISSING, "python3-bpfcc"),
        (checks.check_btf(None, Path("/bcc")), State.LIMITED, "CONFIG_DEBUG_INFO_BTF"),
        (checks.check_btf(1 << 20, None), State.WORKS, ""),
        (checks.check_bpf_call(errno.EPERM), State.MISSING, "seccomp"),
        (checks.check_bpf_call(errno.ENOSYS), State.MISSING, "CONFIG_BPF_SYSCALL"),
        (checks.check_bpf_call(None), State.LIMITED, ""),
        (checks.check_libbpf(None), State.MISSING, "apt-get install libbpf1"),
        (checks.check_libbpf("1.1", CaptureError("no", "setup")), State.MISSING, "setup"),
        (checks.check_attach("5.10.0-8-amd64", uprobes=True), State.MISSING, "5.17"),
        (checks.check_attach("6.1.0", uprobes=False), State.LIMITED, "CONFIG_UPROBE_EVENTS"),
        (checks.check_attach("6.18.44-fc", uprobes=True), State.WORKS, ""),
        (checks.check_inject("aarch64", None, TRACER), State.MISSING, "without --inject"),
        (checks.check_inject("x86_64", 3, TRACER), State.MISSING, "boot"),
        (checks.check_inject("x86_64", 1, frozenset()), State.MISSING, "sysctl"),
        (checks.check_inject("x86_64", 0, frozenset()), State.LIMITED, "sudo"),
        (checks.check_inject("x86_64", 2, TRACER), State.WORKS, ""),
        (checks.check_inject("x86_64", None, None, CaptureError("no", "x")), State.MISSING, "x"),
        (checks.check_cgroup(None), State.MISSING, "mount -t cgroup2"),
        (checks.check_capabilities(frozenset()), State.MISSING, "sudo"),
        (
            checks.check_capabilities(frozenset({"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"})),
            State.LIMITED,
            "root",
        ),
        (
            checks.check_cuda(survey.Probe(None, "it was ended by signal 11")),
            State.MISSING,
            "reinstall",
        ),
        (checks.check_cupti(survey.Probe(None, "it did not answer")), State.MISSING, "kernel"),
        (
            checks.check_cupti(survey.Probe({"path": None, "version": None}, "")),
            State.MISSING,
            "ANAROS_CUPTI",
        ),
        (
            checks.check_cupti(survey.Probe({"named": "/x", "path": None, "version": None}, "")),
            State.MISSING,
            "unset",
        ),
        (
            checks.check_cupti(survey.Probe({"path": "/x", "version": 140000}, "")),
            State.LIMITED,
            "12 and 13",
        ),
        (
            checks.check_cupti(survey.Probe({"path": "/x", "version": 18}, "")),
            State.LIMITED,
            "12 and 13",
        ),
        (
            checks.check_cupti(survey.Probe({"path": "/x", "version": None}, "")),
            State.LIMITED,
            "driver",
        ),
        (checks.check_cupti(survey.Probe({"path": "/x", "version": 26}, "")), State.WORKS, ""),
        (checks.check_cupti(survey.Probe({"path": "/x", "version": 130500}, "")), State.WORKS, ""),
        (
            checks.check_opencl(survey.Probe({"pyopencl": None}, ""), ("pocl.icd",)),
            State.LIMITED,
            "pip install",
        ),
    ],
)
def test_judgement(check: Check, state: State, word: str) -> None:
    assert check.state is state
    assert word in check.remedy
    assert check.fact


def test_a_runs_folder_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert checks.check_runs(file / "runs").state is State.MISSING
    assert checks.check_runs(tmp_path / "a" / "b").state is State.WORKS
    assert not (tmp_path / "a").exists()


def test_only_what_is_required_decides() -> None:
    optional = Check("x", State.MISSING, "gone", "get one")
    required = Check("y", State.MISSING, "gone", "get one", required=True)
    assert checks.can_run((optional,))
    assert not checks.can_run((optional, required))
