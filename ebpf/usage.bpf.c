// SPDX-License-Identifier: Apache-2.0
/*
 * Once a second, what the threads and sockets of the target that live have
 * moved by the kernel's own count. Their ends are told by process.bpf.c and
 * net.bpf.c, which are there from the beginning.
 */
#include "usage.bpf.h"

struct told {
	u64 calls;
	u64 ran_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct told);
} usages SEC(".maps");

SEC("iter/task")
int usage_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	const struct task_struct *counted;
	struct told *told;
	u64 calls = 0, now;

	if (!task || !anaros_task(task))
		return 0;
	told = bpf_task_storage_get(&usages, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!told) {
		anaros_count(ANAROS_PROBE_PROCESS, ANAROS_COUNTER_UNTRACKED);
		return 0;
	}
	counted = anaros_look(task);
	now = bpf_ktime_get_ns();
	if (bpf_core_field_exists(counted->ioac.syscr))
		calls = counted->ioac.syscr + counted->ioac.syscw;
	if (calls != told->calls)
		anaros_tell_io(task, now, ANAROS_USAGE_SO_FAR);
	if (counted->se.sum_exec_runtime != told->ran_ns)
		anaros_tell_cpu(task, now, ANAROS_USAGE_SO_FAR);
	told->calls = calls;
	told->ran_ns = counted->se.sum_exec_runtime;
	return 0;
}

static __always_inline void tell_bytes(struct sock *socket, struct socket_owner *owner)
{
	struct anaros_moved moved = anaros_tcp_moved(socket, owner);
	u32 sum = moved.received + moved.sent;
	struct anaros_record *record;

	if (sum == owner->told)
		return;
	owner->told = sum;
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_TCP_BYTES);
	if (!record)
		return;
	record->start_ns = bpf_ktime_get_ns();
	record->pid = owner->pid;
	record->status = anaros_look_as(struct sock, socket)->__sk_common.skc_state;
	record->object = bpf_get_socket_cookie(socket);
	record->size_bytes = moved.received;
	record->context = moved.sent;
	record->address = anaros_look_as(struct tcp_sock, socket)->srtt_us >> 3;
	anaros_submit_quietly(record);
}

SEC("iter/bpf_sk_storage_map")
int usage_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct socket_owner *owner = ctx->value;
	struct sock *socket = ctx->sk;
	const struct sock *looked;

	if (!socket || !owner)
		return 0;
	looked = anaros_look_as(struct sock, socket);
	if (looked->sk_type == SOCK_STREAM && looked->sk_protocol == IPPROTO_TCP &&
	    looked->__sk_common.skc_state != TCP_LISTEN &&
	    looked->__sk_common.skc_state != TCP_CLOSE) /* tcp.state has told all */
		tell_bytes(socket, owner);
	return 0;
}
