// SPDX-License-Identifier: Apache-2.0
/*
 * What waits in front of the listeners of the target, and what they turned
 * away. Nothing stands in the way of a connection: all sockets of the target
 * are walked once a second, and a listener is looked at when it closes.
 */
#include "usage.bpf.h"

struct sock___listener {
	atomic_t sk_drops;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
} ANAROS_KERNEL_TYPE;

/* What was told of a listener. */
struct listener {
	u64 told_ns;
	u32 drops;
	u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct listener);
} listeners SEC(".maps");

static __always_inline int tell_backlog(struct sock *socket, u32 pid, bool closes)
{
	const struct sock___listener *looked = anaros_look_as(struct sock___listener, socket);
	struct listener *listener;
	struct anaros_record *record;
	u32 drops, before, waiting;
	u64 now = bpf_ktime_get_ns();

	listener = bpf_sk_storage_get(&listeners, socket, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!listener) {
		anaros_count(ANAROS_PROBE_LISTEN, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	drops = looked->sk_drops.counter;
	/* Two may look at once, the walk and the end: each is told once. */
	before = __sync_lock_test_and_set(&listener->drops, drops);
	waiting = closes ? 0 : looked->sk_ack_backlog;
	if (drops != before || waiting) {
		record = anaros_reserve(ANAROS_PROBE_LISTEN, ANAROS_KIND_NET_BACKLOG);
		if (!record)
			return 0;
		record->start_ns = listener->told_ns ? listener->told_ns : now;
		record->duration_ns = now - record->start_ns;
		record->pid = pid;
		record->flags |= ANAROS_FD_SOCKET | ANAROS_FLAG_LISTENER;
		record->object = bpf_get_socket_cookie(socket);
		record->size_bytes = drops - before;
		record->context = waiting;
		record->address = looked->sk_max_ack_backlog;
		anaros_submit(record);
	}
	listener->told_ns = now;
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int listen_end(u64 *ctx)
{
	struct sock *socket = (void *)ctx[0];
	struct socket_owner *owner;

	if ((u32)ctx[1] != TCP_LISTEN || !anaros_look_as(struct sock, socket)->sk_bpf_storage)
		return 0;
	owner = bpf_sk_storage_get(&sockets, socket, NULL, 0);
	return owner ? tell_backlog(socket, owner->pid, true) : 0;
}

/* Run once a second. */
SEC("iter/bpf_sk_storage_map")
int listen_totals(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct socket_owner *owner = ctx->value;
	struct sock *socket = ctx->sk;

	if (!socket || !owner ||
	    anaros_look_as(struct sock, socket)->__sk_common.skc_state != TCP_LISTEN)
		return 0;
	return tell_backlog(socket, owner->pid, false);
}
