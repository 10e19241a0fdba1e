# SPDX-License-Identifier: Apache-2.0
"""The entry point of scripts/gpu-check. What comes before the environment is the standard library's."""  # noqa: E501

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

from gpu_check.host import BUILD, ROOT, Gpu, Missing, Refused, as_dict, find_gpu, put
from gpu_check.page import split
from gpu_check.parts import REAL_NAMES, SIMULATED_NAMES
from gpu_check.prepare import FILL, PYTHON, Source, prepare

FAILED, INTERRUPTED, SKIPPED = 1, 130, 77
PAGE = ROOT / "docs/measured.md"
HOST = BUILD / "host.json"

EXAMPLES = f"""\
examples:
  scripts/gpu-check                          all of it, ten minutes at most
  scripts/gpu-check --quick                  short loops and one round of them
  scripts/gpu-check --only torch_decode --only decode
  scripts/gpu-check --write                  the table into {PAGE.relative_to(ROOT)}
  scripts/gpu-check --wheels DIR             without a network, after
      {FILL}
  scripts/gpu-check --simulated --quick      the check itself, without a GPU

exit code: 0 all is equal, 1 something differs or could not be done, 2 the words are wrong,
77 this host has no GPU that works, 130 ended by Control-C
"""


def _seconds(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{word!r} is no number of seconds above 0; say 570")
    return value


def _wheels(word: str) -> Path:
    folder = Path(word)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{word} is no folder; fill one with: {FILL}")
    if not any(folder.glob("*.whl")):
        raise argparse.ArgumentTypeError(f"{word} has no wheels; fill it with: {FILL}")
    return folder.resolve()


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(
        prog="scripts/gpu-check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Checks Anaros on an NVIDIA GPU: counts, results and costs.",
        epilog=EXAMPLES,
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
    found.add_argument(
        "--limit", type=_seconds, default=570.0, metavar="S", help="seconds for all, default 570"
    )
    source = found.add_mutually_exclusive_group()
    source.add_argument("--no-install", action="store_true", help="use the packages that are there")
    source.add_argument(
        "--wheels", type=_wheels, metavar="DIR", help="install from DIR what the host does not have"
    )
    found.add_argument(
        "--simulated", action="store_true", help="over the simulated driver: checks the check"
    )
    found.add_argument("--prepared", action="store_true", help=argparse.SUPPRESS)
    return found


def _judge_words(options: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """What is wrong with the words is said before anything is done for them."""
    names = SIMULATED_NAMES if arguments.simulated else REAL_NAMES
    unknown = sorted(set(arguments.only or []) - set(names))
    if unknown:
        options.error(f"no such program: {', '.join(unknown)}; there are {', '.join(names)}")
    if arguments.simulated and arguments.write == PAGE:
        options.error("nothing simulated goes into docs/measured.md: name another page")
    if arguments.write is not None:
        try:
            split(arguments.write)
        except Refused as problem:
            options.error(str(problem))


def _bring_up(arguments: argparse.Namespace, gpu: Gpu) -> None:
    """Makes the environment and goes on in it; returns never."""
    print(f"gpu-check: {gpu.name}; making {PYTHON.parents[1]} ready", file=sys.stderr, flush=True)
    notes = prepare(gpu, Source(not arguments.no_install, arguments.wheels))
    put(HOST, json.dumps({"gpu": as_dict(gpu), "notes": notes}))
    words = [str(PYTHON), "-m", "gpu_check", "--prepared", *sys.argv[1:]]
    sys.stderr.flush()
    os.execv(PYTHON, words)


def _say(fact: str, remedy: str = "") -> None:
    print(f"gpu-check: {fact}" + (f"\n  {remedy}" if remedy else ""), file=sys.stderr)


def main() -> int:
    """Parses, prepares, checks."""
    options = parser()
    arguments = options.parse_args()
    _judge_words(options, arguments)
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

        return Check(gpu, arguments, notes).run()
    except Missing as error:
        _say(f"this host lacks {error}", error.remedy)
        return SKIPPED if gpu is None else FAILED
    except OSError as error:
        _say(f"{error.filename or BUILD}: {error.strerror}", f"it writes below {BUILD} alone")
        return FAILED
    except KeyboardInterrupt:
        _say("ended by Control-C", "nothing was written; what was installed is used again")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
