// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes through sockets that are not TCP, which the kernel itself counts for
 * nobody: added up where a call of the target has moved them, and told once a
 * second. Those of the Internet's protocols one by one, by their cookie; all
 * others of a process together, by their family.
 */
#include "usage.bpf.h"
#include "addresses.bpf.h"

#define MSG_PEEK  2
#define FORGET_NS 60000000000ull /* a socket that moves nothing for so long begins anew */

struct flow_key {
	u64 object; /* cookie; 0: all sockets of the family */
	u32 pid;
	u32 family;
};

struct flow {
	u64 received;
	u64 sent;
	u64 receives;
	u64 sends;
	u64 told_received;
	u64 told_sent;
	u64 told_receives;
	u64 told_sends;
	u64 looked_ns; /* when the last walk came by, or its first bytes were moved */
	u64 told_ns;   /* when something was told, or the same */
	u32 protocol;
	u32 named; /* the peer, in short */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

/* A number that is another one where the peer is. */
static __always_inline u32 peer_of(const struct sock___addresses *socket)
{
	u32 ports = (u32)socket->__sk_common.skc_dport << 16 | socket->__sk_common.skc_num;
	u32 peer[4] = {};

	if (socket->__sk_common.skc_family == AF_INET6)
		bpf_core_read(peer, sizeof(peer), &socket->__sk_common.skc_v6_daddr);
	else
		peer[0] = socket->__sk_common.skc_daddr;
	return (peer[0] ^ peer[1] ^ peer[2] ^ peer[3]) * 31 + ports;
}

static __always_inline void name_flow(struct sock *socket, u16 family, u64 object, u64 now)
{
	struct anaros_text *text = anaros_name(ANAROS_PROBE_FLOW);
	struct anaros_socket_name *name;

	if (!text)
		return;
	name = (void *)text->text;
	__builtin_memset(name, 0, sizeof(*name));
	name->type = anaros_look_as(struct sock, socket)->sk_type;
	anaros_spell_inet((void *)socket, family, name);
	anaros_ship_name(ANAROS_PROBE_FLOW, text, now, 0, ANAROS_NAME_SOCKET, object,
			 sizeof(*name));
}

/* A socket that only receives is the target's from its first packet on as well. */
static __always_inline void adopt_receiver(struct sock *socket, u32 pid)
{
	struct socket_owner fresh = {.pid = pid};

	bpf_sk_storage_get(&sockets, socket, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
}

static __always_inline struct flow *flow_of(struct sock *socket, const struct flow_key *key)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, key);
	struct flow fresh = {};

	if (flow)
		return flow;
	fresh.looked_ns = fresh.told_ns = bpf_ktime_get_ns();
	fresh.protocol = anaros_look_as(struct sock, socket)->sk_protocol;
	bpf_map_update_elem(&flows, key, &fresh, BPF_NOEXIST);
	if (key->object)
		adopt_receiver(socket, key->pid);
	flow = bpf_map_lookup_elem(&flows, key);
	if (!flow)
		anaros_count(ANAROS_PROBE_FLOW, ANAROS_COUNTER_UNTRACKED);
	return flow;
}

static __always_inline int flow_moved(struct sock *socket, s32 bytes, bool sent)
{
	const struct sock *looked = anaros_look_as(struct sock, socket);
	const struct sock___addresses *addresses = anaros_look_as(struct sock___addresses, socket);
	struct flow_key key = {};
	struct flow *flow;
	u32 peer;

	if (looked->sk_type == SOCK_STREAM && looked->sk_protocol == IPPROTO_TCP)
		return 0;
	if (bytes <= 0)
		return 0;
	if (!anaros_current_task(ANAROS_PROBE_FLOW)) {
		anaros_count(ANAROS_PROBE_FLOW, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	key.pid = bpf_get_current_pid_tgid() >> 32;
	key.family = addresses->__sk_common.skc_family;
	if (key.family == AF_INET || key.family == AF_INET6)
		key.object = bpf_get_socket_cookie(socket);
	flow = flow_of(socket, &key);
	if (!flow)
		return 0;
	if (sent) {
		__sync_fetch_and_add(&flow->sends, 1);
		__sync_fetch_and_add(&flow->sent, bytes);
	} else {
		__sync_fetch_and_add(&flow->receives, 1);
		__sync_fetch_and_add(&flow->received, bytes);
	}
	if (!key.object)
		return 0;
	peer = peer_of(addresses);
	if (peer != flow->named) {
		flow->named = peer;
		name_flow(socket, key.family, key.object, bpf_ktime_get_ns());
	}
	return 0;
}

SEC("tp_btf/sock_send_length")
int flow_send(u64 *ctx)
{
	return flow_moved((struct sock *)ctx[0], ctx[1], true);
}

SEC("tp_btf/sock_recv_length")
int flow_receive(u64 *ctx)
{
	return ctx[2] & MSG_PEEK ? 0 : flow_moved((struct sock *)ctx[0], ctx[1], false);
}

/* Run once a second. */
SEC("iter/bpf_map_elem")
int flow_totals(struct bpf_iter__bpf_map_elem *ctx)
{
	struct flow_key *at = ctx->key, key;
	struct anaros_record *record;
	struct flow *flow;
	struct flow now;
	u64 time = bpf_ktime_get_ns();

	if (!at)
		return 0;
	key = *at;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		return 0;
	now = *flow;
	if (now.receives == now.told_receives && now.sends == now.told_sends) {
		flow->looked_ns = time;
		if (time - now.told_ns > FORGET_NS)
			bpf_map_delete_elem(&flows, &key);
		return 0;
	}
	record = anaros_reserve(ANAROS_PROBE_FLOW, ANAROS_KIND_NET_FLOW);
	if (!record)
		return 0;
	record->start_ns = now.looked_ns;
	record->duration_ns = time - now.looked_ns;
	record->pid = key.pid;
	record->flags |= ANAROS_FD_SOCKET;
	record->object = key.object;
	record->status = key.object ? now.protocol : key.family;
	record->size_bytes = now.received - now.told_received;
	record->context = now.sent - now.told_sent;
	record->address =
	    (now.sends - now.told_sends) << 32 | (u32)(now.receives - now.told_receives);
	anaros_submit_quietly(record);
	flow->told_received = now.received;
	flow->told_sent = now.sent;
	flow->told_receives = now.receives;
	flow->told_sends = now.sends;
	flow->looked_ns = flow->told_ns = time;
	return 0;
}
