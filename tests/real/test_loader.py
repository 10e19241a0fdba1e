# SPDX-License-Identifier: Apache-2.0
"""PyTorch's data loader with worker processes, as training has one.

Debian's package is for Debian's own Python and without a GPU: the loader is the same.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from real_harness import NEEDS, Watched

PYTHON, TORCH = "/usr/bin/python3", Path("/usr/lib/python3/dist-packages/torch")
PROGRAM = Path(__file__).with_name("loader_program.py")

pytestmark = [
    *NEEDS,
    pytest.mark.skipif(
        not TORCH.exists(), reason="not installed: python3-torch (scripts/setup --programs)"
    ),
]

SAMPLES, BYTES, BATCH = 64, 200_000, 8


def test_samples(watched: Watched, tmp_path: Path) -> None:
    for number in range(SAMPLES):
        (tmp_path / f"{number}.sample").write_bytes(os.urandom(BYTES))
    gate, go = os.pipe()
    with os.fdopen(go, "wb", buffering=0) as word:
        # Only what is imported tells that it is there; it waits on its input then.
        watched.start(
            PYTHON,
            PROGRAM,
            tmp_path,
            ready=lambda: "waits" in watched.said(),
            stdin=gate,
            more=True,
        )
        os.close(gate)
        word.write(b"go\n")
    seen = watched.end()
    assert f"\n{SAMPLES // BATCH} {SAMPLES * BYTES}\n" in watched.said()
    found = seen.ask(
        "SELECT count(DISTINCT pid), count(DISTINCT name), sum(size_bytes)::BIGINT FROM records"
        " WHERE kind = 'file.read' AND name LIKE '%.sample'"
    )
    assert found[0][0] == 2
    watched.same("samples", SAMPLES, found[0][1], within=0)
    watched.same("bytes of samples", SAMPLES * BYTES, found[0][2], within=0)
    if watched.way == "attach":
        assert seen.share("file_bytes") >= 0.999
        return
    # Some hundred libraries are loaded, which the loader reads past the shim: 832 bytes of each.
    assert seen.share("file_bytes") >= 0.99
    assert seen.named("read", "written") >= 0.999
    assert seen.coverage["without_shim"] == []
