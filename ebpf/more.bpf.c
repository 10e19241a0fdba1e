// SPDX-License-Identifier: Apache-2.0
/*
 * The probes that a program need not wait for, as one object that is loaded
 * while it runs. Ring, counters, settings and process tree are those of
 * anaros.bpf.c; whatever a probe declares itself is its own.
 */
#include "mem.bpf.c"
#include "irq.bpf.c"
#include "lock.bpf.c"
#include "cgroup.bpf.c"
#include "usage.bpf.c"
#include "file.bpf.c"
#include "uring.bpf.c"
#include "queue.bpf.c"
#include "listen.bpf.c"
#include "flow.bpf.c"
#include "nvme.bpf.c"
#include "forget.bpf.c"
