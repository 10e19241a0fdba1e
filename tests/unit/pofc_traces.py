# SPDX-License-Identifier: Apache-2.0
"""Traces of servers that never ran: an event loop with a pool of workers, truth known."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from random import Random

import numpy as np

from anaros.kinds import Kind
from anaros.records import FLAG_ASYNC, FLAG_DEVICE_TIME, FLAG_KERNEL, RECORD_DTYPE, Columns

PID = 4000
LOOP = 4000
US = 1000
REGULAR, SOCKET, ANONYMOUS = 1, 3, 7


@dataclass
class Trace:
    """Records as they are made, with the request that each truly belongs to."""

    rows: list[tuple[int, ...]] = field(default_factory=list)
    truth: list[int] = field(default_factory=list)

    def add(
        self,
        kind: Kind,
        start: int,
        end: int,
        tid: int = LOOP,
        *,
        owner: int = -1,
        obj: int = 0,
        size: int = 0,
        address: int = 0,
        flags: int = 0,
        status: int = 0,
        pid: int = PID,
        context: int = 0,
    ) -> int:
        """Adds a record; its end comes back."""
        duration = max(end - start, 0)
        row = (start, duration, pid, tid, kind, flags, status, obj, size, address, context)
        self.rows.append(row)
        self.truth.append(owner)
        return end

    def columns(self) -> tuple[Columns, np.ndarray]:
        """The records by start, and the true owner of each."""
        records = np.array(self.rows, RECORD_DTYPE) if self.rows else np.zeros(0, RECORD_DTYPE)
        order = np.argsort(records["start_ns"], kind="stable")
        return Columns.from_records(records[order]), np.array(self.truth, np.int64)[order]


@dataclass
class Plan:
    """What a server is like."""

    requests: int = 200
    clients: int = 8
    workers: int = 4
    seed: int = 0
    semaphores: bool = True
    shared_queue: bool = False
    same_turn: bool = False
    direct_every: int = 0
    twice_every: int = 0
    kernel: bool = False
    device_times: bool = True
    think_ns: int = 300 * US


class Pool:
    """A server of one event loop and a pool of workers, simulated event by event."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.rng, self.trace = plan, Random(plan.seed), Trace()
        self.started = 0
        self.sends: dict[int, int] = {}
        self.ready: list[tuple[int, int, int, int]] = []  # time, order, what, request
        self.count = 0
        self.idle = [(0, LOOP + 1 + worker) for worker in range(plan.workers)]
        self.backlog: list[tuple[int, int]] = []  # when it was given out, request
        self.busy: dict[int, int] = {}  # worker of each request that is worked on
        self.connection: dict[int, int] = {}
        self.again: set[int] = set()
        self.device_free = 0

    def push(self, when: int, what: int, request: int) -> None:
        heapq.heappush(self.ready, (when, self.count, what, request))
        self.count += 1

    def arrive(self, when: int, connection: int) -> None:
        if self.started < self.plan.requests:
            request = self.started
            self.started += 1
            self.connection[request] = connection
            self.push(when, 0, request)

    def between(self, low: int, high: int) -> int:
        return self.rng.randint(low * US, high * US)

    def run(self) -> tuple[Columns, np.ndarray]:
        """Serves all requests."""
        trace, now = self.trace, 1_000_000_000
        now = trace.add(Kind.NET_SOCKET, now, now + US, obj=900, size=1)
        now = trace.add(Kind.NET_SOCKET, now, now + US, obj=901, size=1)
        for client in range(self.plan.clients):
            now = trace.add(Kind.NET_ACCEPT, now, now + 5 * US, obj=1000 + client, flags=SOCKET)
            self.arrive(now + self.between(50, 900), 1000 + client)
        tasks: list[tuple[int, int]] = []
        while self.ready or tasks:
            now = self.turn(now, tasks)
        return trace.columns()

    def turn(self, now: int, tasks: list[tuple[int, int]]) -> int:
        """One turn of the loop: poll, callbacks of what is ready, tasks of the turn before."""
        trace, begun = self.trace, now + US
        awaited = 0 if tasks else self.ready[0][0] + 3 * US
        now = max(begun + 2 * US, awaited)
        due = []
        while self.ready and self.ready[0][0] <= now - US:
            due.append(heapq.heappop(self.ready))
        signals = [each for each in due if each[2] == 1]
        arrivals = [each for each in due if each[2] == 0]
        status = len(arrivals) + bool(signals)
        now = trace.add(Kind.POLL_WAIT, begun, now, status=status)
        steps, tasks[:] = list(tasks), []
        for when, _, _, request in signals:
            self.free(when, self.busy.pop(request))
        # As asyncio does: tasks, then what other threads called, then what was polled.
        for what, request in steps:
            now = self.step(now, what, request)
        tasks += [(1, request) for _, _, _, request in signals]
        if signals:
            now = trace.add(Kind.NET_RECV, now + US, now + 3 * US, obj=901, size=len(signals))
        for _, _, _, request in arrivals:
            end = now + self.between(8, 20)
            connection = self.connection[request]
            now = trace.add(
                Kind.NET_RECV,
                now + 2 * US,
                end,
                owner=request,
                obj=connection,
                size=180,
                flags=SOCKET,
            )
            now += self.between(5, 30)
            if self.plan.same_turn:
                now = self.step(now, 0, request)
            else:
                tasks.append((0, request))
        return now

    def step(self, now: int, what: int, request: int) -> int:
        """A task goes on: it gives its work away, or answers."""
        now += self.between(5, 60)
        if self.plan.twice_every and what == 1 and request not in self.again:
            self.again.add(request)
            what = int(request % self.plan.twice_every != 0)
        direct = self.plan.direct_every and request % self.plan.direct_every == 0
        if what == 1 or direct:
            end = now + self.between(10, 30)
            connection = self.connection[request]
            self.trace.add(
                Kind.NET_SEND, now, end, owner=request, obj=connection, size=320, flags=SOCKET
            )
            self.sends[request] = end
            self.arrive(end + self.between(50, 50 + self.plan.think_ns // US), connection)
            return end
        self.backlog.append((now, request))
        free = [each for each in self.idle if each[0] < now]
        if free:
            self.idle.remove(free[-1])
            self.give(free[-1])
        return now + 4 * US

    def give(self, worker: tuple[int, int]) -> None:
        """Wakes an idle worker for the work that waits longest."""
        since, tid = worker
        now, request = self.backlog.pop(0)
        semaphore = 0x7000 if self.plan.shared_queue else 0x7000 + tid * 32
        woken = now + self.between(10, 60)
        if self.plan.semaphores:
            self.trace.add(Kind.SYNC_WAKE, now, now + 3 * US, owner=request, obj=semaphore)
            self.trace.add(Kind.SYNC_WAIT, since, woken, tid, obj=semaphore)
        if self.plan.kernel:
            kernel = FLAG_KERNEL
            self.trace.add(Kind.SCHED_OFFCPU, since + US, woken - US, tid, flags=kernel, status=1)
            self.trace.add(Kind.SCHED_RUNQUEUE, now + 4 * US, woken - US, tid, flags=kernel)
        self.slice(woken, tid, request)

    def free(self, when: int, tid: int) -> None:
        """A worker is done: it takes what waits longest, or idles."""
        if not self.backlog:
            self.idle.append((when + 5 * US, tid))
            self.idle.sort()
        elif self.backlog[0][0] <= when + 5 * US:
            self.slice(when + 8 * US, tid, self.backlog.pop(0)[1])
        else:
            self.give((when + 5 * US, tid))

    def slice(self, now: int, tid: int, request: int) -> None:
        """What a worker does for a request."""
        add, mine = self.trace.add, {"tid": tid, "owner": request}
        inode, queue, host = 5000 + request % 7, 0x9000 + tid, tid << 32
        now = add(Kind.FILE_OPEN, now + 20 * US, now + 30 * US, obj=inode, flags=REGULAR, **mine)
        for chunk in range(3):
            end = now + self.between(15, 60)
            now = add(
                Kind.FILE_READ,
                now + 3 * US,
                end,
                obj=inode,
                size=65536,
                address=host + chunk * 65536,
                flags=REGULAR,
                **mine,
            )
        now = add(Kind.FILE_CLOSE, now + US, now + 3 * US, obj=inode, flags=REGULAR, **mine)
        now += self.between(100, 900)  # decode
        if self.plan.kernel:
            add(Kind.SCHED_OFFCPU, now - 80 * US, now - 30 * US, flags=FLAG_KERNEL, **mine)
            add(Kind.SCHED_RUNQUEUE, now - 80 * US, now - 30 * US, flags=FLAG_KERNEL, **mine)
        end = now + self.between(30, 90)
        now = add(
            Kind.GPU_COPY_H2D, now, end, obj=queue, size=65536, address=host + 9 * 65536, **mine
        )
        now = self.compute(now + 5 * US, queue, mine)
        now = add(
            Kind.GPU_COPY_D2H, now + 2 * US, now + 40 * US, obj=queue, size=40, address=3, **mine
        )
        now += self.between(20, 60)
        now = add(Kind.FILE_WRITE, now, now + 8 * US, obj=77, size=90, flags=REGULAR, **mine)
        end = now + self.between(300, 1500)
        now = add(Kind.FILE_SYNC, now + US, end, obj=77, flags=REGULAR, **mine)
        now += self.between(5, 20)
        add(Kind.NET_SEND, now, now + 4 * US, obj=900, size=1, flags=SOCKET, **mine)
        self.busy[request] = tid
        self.push(now + 4 * US, 1, request)

    def compute(self, now: int, queue: int, mine: dict[str, int]) -> int:
        """Two kernels on the device, and the wait for them."""
        add, done = self.trace.add, now
        for kernel in (1, 2):
            launched = now
            now = add(
                Kind.GPU_LAUNCH,
                now,
                now + 6 * US,
                obj=queue,
                address=kernel,
                flags=FLAG_ASYNC,
                **mine,
            )
            begin = max(now + 15 * US, done + 2 * US)
            done = begin + self.between(100, 400)
            if self.plan.device_times:
                add(
                    Kind.GPU_EXECUTE,
                    begin,
                    done,
                    obj=queue,
                    address=kernel,
                    flags=FLAG_DEVICE_TIME,
                    **mine,
                )
            now = max(now + 2 * US, launched)
        return add(Kind.GPU_SYNC, now, done + 10 * US, obj=queue, **mine)
