// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets and NIC. A socket of the target carries storage, which what a listener
 * accepts inherits.
 */
#include "usage.bpf.h"
#include "handlers/packet.h"

#define REASON_PREFIX 16 /* "SKB_DROP_REASON_" */
#define REASON_TEXT   128

/* One that never arrives at the driver is evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct packet);
} packets SEC(".maps");

/* Which reasons have been told by name. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ANAROS_REASONS_MAX);
	__type(key, u32);
	__type(value, u8);
} reasons SEC(".maps");

/* When the target last used the network. */
u64 network_used_ns = 0;

static __always_inline u64 *anaros_network_used(void)
{
	return &network_used_ns;
}

typedef struct sock *anaros_socket;

static __always_inline struct socket_owner *anaros_owner(struct sock *socket)
{
	if (!socket || !anaros_look_as(struct sock, socket)->sk_bpf_storage)
		return NULL;
	return bpf_sk_storage_get(&sockets, socket, NULL, 0);
}

/*
 * 0 where nobody asked for the cookie yet. The helper that would make one does
 * not take a socket found through a packet; tcp_state calls it in good time.
 */
static __always_inline u64 anaros_cookie(const struct sock *socket)
{
	return socket->__sk_common.skc_cookie.counter;
}

static __always_inline u64 anaros_new_cookie(struct sock *socket)
{
	return bpf_get_socket_cookie(socket);
}

static __always_inline struct socket_owner *anaros_adopt(struct sock *socket,
							 const struct task_struct *thread)
{
	struct socket_owner fresh = {.pid = thread->tgid};
	struct socket_owner *owner =
	    bpf_sk_storage_get(&sockets, socket, &fresh, BPF_SK_STORAGE_GET_F_CREATE);

	if (!owner)
		anaros_count(ANAROS_PROBE_NET, ANAROS_COUNTER_UNTRACKED);
	return owner;
}

static __always_inline void anaros_connects(struct socket_owner *owner)
{
	owner->marks = 1;
}

static __always_inline void anaros_tell_moved(struct anaros_record *record,
					      const struct sock *socket, struct socket_owner *owner)
{
	struct anaros_moved moved = anaros_tcp_moved(socket, owner);

	owner->told = moved.received + moved.sent;
	owner->marks += anaros_tcp_ended(socket);
	record->size_bytes = moved.received;
	record->context = moved.sent;
}

static __always_inline long anaros_reason(u32 reason, char *text)
{
	enum skb_drop_reason value = reason;
	struct btf_ptr pointer = {
	    .ptr = &value,
	    .type_id = bpf_core_type_id_kernel(enum skb_drop_reason),
	};
	long length;

	/* The record before the text leaves no room for the prefix: cut it by shifting. */
	length = bpf_snprintf_btf(text, REASON_TEXT, &pointer, sizeof(pointer),
				  BTF_F_COMPACT | BTF_F_NONAME);
	if (length <= REASON_PREFIX || length >= REASON_TEXT)
		return 0;
	bpf_probe_read_kernel(text, REASON_TEXT - REASON_PREFIX, text + REASON_PREFIX);
	return length - REASON_PREFIX;
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

static __always_inline bool anaros_is_full(u32 reason)
{
	return IS_REASON(reason, CPU_BACKLOG) || IS_REASON(reason, FULL_RING);
}

#include "handlers/net.h"

SEC("tp_btf/inet_sock_set_state")
int tcp_state(u64 *ctx)
{
	anaros_on_tcp_state(ctx, (void *)ctx[0], ctx[1], ctx[2]);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int tcp_retransmit(u64 *ctx)
{
	const struct sk_buff *packet = (void *)ctx[1];

	anaros_on_retransmit((void *)ctx[0], packet->len);
	return 0;
}

SEC("tp_btf/kfree_skb")
int nic_drop(u64 *ctx)
{
	struct sk_buff *packet = (void *)ctx[0];

	anaros_on_drop(ctx[0], anaros_drop_socket(ctx), packet->sk, anaros_drop_reason(ctx),
		       packet->queue_mapping, packet->len);
	return 0;
}

SEC("tp_btf/napi_poll")
int nic_poll(u64 *ctx)
{
	const struct napi_struct *napi = anaros_look_as(struct napi_struct, ctx[0]);
	const struct net_device *device;
	u32 work = ctx[1], queue = 0;

	if (!work)
		return 0;
	device = napi->dev;
	if (bpf_core_field_exists(napi->napi_id))
		queue = napi->napi_id;
	anaros_on_poll(device, device ? device->ifindex : 0, work, ctx[2], queue);
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
	const struct net_device *device = anaros_look_as(struct sk_buff, skb)->dev;
	struct sock *socket = skb->sk;

	if (socket)
		anaros_on_queue(ctx, ctx[0], socket, has_queue(device) ? device->ifindex : 0);
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int nic_xmit(u64 *ctx)
{
	const struct sk_buff *skb = anaros_look_as(struct sk_buff, ctx[0]);
	const struct net_device *device = anaros_look_as(struct net_device, ctx[1]);
	const struct sock *socket = skb->sk;

	if (socket && socket->sk_bpf_storage && has_queue(device))
		anaros_on_xmit(ctx[0], skb->queue_mapping, skb->len);
	return 0;
}
