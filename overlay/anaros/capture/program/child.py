# SPDX-License-Identifier: Apache-2.0
"""The program under observation: started as it would be alone, its fate passed on.

The child stays in our process group, so the terminal's signals reach it without us; what was
sent to us alone is passed on. It is forked before anything else is imported, enters its cgroup by
itself (the kernel takes 10 ms and more for that), and waits on a pipe until everything that
watches it is in place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
from collections.abc import Mapping

from anaros.capture.program.sentinel import SIGNALS, Sentinel
from anaros.errors import AnarosError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from anaros.capture.program.cgroup import Leaf

    #: Name, number and group.
    User = tuple[str, int, int]

#: Python ignores these; the program must find them as it would alone.
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)

NOT_FOUND = 127
NOT_EXECUTABLE = 126

#: Ends what the child is told; without it whoever told it has died on the way.
_END = b"\0\0"
_ENTERED, _NOT_ENTERED = b"+", b"-"

_PRELOAD = b"LD_PRELOAD"


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


def find(word: str, environment: Mapping[str, str]) -> str:
    """The program that ``word`` names, as a shell finds it.

    Raises:
        CommandError: There is none, or it may not be run.
    """
    candidates = [word]
    if "/" not in word:
        path = environment.get("PATH", os.defpath)
        candidates = [os.path.join(folder or ".", word) for folder in path.split(":")]
    refused = errno.ENOENT
    for candidate in candidates:
        try:
            mode = os.stat(candidate).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as problem:
            refused = problem.errno or refused
            continue
        if stat.S_ISDIR(mode):
            refused = errno.EISDIR if "/" in word else refused
        elif os.access(candidate, os.X_OK):
            return candidate
        else:
            refused = errno.EACCES
    raise CommandError(word, refused)


def find_user(name: str) -> User:
    """The user whom a program is to run as.

    Raises:
        UsageError: There is none, or we may not become one.
    """
    import pwd

    if os.geteuid() != 0:
        raise UsageError("only root may run a program as another user", "use sudo")
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"there is no user {name}", "getent passwd lists them") from None
    return name, found.pw_uid, found.pw_gid


class Child:
    """A forked process that has not yet become the program.

    Args:
        program: The file to run.
        argv: Its arguments, its own name first.
        user: Whom it is to run as; None: as we do.
    """

    def __init__(self, program: str, argv: list[str], user: User | None = None) -> None:
        self._watched = {*SIGNALS, signal.SIGCHLD}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._watched)
        self._on_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._word = argv[0]
        self._user = user
        told, self._tell = os.pipe()
        self._said, say = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._tell)
            self._become(program, argv, told, say)
        os.close(told)
        os.close(say)
        self._status: int | None = None
        self._sentinel = Sentinel(self.pid)

    def _become(self, program: str, argv: list[str], told: int, say: int) -> None:
        """In the child: waits for the word, then runs the program. Never returns."""
        try:
            entered = _enter(os.fsdecode(os.read(told, 65536)))
            os.write(say, _ENTERED if entered else _NOT_ENTERED)
            environment = _changed_environment(told)
            if environment is not None:
                for number in _PYTHON_IGNORES:
                    signal.signal(number, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                if self._on_child is not None:
                    signal.signal(signal.SIGCHLD, self._on_child)
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
                if self._user is not None:
                    _become_user(self._user, environment)
                try:
                    os.execve(program, argv, environment)
                except OSError as problem:
                    if problem.errno != errno.ENOEXEC:
                        raise
                    # A script without an interpreter line: what execvp does.
                    os.execve("/bin/sh", ["/bin/sh", program, *argv[1:]], environment)
        except OSError as problem:
            os.write(say, str(problem.errno or errno.EINVAL).encode())
        finally:
            os._exit(NOT_FOUND)

    def enter(self, leaf: Leaf | None) -> None:
        """Lets it enter its cgroup; None: it stays in ours."""
        entrance = leaf.entrance if leaf is not None else os.devnull
        os.write(self._tell, os.fsencode(entrance))

    def entered(self) -> bool:
        """Waits until it has; False: it could not be put there."""
        return os.read(self._said, 1) == _ENTERED

    def release(self, changes: Mapping[str, str]) -> None:
        """Lets it become the program, once it has entered its cgroup.

        Args:
            changes: What its environment has beside ours, or instead of it.

        Raises:
            CommandError: The kernel refuses to run it.
        """
        words = [f"{name}={value}" for name, value in changes.items()]
        # One that was killed meanwhile reads nothing; `wait` tells its fate.
        with (
            contextlib.suppress(BrokenPipeError),
            open(self._tell, "wb", buffering=0) as tell,
        ):
            tell.write(os.fsencode("\0".join(words)) + _END)
        refused = os.read(self._said, 16)
        os.close(self._said)
        if refused:
            os.waitpid(self.pid, 0)
            self._restore()
            raise CommandError(self._word, int(refused))

    def abandon(self) -> None:
        """Ends it before it became the program."""
        os.close(self._tell)
        os.close(self._said)
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
                    self._status = status
                    # What is still pending was meant for the program, and would end or stop us.
                    while signal.sigtimedwait(SIGNALS, 0) is not None:
                        pass
                    self._restore()
                    return status
            elif info.si_pid != self._sentinel.pid and not self._sentinel.came_to_the_group(
                info.si_signo
            ):
                # It is gone, or has become another user's.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(self.pid, info.si_signo)

    def wait_alone(self) -> int:
        """Waits for its end and does nothing else, where `wait` failed. Its wait status."""
        if self._status is None:
            self._status = os.waitpid(self.pid, 0)[1]
        with contextlib.suppress(OSError):
            self._restore()
        return self._status

    def _restore(self) -> None:
        self._sentinel.close()
        signal.signal(signal.SIGCHLD, self._on_child or signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _enter(entrance: str) -> bool:
    try:
        with open(entrance, "w") as file:
            file.write("0")
    except OSError:
        return False
    return True


def _become_user(user: User, environment: dict[bytes, bytes]) -> None:
    """Gives up our rights. The loader would complain of a shim that this user cannot open."""
    name, uid, gid = user
    os.initgroups(name, gid)
    os.setgid(gid)
    os.setuid(uid)
    ours, _, others = environment.get(_PRELOAD, b"").partition(b":")
    if not os.access(ours, os.R_OK):
        environment.pop(_PRELOAD, None)
        if others:
            environment[_PRELOAD] = others


def _changed_environment(told: int) -> dict[bytes, bytes] | None:
    """Our environment with the changes that we are told; None: nothing is to start."""
    words = b""
    while more := os.read(told, 65536):
        words += more
    if not words.endswith(_END):
        return None
    environment = dict(os.environb)
    for word in filter(None, words.split(b"\0")):
        name, _, value = word.partition(b"=")
        environment[name] = value
    return environment


def exit_code(status: int) -> int:
    """The exit code of a wait status, or minus the signal that ended the program."""
    return os.waitstatus_to_exitcode(status)
