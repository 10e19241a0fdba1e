# SPDX-License-Identifier: Apache-2.0
"""Every error that Anaros raises on purpose.

::

    AnarosError                 anything below; the command line prints fact, then remedy
    ├── UsageError              the caller's words are wrong (exit code 2)
    ├── RunDirectoryError       a run directory cannot be made, found, read or understood
    ├── CaptureError            a source of records cannot be started or read
    │   ├── KernelPlaneError    the kernel plane is not to be had here
    │   └── InjectError         the shim cannot be loaded into a live process, or not safely
    ├── PolicyError             a policy file is not valid or not trusted
    ├── GovernError             a valid policy cannot be applied on this machine
    └── QueryError              SQL that DuckDB refuses
"""

from __future__ import annotations


class AnarosError(Exception):
    """A fact and, where there is one, the remedy.

    Args:
        fact: What happened, as one sentence without a full stop.
        remedy: What the user can do about it; empty where nothing helps.
    """

    exit_code = 1

    def __init__(self, fact: str, remedy: str = "") -> None:
        super().__init__(f"{fact}; {remedy}" if remedy else fact)
        self.fact = fact
        self.remedy = remedy


def plain(problem: Exception) -> str:
    """An error that nobody has made a fact of, as a part of a line."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    if isinstance(problem, MemoryError) and not problem.args:
        return "there is no memory"
    return " ".join(f"{type(problem).__name__}: {problem}".split())


class UsageError(AnarosError):
    """The caller's words are wrong."""

    exit_code = 2


class RunDirectoryError(AnarosError):
    """A run directory cannot be made, found, read or understood."""


class CaptureError(AnarosError):
    """A source of records cannot be started or read."""


class KernelPlaneError(CaptureError):
    """The kernel plane is not to be had here."""


class InjectError(CaptureError):
    """The shim cannot be loaded into a live process, or not safely."""


class PolicyError(AnarosError):
    """A policy file is not valid or not trusted."""


class GovernError(AnarosError):
    """A valid policy cannot be applied on this machine."""


class QueryError(AnarosError):
    """SQL that DuckDB refuses."""
