// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets and NIC.
 *
 * A socket belongs to the target when it carries storage: set when one of the
 * target's threads connects it, listens on it or sends through it, inherited by
 * what a listener accepts. Packets are the target's when their socket is; where
 * a packet has none (received, not yet matched) nobody can tell, and it is
 * counted.
 */
#include "usage.bpf.h"

#define REASON_MAX    512
#define REASON_PREFIX 16 /* "SKB_DROP_REASON_" */

struct packet {
	u64 queued_ns;
	u64 cookie;
	u32 pid;
	u32 tid;
};

/* Packets between stack and driver. One that never arrives there is evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct packet);
} packets SEC(".maps");

/* Which reasons have been told by name. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REASON_MAX);
	__type(key, u32);
	__type(value, u8);
} reasons SEC(".maps");

/* When the target last used the network: it says whether a poll concerns it. */
u64 network_used_ns = 0;

static __always_inline struct socket_owner *socket_owner(struct sock *socket)
{
	if (!socket || !anaros_look_as(struct sock, socket)->sk_bpf_storage)
		return NULL;
	return bpf_sk_storage_get(&sockets, socket, NULL, 0);
}

/*
 * 0 where nobody asked for the cookie yet. The helper that would make one does
 * not take a socket found through a packet; tcp_state calls it in good time.
 */
static __always_inline u64 socket_cookie(const struct sock *socket)
{
	return socket->__sk_common.skc_cookie.counter;
}

/* The target's thread at work here, NULL in an interrupt or for anybody else. */
static __always_inline struct task_struct *target_thread(const u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!anaros_task(task) || anaros_context(ctx) != ANAROS_CONTEXT_TASK)
		return NULL;
	return task;
}

static __always_inline struct socket_owner *adopt(struct sock *socket, struct task_struct *thread)
{
	struct socket_owner fresh = {.pid = thread->tgid};
	struct socket_owner *owner =
	    bpf_sk_storage_get(&sockets, socket, &fresh, BPF_SK_STORAGE_GET_F_CREATE);

	if (!owner)
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_UNTRACKED);
	return owner;
}

static __always_inline struct anaros_record *reserve(u16 kind, struct socket_owner *owner,
						     struct task_struct *thread, u64 now)
{
	struct anaros_record *record = anaros_reserve(ANAROS_PROBE_NET, kind);

	if (!record)
		return NULL;
	record->start_ns = now;
	record->pid = owner->pid;
	if (thread) {
		record->pid = thread->tgid;
		record->tid = thread->pid;
	}
	return record;
}

SEC("tp_btf/inet_sock_set_state")
int tcp_state(u64 *ctx)
{
	struct sock *socket = (void *)ctx[0];
	u32 before = ctx[1];
	u32 after = ctx[2];
	struct socket_owner *owner = socket_owner(socket);
	struct task_struct *thread = target_thread(ctx);
	struct anaros_record *record;
	u64 now;

	if (!owner && thread && before == TCP_CLOSE &&
	    (after == TCP_SYN_SENT || after == TCP_LISTEN))
		owner = adopt(socket, thread);
	if (!owner) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	if (after == TCP_SYN_SENT)
		owner->marks = 1;
	now = bpf_ktime_get_ns();
	network_used_ns = now;
	record = reserve(ANAROS_KIND_TCP_STATE, owner, thread, now);
	if (!record)
		return 0;
	record->status = after;
	record->address = before;
	record->object = bpf_get_socket_cookie(socket);
	if (after == TCP_CLOSE) {
		struct anaros_moved moved = anaros_tcp_moved(socket, owner);

		owner->told = moved.received + moved.sent;
		owner->marks += anaros_tcp_ended(socket);
		record->size_bytes = moved.received;
		record->context = moved.sent;
	}
	anaros_submit(record);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int tcp_retransmit(u64 *ctx)
{
	struct sock *socket = (void *)ctx[0];
	struct sk_buff *packet = (void *)ctx[1];
	struct socket_owner *owner = socket_owner(socket);
	struct anaros_record *record;

	if (!owner) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	record = reserve(ANAROS_KIND_TCP_RETRANSMIT, owner, NULL, bpf_ktime_get_ns());
	if (!record)
		return 0;
	record->object = bpf_get_socket_cookie(socket);
	record->size_bytes = packet->len;
	anaros_submit(record);
	return 0;
}

/* The kernel's own name of a reason, told once. */
static __always_inline void name_reason(u32 reason, u64 now)
{
	enum skb_drop_reason value = reason;
	struct btf_ptr pointer = {
	    .ptr = &value,
	    .type_id = bpf_core_type_id_kernel(enum skb_drop_reason),
	};
	struct anaros_text *name;
	u8 *told = bpf_map_lookup_elem(&reasons, &reason);
	long length;

	if (!told || *told)
		return;
	*told = 1;
	name = anaros_name(ANAROS_PROBE_NET);
	if (!name)
		return;
	/* The record before the text leaves no room for the prefix: cut it by shifting. */
	length = bpf_snprintf_btf(name->text, 128, &pointer, sizeof(pointer),
				  BTF_F_COMPACT | BTF_F_NONAME);
	if (length <= REASON_PREFIX || length >= 128)
		return;
	length -= REASON_PREFIX;
	bpf_probe_read_kernel(name->text, 128 - REASON_PREFIX, name->text + REASON_PREFIX);
	anaros_ship_name(ANAROS_PROBE_NET, name, now, 0, ANAROS_NAME_REASON, reason, length);
}

enum skb_drop_reason___full {
	SKB_DROP_REASON_CPU_BACKLOG___full,
	SKB_DROP_REASON_FULL_RING___full,
};

#define IS_REASON(reason, name)                                                                    \
	(bpf_core_enum_value_exists(enum skb_drop_reason___full,                                   \
				    SKB_DROP_REASON_##name##___full) &&                            \
	 (reason) ==                                                                               \
	     bpf_core_enum_value(enum skb_drop_reason___full, SKB_DROP_REASON_##name##___full))

/*
 * A queue that was full has dropped packets of anybody: nobody can tell whose.
 * It concerns the target while it uses the network.
 */
static __always_inline bool was_full(u32 reason)
{
	return (IS_REASON(reason, CPU_BACKLOG) || IS_REASON(reason, FULL_RING)) &&
	       bpf_ktime_get_ns() - network_used_ns <= config.net_recent_ns;
}

SEC("tp_btf/kfree_skb")
int nic_drop(u64 *ctx)
{
	struct sk_buff *packet = (void *)ctx[0];
	struct sock *socket = anaros_drop_socket(ctx);
	struct socket_owner *owner = socket_owner(socket);
	struct anaros_record *record;
	u32 reason = anaros_drop_reason(ctx), pid = 0;
	u64 cookie = 0;
	u64 now;

	if (owner) {
		cookie = socket_cookie(socket);
		pid = owner->pid;
	} else {
		struct sock *sender = packet->sk;

		owner = socket_owner(sender);
		if (owner) {
			cookie = socket_cookie(sender);
			pid = owner->pid;
		} else if (!was_full(reason)) {
			bool known = socket;

			barrier_var(known); /* the verifier forbids to merge two pointers */
			if (known || sender)
				anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_OTHERS);
			else
				anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_UNKNOWN_OWNER);
			return 0;
		}
	}
	now = bpf_ktime_get_ns();
	if (reason)
		name_reason(reason, now);
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_NIC_DROP);
	if (!record)
		return 0;
	record->start_ns = now;
	record->pid = pid;
	record->status = reason;
	record->address = reason;
	record->object = cookie;
	record->size_bytes = packet->len;
	anaros_submit(record);
	return 0;
}

/*
 * A poll serves everybody, so it is nobody's: pid 0. It is shipped when it did
 * work while the target used the network. Polls without a device (packets that
 * one CPU handed to itself, as on loopback) say something only when packets
 * had piled up.
 */
SEC("tp_btf/napi_poll")
int nic_poll(u64 *ctx)
{
	const struct napi_struct *napi = anaros_look_as(struct napi_struct, ctx[0]);
	u32 work = ctx[1];
	struct anaros_record *record;
	const struct net_device *device;
	u64 now;

	if (!work)
		return 0;
	device = napi->dev;
	if (!device && work < config.backlog_min) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_BELOW_MINIMUM);
		return 0;
	}
	now = bpf_ktime_get_ns();
	if (now - network_used_ns > config.net_recent_ns) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_NIC_POLL);
	if (!record)
		return 0;
	record->start_ns = now;
	record->object = device ? device->ifindex : 0;
	record->size_bytes = work;
	record->address = (u32)ctx[2];
	if (bpf_core_field_exists(napi->napi_id))
		record->context = napi->napi_id;
	anaros_submit(record);
	return 0;
}

/* Without a queueing discipline the packet goes straight to the driver. */
static __always_inline bool has_queue(const struct net_device *device)
{
	const struct Qdisc *root = device->qdisc;

	return root && (root->enqueue || root->flags & TCQ_F_MQROOT);
}

SEC("tp_btf/net_dev_queue")
int nic_queue(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *socket = skb->sk;
	struct socket_owner *owner;
	struct task_struct *thread = NULL;
	struct packet packet = {};
	u64 key = ctx[0];
	bool queues;

	if (!socket)
		return 0;
	owner = socket_owner(socket);
	queues = has_queue(anaros_look_as(struct sk_buff, skb)->dev);
	if (!owner || queues)
		thread = target_thread(ctx);
	if (!owner && thread)
		owner = adopt(socket, thread);
	if (!owner)
		return 0;
	packet.queued_ns = bpf_ktime_get_ns();
	network_used_ns = packet.queued_ns;
	if (!queues)
		return 0;
	packet.cookie = socket_cookie(socket);
	packet.pid = owner->pid;
	if (thread) {
		packet.pid = thread->tgid;
		packet.tid = thread->pid;
	}
	if (bpf_map_update_elem(&packets, &key, &packet, BPF_ANY))
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_UNTRACKED);
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int nic_xmit(u64 *ctx)
{
	const struct sk_buff *skb = anaros_look_as(struct sk_buff, ctx[0]);
	const struct net_device *device = anaros_look_as(struct net_device, ctx[1]);
	const struct sock *socket = skb->sk;
	struct anaros_record *record;
	struct packet *packet;
	u64 key = ctx[0];
	u64 now;

	if (!socket || !socket->sk_bpf_storage || !has_queue(device))
		return 0;
	packet = bpf_map_lookup_elem(&packets, &key);
	if (!packet)
		return 0;
	now = bpf_ktime_get_ns();
	if (now - packet->queued_ns < config.queue_min_ns) {
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_BELOW_MINIMUM);
	} else {
		record = anaros_reserve(ANAROS_PROBE_NET, ANAROS_KIND_NIC_QUEUE);
		if (record) {
			record->start_ns = packet->queued_ns;
			record->duration_ns = now - packet->queued_ns;
			record->pid = packet->pid;
			record->tid = packet->tid;
			record->object = device->ifindex;
			record->status = skb->queue_mapping;
			record->size_bytes = skb->len;
			record->address = packet->cookie;
			anaros_submit(record);
		}
	}
	bpf_map_delete_elem(&packets, &key);
	return 0;
}
