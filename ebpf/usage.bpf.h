/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What threads and sockets of the target moved by the kernel's own count, which
 * is the same whoever asked for it and however: the witness of what the shim
 * saw.
 */
#ifndef ANAROS_EBPF_USAGE_H
#define ANAROS_EBPF_USAGE_H

#include "common.bpf.h"

/* Of a socket of the target; what a listener accepts inherits it. */
struct socket_owner {
	u32 pid;
	u32 told;  /* the low half of what was said of its bytes last */
	u32 marks; /* of the sequence numbers that it sent: these are no data */
	u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket_owner);
} sockets SEC(".maps");

static __always_inline void anaros_tell_io(struct task_struct *task, u64 now, s32 when)
{
	const struct task_struct *counted = anaros_look(task);
	struct anaros_record *record;

	if (!bpf_core_field_exists(counted->ioac.rchar))
		return;
	if (when == ANAROS_USAGE_AT_END && !counted->ioac.syscr && !counted->ioac.syscw)
		return;
	record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_IO);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->status = when;
	record->size_bytes = counted->ioac.rchar;
	record->address = counted->ioac.wchar;
	record->object = counted->ioac.syscr;
	record->context = counted->ioac.syscw;
	anaros_submit_quietly(record);
}

static __always_inline void anaros_tell_cpu(struct task_struct *task, u64 now, s32 when)
{
	struct anaros_record *record = anaros_reserve(ANAROS_PROBE_PROCESS, ANAROS_KIND_PROC_CPU);

	if (!record)
		return;
	record->start_ns = now;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->status = when;
	record->size_bytes = anaros_look(task)->se.sum_exec_runtime;
	record->object = anaros_look(task)->start_time;
	anaros_submit_quietly(record);
}

/* What was said of a thread last. */
struct anaros_told {
	u64 calls;
	u64 ran_ns;
	u64 once;
};

/* What a thread has moved and run so far, unless that was told already; from an iterator. */
static __always_inline void anaros_tell_usage(struct task_struct *task, void *usages)
{
	const struct task_struct *counted;
	struct anaros_task *state;
	struct anaros_told *told;
	u64 calls = 0, now;

	/* One that ends is told where it does, once: it stays here until its parent looks. */
	if (!task || anaros_look(task)->flags & PF_EXITING)
		return;
	state = anaros_task(task);
	if (!state)
		return;
	told = bpf_task_storage_get(usages, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!told) {
		anaros_count(ANAROS_PROBE_PROCESS, ANAROS_COUNTER_UNTRACKED);
		return;
	}
	counted = anaros_look(task);
	/* One that sleeps has done nothing since it left the CPU. */
	now = ANAROS_READ_ONCE(state->off_ns);
	if (!now)
		now = bpf_ktime_get_ns();
	if (bpf_core_field_exists(counted->ioac.syscr))
		calls = counted->ioac.syscr + counted->ioac.syscw;
	if (calls != told->calls || !told->once)
		anaros_tell_io(task, now, ANAROS_USAGE_SO_FAR);
	if (counted->se.sum_exec_runtime != told->ran_ns || !told->once)
		anaros_tell_cpu(task, now, ANAROS_USAGE_SO_FAR);
	told->calls = calls;
	told->ran_ns = counted->se.sum_exec_runtime;
	told->once = 1;
}

struct anaros_moved {
	u64 received;
	u64 sent;
};

/* States in which the end of the stream was sent. */
#define ANAROS_TCP_ENDED (1u << 4 | 1u << 5 | 1u << 6 | 1u << 9 | 1u << 11)

static __always_inline u32 anaros_tcp_ended(const struct sock *socket)
{
	u8 state = anaros_look_as(struct sock, socket)->__sk_common.skc_state;

	return ANAROS_TCP_ENDED >> (state & 31) & 1;
}

/*
 * Bytes that the program took from a TCP socket and gave to it. SYN and FIN
 * count as a byte. The peer's FIN lies behind all others: it is taken with the
 * end of the stream. What the program gave is what was acknowledged and what was
 * not yet: the counts of sent bytes have those twice that no queue took.
 */
static __always_inline struct anaros_moved anaros_tcp_moved(const struct sock *socket,
							    const struct socket_owner *owner)
{
	const struct tcp_sock *tcp = anaros_look_as(struct tcp_sock, socket);
	u32 fin = anaros_look_as(struct sock, socket)->__sk_common.skc_flags >> SOCK_DONE & 1;
	u32 unread = tcp->rcv_nxt - tcp->copied_seq;
	u64 given = tcp->bytes_acked + (tcp->write_seq - tcp->snd_una);
	u32 marks = owner->marks + anaros_tcp_ended(socket);
	struct anaros_moved moved;

	moved.received = tcp->bytes_received - (unread > fin ? unread : fin);
	moved.sent = given > marks ? given - marks : 0;
	return moved;
}

/* What a TCP socket has moved so far, unless that was told already. */
static __always_inline void anaros_tell_bytes(struct sock *socket, struct socket_owner *owner)
{
	const struct sock *looked = anaros_look_as(struct sock, socket);
	struct anaros_moved moved;
	struct anaros_record *record;
	u32 sum;

	if (looked->sk_type != SOCK_STREAM || looked->sk_protocol != IPPROTO_TCP ||
	    looked->__sk_common.skc_state == TCP_LISTEN ||
	    looked->__sk_common.skc_state == TCP_CLOSE) /* tcp.state has told all */
		return;
	moved = anaros_tcp_moved(socket, owner);
	sum = moved.received + moved.sent;
	if (sum == owner->told)
		return;
	owner->told = sum;
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_TCP_BYTES);
	if (!record)
		return;
	record->start_ns = bpf_ktime_get_ns();
	record->pid = owner->pid;
	record->status = looked->__sk_common.skc_state;
	record->object = bpf_get_socket_cookie(socket);
	record->size_bytes = moved.received;
	record->context = moved.sent;
	record->address = anaros_look_as(struct tcp_sock, socket)->srtt_us >> 3;
	anaros_submit_quietly(record);
}

#endif
