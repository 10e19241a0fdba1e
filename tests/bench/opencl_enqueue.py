# SPDX-License-Identifier: Apache-2.0
"""Enqueues an empty kernel, again and again.

Each batch waits for an event of the user's, so the device does nothing while it is timed.
usage: opencl_enqueue.py CALLS
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

import numpy as np
import pyopencl as cl

BATCH = 500


def main() -> None:
    """Prints one line of JSON: the median batch, in ns for each enqueue."""
    calls = int(sys.argv[1])
    context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
    queue = cl.CommandQueue(context)
    source = "__kernel void nothing(__global int *at) { at[0] = 1; }"
    kernel = cl.Kernel(cl.Program(context, source).build(), "nothing")
    target = cl.Buffer(context, cl.mem_flags.READ_WRITE, np.dtype(np.int32).itemsize)
    kernel.set_args(target)
    time.sleep(float(os.environ.get("BENCH_SETTLE_MS", "0")) / 1e3)
    samples = []
    for _ in range(max(1, calls // BATCH)):
        gate = cl.UserEvent(context)
        cl.enqueue_barrier(queue, wait_for=[gate])
        start = time.perf_counter_ns()
        for _ in range(BATCH):
            cl.enqueue_nd_range_kernel(queue, kernel, (1,), (1,))
        samples.append((time.perf_counter_ns() - start) / BATCH)
        gate.set_status(cl.command_execution_status.COMPLETE)
        queue.finish()
    print(json.dumps({"ns_per_call": statistics.median(samples), "calls": len(samples) * BATCH}))


if __name__ == "__main__":
    main()
