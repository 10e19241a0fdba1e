# SPDX-License-Identifier: Apache-2.0
"""The seat of NCCL's profiler plugin is taken only where nobody has it."""

from __future__ import annotations

from pathlib import Path

from anaros.capture.program import nccl


def test_free_where_nobody_names_a_plugin(tmp_path: Path) -> None:
    system = tmp_path / "nccl.conf"
    assert nccl.taken({"HOME": str(tmp_path)}, str(system)) is None
    system.write_text("# NCCL_PROFILER_PLUGIN=no\nNCCL_DEBUG=WARN\n")
    assert nccl.taken({"HOME": str(tmp_path)}, str(system)) is None


def test_the_environment_comes_before_the_files(tmp_path: Path) -> None:
    (tmp_path / ".nccl.conf").write_text("NCCL_PROFILER_PLUGIN=file\n")
    home = {"HOME": str(tmp_path)}
    assert nccl.taken(home, "/nowhere") == "file"
    assert nccl.taken({**home, "NCCL_PROFILER_PLUGIN": "none"}, "/nowhere") == "none"


def test_a_file_that_is_named_stands_for_the_one_at_home(tmp_path: Path) -> None:
    (tmp_path / ".nccl.conf").write_text("NCCL_PROFILER_PLUGIN=home\n")
    named = tmp_path / "other.conf"
    named.write_text("NCCL_DEBUG=INFO\n")
    environment = {"HOME": str(tmp_path), "NCCL_CONF_FILE": str(named)}
    system = tmp_path / "system.conf"
    assert nccl.taken(environment, str(system)) is None
    system.write_text("NCCL_PROFILER_PLUGIN = system \n")
    assert nccl.taken(environment, str(system)) == "system"
