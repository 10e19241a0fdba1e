# SPDX-License-Identifier: Apache-2.0
"""The program under observation: started as it would be alone, its fate passed on.

The child stays in our process group, so the terminal's signals reach it without us; what was
sent to us alone is passed on. It is forked first and waits on a pipe until everything that
watches it is in place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from anaros.capture.sentinel import SIGNALS, Sentinel
from anaros.errors import AnarosError

#: Python ignores these; the program must find them as it would alone.
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)

NOT_FOUND = 127
NOT_EXECUTABLE = 126


_REMEDIES = {
    errno.EACCES: "make it executable (chmod +x), or name what runs it: python, sh",
    errno.EISDIR: "name a program in it",
    errno.ENOEXEC: "it was built for another machine, or is damaged: build or install it again",
}


class CommandError(AnarosError):
    """The program cannot be started; exit codes as a shell gives them."""

    def __init__(self, word: str, number: int) -> None:
        if number == errno.ENOENT:
            super().__init__(f"there is no program {word}", "check the name, or PATH")
        else:
            fact = f"cannot run {word}: {os.strerror(number)}"
            super().__init__(fact, _REMEDIES.get(number, ""))
        self.exit_code = NOT_FOUND if number == errno.ENOENT else NOT_EXECUTABLE


def find(word: str, environment: Mapping[str, str]) -> Path:
    """The program that ``word`` names, as a shell finds it.

    Raises:
        CommandError: There is none, or it may not be run.
    """
    if "/" in word:
        candidates = [Path(word)]
    else:
        path = environment.get("PATH", os.defpath)
        candidates = [Path(folder or ".") / word for folder in path.split(":")]
    refused = errno.ENOENT
    for candidate in candidates:
        try:
            if candidate.is_dir():
                refused = errno.EISDIR if "/" in word else refused
            elif os.access(candidate, os.X_OK):
                return candidate
            elif candidate.exists():
                refused = errno.EACCES
        except OSError as problem:
            refused = problem.errno or refused
    raise CommandError(word, refused)


class Child:
    """A forked process that has not yet become the program.

    Args:
        program: The file to run.
        argv: Its arguments, its own name first.
        environment: All of its environment.
    """

    def __init__(self, program: Path, argv: list[str], environment: Mapping[str, str]) -> None:
        self._watched = {*SIGNALS, signal.SIGCHLD}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        self._on_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._word = argv[0]
        go_read, self._go = os.pipe()
        self._failure, failed = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._go)
            self._become(program, argv, environment, go_read, failed)
        os.close(go_read)
        os.close(failed)
        self._sentinel = Sentinel(self.pid)

    def _become(
        self,
        program: Path,
        argv: list[str],
        environment: Mapping[str, str],
        go: int,
        failed: int,
    ) -> None:
        """In the child: waits for the word, then runs the program. Never returns."""
        try:
            if os.read(go, 1):
                for number in _PYTHON_IGNORES:
                    signal.signal(number, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                if self._on_child is not None:
                    signal.signal(signal.SIGCHLD, self._on_child)
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
                try:
                    os.execve(program, argv, environment)
                except OSError as problem:
                    if problem.errno != errno.ENOEXEC:
                        raise
                    # A script without an interpreter line: what execvp does.
                    os.execve("/bin/sh", ["/bin/sh", str(program), *argv[1:]], environment)
        except OSError as problem:
            os.write(failed, str(problem.errno or errno.EINVAL).encode())
        finally:
            os._exit(NOT_FOUND)

    def release(self) -> None:
        """Lets it become the program.

        Raises:
            CommandError: The kernel refuses to run it.
        """
        os.write(self._go, b"g")
        os.close(self._go)
        refused = os.read(self._failure, 16)
        os.close(self._failure)
        if refused:
            os.waitpid(self.pid, 0)
            self._restore()
            raise CommandError(self._word, int(refused))

    def abandon(self) -> None:
        """Ends it before it became the program."""
        with contextlib.suppress(OSError):
            os.close(self._go)
        os.waitpid(self.pid, 0)
        self._restore()

    def wait(self) -> int:
        """Waits for its end; passes signals on and stops with it meanwhile. Its wait status."""
        while True:
            info = signal.sigwaitinfo(self._watched)
            if info.si_signo == signal.SIGCHLD:
                pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
                if pid and os.WIFSTOPPED(status):
                    self._sentinel.stop_here(os.WSTOPSIG(status))
                elif pid:
                    # What is still pending was meant for the program, and would end or stop us.
                    while signal.sigtimedwait(SIGNALS, 0) is not None:
                        pass
                    self._restore()
                    return status
            elif info.si_pid != self._sentinel.pid and not self._sentinel.came_to_the_group(
                info.si_signo
            ):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, info.si_signo)

    def _restore(self) -> None:
        self._sentinel.close()
        signal.signal(signal.SIGCHLD, self._on_child or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def exit_code(status: int) -> int:
    """The exit code of a wait status, or minus the signal that ended the program."""
    return os.waitstatus_to_exitcode(status)
