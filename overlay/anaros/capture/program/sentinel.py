# SPDX-License-Identifier: Apache-2.0
"""Tells a signal to the supervisor alone from one to its whole process group.

A shell, a terminal or ``kill -TERM -PGID`` reaches every process of the group, the program
included; ``kill -TERM PID`` reaches the supervisor alone, and has to be passed on. The kernel
tells a receiver who sent a signal and not to whom. So one more process of the group keeps its
signals pending: what it has too, everybody has.

While the supervisor is stopped with the program, the same process watches that it goes on when
the program does.
"""

from __future__ import annotations

import contextlib
import os
import signal

from anaros.capture.host import machine

#: What is watched: all that a terminal, a shell or an operator sends to end, poke or stop a job.
SIGNALS = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGCONT,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
    }
)
#: Where nobody can tell: these are nearly always sent to the group.
_MOSTLY_TO_THE_GROUP = SIGNALS - {signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}

_ASK, _GUARD = b"?", b"z"
_ANSWER_S = 0.2
#: It answers when it gets a processor; one that takes longer than so many times does not.
_PATIENCE = 50
_GUARD_S = 0.1


def _readable(descriptor: int, seconds: float) -> bool:
    import select

    return bool(select.select([descriptor], [], [], seconds)[0])


def _stopped(pid: int) -> bool:
    stat = machine.read(f"/proc/{pid}/stat")
    return stat is not None and stat.rpartition(")")[2].split()[0] in "Tt"


def _pending(supervisor: int) -> bytes:
    """Takes the signals that are pending; in the sentinel."""
    numbers = bytearray()
    while (info := signal.sigtimedwait(SIGNALS, 0)) is not None:
        # The supervisor itself sends nothing to the group: that one made us go on.
        if info.si_pid != supervisor:
            numbers.append(info.si_signo)
    return bytes(numbers)


def _serve(requests: int, answers: int, supervisor: int, child: int) -> None:
    """The sentinel's life: it ends when the supervisor closes the pipe, or dies."""
    while request := os.read(requests, 1):
        if request == _ASK:
            os.write(answers, b"\0" + _pending(supervisor))
            continue
        while not _readable(requests, _GUARD_S):
            if _stopped(supervisor) and not _stopped(child):
                os.kill(supervisor, signal.SIGCONT)


class Sentinel:
    """The process that sees what the whole group gets. Start it while there is one thread.

    Args:
        child: The program under observation.
    """

    def __init__(self, child: int) -> None:
        supervisor = os.getpid()
        self._seen: set[int] = set()
        self._owed = 0
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self.pid: int | None = None
        try:
            pid = os.fork()
        except OSError:
            # No room for one more process: as if it had been killed. The program runs all the same.
            os.close(answers)
            os.close(requests)
            return
        if pid == 0:
            try:
                signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
                # Nothing stays open through it: not the program's pipes, not our output.
                os.dup2(requests, 0)
                os.dup2(answers, 1)
                os.closerange(2, 1 << 20)
                _serve(0, 1, supervisor, child)
            finally:
                os._exit(0)
        self.pid = pid
        os.close(requests)
        os.close(answers)

    def came_to_the_group(self, number: int) -> bool:
        """Whether the signal that the supervisor just took was sent to all of the group."""
        if number not in self._seen and not self._ask():
            return number in _MOSTLY_TO_THE_GROUP
        if number not in self._seen:
            return False
        # One more that came while we asked may be one with the first there: here too, then. Two
        # that are pending at a time are one.
        while signal.sigtimedwait({number}, 0) is not None:
            self._ask()
        self._seen.discard(number)
        return True

    def _ask(self) -> bool:
        """Collects what the group got; False: the sentinel is gone."""
        if self.pid is None:
            return False
        # A sender walks the group under the lock that this call, which changes nothing, takes
        # too: after it the signal has arrived everywhere.
        with contextlib.suppress(OSError):
            os.setpgid(0, os.getpgrp())
        try:
            os.write(self._requests, _ASK)
            self._owed += 1
            for _ in range(_PATIENCE):
                if not _readable(self._answers, _ANSWER_S):
                    # Stopped with the group, and only the supervisor was told to go on.
                    if _stopped(self.pid):
                        os.kill(self.pid, signal.SIGCONT)
                    continue
                answer = os.read(self._answers, 64)
                self._seen.update(filter(None, answer))
                # What it saw up to an earlier question is not all that it has seen by now.
                self._owed -= answer.count(0)
                if not answer or not self._owed:
                    return bool(answer)
        except OSError:
            pass
        return False

    def stop_here(self, number: int) -> None:
        """Stops the supervisor as the program was stopped; returns when it goes on."""
        with contextlib.suppress(OSError):
            os.write(self._requests, _GUARD)
            # One that is pending would stop us a second time.
            signal.sigtimedwait({number}, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
            os.kill(os.getpid(), number)
            signal.pthread_sigmask(signal.SIG_BLOCK, {number} & SIGNALS)
            self._ask()
        self._seen -= {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}

    def close(self) -> None:
        """Ends it."""
        os.close(self._requests)
        os.close(self._answers)
        if self.pid is not None:
            os.waitpid(self.pid, 0)
