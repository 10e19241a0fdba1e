/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the target's threads and sockets have moved, and what its threads sleep
 * in, when the first calls are told and before the last are.
 */
#ifndef ANAROS_EBPF_WITNESS_H
#define ANAROS_EBPF_WITNESS_H

#include "asleep.bpf.h"
#include "usage.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct anaros_told);
} usages SEC(".maps");

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
	struct socket_owner *owner = ctx->value;
	struct sock *socket = ctx->sk;

	if (socket && owner)
		anaros_tell_bytes(socket, owner);
	return 0;
}

#endif
