# SPDX-License-Identifier: Apache-2.0
"""The entry point of scripts/gpu-check. What comes before the environment is the standard library's."""  # noqa: E501

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from gpu_check.host import BUILD, ROOT, Gpu, Missing, as_dict, find_gpu
from gpu_check.prepare import PYTHON, Source, prepare

SKIPPED = 77
PAGE = ROOT / "docs/measured.md"
HOST = BUILD / "host.json"


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(
        prog="scripts/gpu-check",
        description="Checks Anaros on an NVIDIA GPU: counts, results and costs. "
        "Exit code 0 all is equal, 1 something differs, 77 this host has no GPU.",
    )
    found.add_argument("--json", action="store_true", help="one object on standard output")
    found.add_argument("--quick", action="store_true", help="short loops and one round of them")
    found.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=PAGE,
        metavar="PAGE",
        help=f"put the table into PAGE; without one, {PAGE.relative_to(ROOT)}",
    )
    found.add_argument("--only", metavar="NAME", action="append", help="this program or loop alone")
    found.add_argument("--limit", type=float, default=570, metavar="S", help="for all, default 570")
    found.add_argument("--no-install", action="store_true", help="use the packages that are there")
    found.add_argument(
        "--wheels", type=Path, metavar="DIR", help="install from DIR what the host does not have"
    )
    found.add_argument(
        "--simulated", action="store_true", help="over the simulated driver: checks the check"
    )
    found.add_argument("--prepared", action="store_true", help=argparse.SUPPRESS)
    return found


def _bring_up(arguments: argparse.Namespace, gpu: Gpu) -> None:
    """Makes the environment and goes on in it; returns never."""
    wheels = arguments.wheels.resolve() if arguments.wheels else None
    print(f"gpu-check: {gpu.name}; making {PYTHON.parents[1]} ready", file=sys.stderr, flush=True)
    notes = prepare(gpu, Source(not arguments.no_install, wheels))
    HOST.write_text(json.dumps({"gpu": as_dict(gpu), "notes": notes}))
    words = [str(PYTHON), "-m", "gpu_check", "--prepared", *sys.argv[1:]]
    sys.stderr.flush()
    os.execv(PYTHON, words)


def main() -> int:
    """Parses, prepares, checks."""
    options = parser()
    arguments = options.parse_args()
    if arguments.simulated and arguments.write == PAGE:
        options.error("nothing simulated goes into docs/measured.md: name another page")
    gpu: Gpu | None = None
    notes: list[str] = []
    try:
        if arguments.prepared:
            told = json.loads(HOST.read_text())
            gpu, notes = Gpu(**told["gpu"]), told["notes"]
        elif not arguments.simulated:
            gpu = find_gpu()
            _bring_up(arguments, gpu)
        from gpu_check.check import Check

        return Check(gpu, arguments, notes).run(options)
    except Missing as error:
        print(f"gpu-check: this host lacks {error}", file=sys.stderr)
        return SKIPPED if gpu is None else 1


if __name__ == "__main__":
    sys.exit(main())
