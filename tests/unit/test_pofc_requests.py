# SPDX-License-Identifier: Apache-2.0
"""Where requests and loop steps begin and end."""

from __future__ import annotations

import pofc_oracle as oracle
from hypothesis import given, settings
from pofc_hostile import traces
from pofc_traces import LOOP, REGULAR, SOCKET, US, Trace

from anaros.kinds import Kind
from anaros.pofc import analyse
from anaros.pofc.frame import Survey
from anaros.pofc.native import columns_of
from anaros.pofc.requests import serve
from anaros.records import FLAG_PEEK, Columns


def connection(trace: Trace, at: int, *, accept: bool = True) -> None:
    if accept:
        trace.add(Kind.NET_ACCEPT, at, at + 5, obj=70, flags=SOCKET)
    trace.add(Kind.POLL_WAIT, at + 10, at + 100, status=1)
    trace.add(Kind.NET_RECV, at + 120, at + 130, obj=70, size=10)
    trace.add(Kind.NET_SEND, at + 200, at + 210, obj=70, size=20)
    trace.add(Kind.NET_SEND, at + 220, at + 240, obj=70, size=30)


def test_a_request_lasts_from_its_poll_to_its_last_send() -> None:
    trace = Trace()
    connection(trace, 1000)
    requests = analyse(trace.columns()[0]).requests
    assert requests.start_ns.tolist() == [1100]
    assert requests.duration_ns.tolist() == [140]
    assert (requests.bytes_in[0], requests.bytes_out[0]) == (10, 50)
    assert (requests.connection[0], requests.tid[0]) == (70, LOOP)


def test_keep_alive_gives_one_request_for_each_exchange() -> None:
    trace = Trace()
    for turn in range(3):
        connection(trace, 1000 + 1000 * turn, accept=turn == 0)
    assert len(analyse(trace.columns()[0]).requests) == 3


def test_a_connection_that_was_accepted_before_the_records_is_known_by_its_shape() -> None:
    trace = Trace()
    connection(trace, 1000, accept=False)
    assert len(analyse(trace.columns()[0]).requests) == 1


def test_a_connection_to_a_server_is_none() -> None:
    trace = Trace()
    trace.add(Kind.NET_CONNECT, 10, 20, obj=70)
    connection(trace, 1000, accept=False)
    assert len(analyse(trace.columns()[0]).requests) == 0


def test_a_receive_that_slept_counts_from_its_end() -> None:
    trace = Trace()
    trace.add(Kind.NET_ACCEPT, 0, 5, obj=70)
    trace.add(Kind.NET_RECV, 10, 500 * US, obj=70, size=10)
    trace.add(Kind.NET_SEND, 600 * US, 610 * US, obj=70, size=20)
    assert analyse(trace.columns()[0]).requests.start_ns.tolist() == [500 * US]


def test_what_was_never_answered_is_open() -> None:
    trace = Trace()
    connection(trace, 1000)
    trace.add(Kind.NET_RECV, 2000, 2010, obj=70, size=10)
    timeline = analyse(trace.columns()[0])
    assert (len(timeline.requests), timeline.coverage.open_requests) == (1, 1)


def test_bytes_that_were_only_looked_at_are_no_request() -> None:
    trace = Trace()
    connection(trace, 1000)
    trace.add(Kind.NET_RECV, 2000, 2010, obj=70, size=10, flags=FLAG_PEEK)
    assert analyse(trace.columns()[0]).coverage.open_requests == 0


def loop(steps: int) -> Columns:
    """A program that reads, computes and writes."""
    trace, now = Trace(), 1000
    trace.add(Kind.FILE_READ, 10, 20, obj=1, size=5, flags=REGULAR)  # an import
    trace.add(Kind.GPU_BUILD, 30, 900, obj=2)
    for _ in range(steps):
        for kind, size in (
            (Kind.FILE_OPEN, 0),
            (Kind.FILE_READ, 4096),
            (Kind.GPU_COPY_H2D, 4096),
            (Kind.GPU_LAUNCH, 64),
            (Kind.GPU_COPY_D2H, 40),
            (Kind.FILE_WRITE, 90),
        ):
            now = trace.add(kind, now + 10, now + 110, obj=5, size=size, flags=REGULAR)
    return trace.columns()[0]


def test_a_loop_has_a_step_for_each_round() -> None:
    requests = analyse(loop(10)).requests
    assert len(requests) == 10
    assert requests.duration_ns.tolist() == [650] * 10
    assert requests.connection.tolist() == [0] * 10
    assert (requests.bytes_in[0], requests.bytes_out[0]) == (4096, 90)


def test_a_program_without_device_or_connection_has_no_request() -> None:
    trace = Trace()
    for at in range(100):
        trace.add(Kind.FILE_READ, at * 10, at * 10 + 5, obj=1, size=4096, flags=REGULAR)
    timeline = analyse(trace.columns()[0])
    assert (len(timeline.requests), len(timeline.spans)) == (0, 0)


def test_no_records_are_no_error() -> None:
    assert len(analyse(Columns.empty()).requests) == 0


@settings(max_examples=60, deadline=None)
@given(traces())
def test_requests_are_those_of_the_oracle(columns: Columns) -> None:
    survey = Survey.of(columns_of(columns), len(columns), map)
    table = serve(columns, survey.sockets, survey.polls).table
    expected = oracle.exchanges(columns)
    assert table.start_ns.tolist() == [each.start for each in expected]
    ends = [
        None if is_open else end for is_open, end in zip(table.is_open, table.end_ns, strict=True)
    ]
    rows = zip(ends, table.connection, table.bytes_in, table.bytes_out, table.first_ns, strict=True)
    found = sorted(tuple(map(str, row)) for row in rows)
    assert found == sorted(
        tuple(map(str, (e.end, e.connection, e.bytes_in, e.bytes_out, e.first))) for e in expected
    )


@settings(max_examples=60, deadline=None)
@given(traces(server=False))
def test_steps_are_those_of_the_oracle(columns: Columns) -> None:
    timeline = analyse(columns)
    expected = oracle.step_starts(columns)
    assert len(timeline.requests) + timeline.coverage.open_requests == len(expected)
    found = zip(timeline.requests.tid.tolist(), timeline.requests.start_ns.tolist(), strict=True)
    assert set(found) <= set(expected)
