/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the target's threads and sockets have moved, and what its threads sleep
 * in, when the first calls are told and before the last are.
 */
#ifndef ANAROS_EBPF_WITNESS_H
#define ANAROS_EBPF_WITNESS_H

#include "asleep.bpf.h"
#include "usages.bpf.h"

/*
 * Run when the first calls are told, and before the last are: what each thread
 * has moved by then. What lies between can be compared with the calls.
 */
SEC("iter/task")
int tell_tasks(struct bpf_iter__task *ctx)
{
	anaros_begin_sleep(ctx->task);
	anaros_tell_usage(ctx->task, &usages);
	return 0;
}

/* Likewise each socket. */
SEC("iter/bpf_sk_storage_map")
int tell_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return anaros_tell_socket(ctx);
}

#endif
