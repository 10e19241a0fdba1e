// SPDX-License-Identifier: Apache-2.0
/*
 * Gives new connections of one cgroup the interface, source address and mark
 * that a policy names for their destination.
 *
 * The workload comes first: every program allows every call. What cannot be
 * set is counted, what was set half is taken back, and a socket whose program
 * chose for itself is left alone.
 *
 * Destinations live in two prefix tries; their value is the index of a rule,
 * or FABRIC_EXEMPT for what must keep its route: loopback, the addresses of
 * this machine, link-local and multicast.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define FABRIC_RULES        64
#define FABRIC_DESTINATIONS 32768
#define FABRIC_EXEMPT       0xffffffffu

#define AF_INET          2
#define AF_INET6         10
#define SOCK_STREAM      1
#define SOL_SOCKET       1
#define SO_BINDTODEVICE  25
#define SO_MARK          36
#define INTERFACE_LENGTH 16

/* What a rule wants, and what we did to a socket. */
#define SET_INTERFACE 1u
#define SET_MARK      2u
#define SET_SOURCE4   4u
#define SET_SOURCE6   8u
#define SET_SOURCE    (SET_SOURCE4 | SET_SOURCE6)

struct fabric_rule {
	__u32 sets;
	__u32 ifindex;
	__u32 mark;
	__u32 source4;
	__u32 source6[4];
	char interface[INTERFACE_LENGTH];
};

struct fabric_counters {
	__u64 connected; /* connections that got all that the rule names */
	__u64 created;   /* datagram and raw sockets, at their creation */
	__u64 own;       /* left alone: the program bound or marked the socket itself */
	__u64 failed;    /* could not be set: the connection went its old way */
	__u64 elsewhere; /* left alone: the socket is in another network namespace */
};

struct fabric_settings {
	__u64 netns_cookie; /* 0: unknown, every namespace counts as ours */
	__u32 create_rule;  /* rule for new sockets, FABRIC_EXEMPT for none */
	__u32 reserved;
};

struct destination4 {
	__u32 prefix;
	__u32 address;
};

struct destination6 {
	__u32 prefix;
	__u32 address[4];
};

struct touched {
	__u32 rule;
	__u32 sets;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fabric_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FABRIC_RULES);
	__type(key, __u32);
	__type(value, struct fabric_rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FABRIC_RULES);
	__type(key, __u32);
	__type(value, struct fabric_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FABRIC_DESTINATIONS);
	__type(key, struct destination4);
	__type(value, __u32);
} destinations4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FABRIC_DESTINATIONS);
	__type(key, struct destination6);
	__type(value, __u32);
} destinations6 SEC(".maps");

/* What we did to a socket, so that its next connect can take it back. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct touched);
} sockets SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline struct fabric_settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline __u32 source_of(struct bpf_sock *sk)
{
	if (sk->family == AF_INET)
		return sk->src_ip4;
	return sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3];
}

/* Without a rule: bind to no address. A port is never reserved. */
static __always_inline long bind_source(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
					const struct fabric_rule *rule, __u32 sets)
{
	struct {
		__u16 family;
		__u16 port;
		__u32 address;
		__u8 zero[8];
	} v4 = {.family = AF_INET};
	struct {
		__u16 family;
		__u16 port;
		__u32 flow;
		__u32 address[4];
		__u32 scope;
	} v6 = {.family = AF_INET6};

	if (sk->family == AF_INET) {
		if (sets & SET_SOURCE4)
			v4.address = rule->source4;
		return bpf_bind(ctx, (struct sockaddr *)&v4, sizeof(v4));
	}
	if (sets & SET_SOURCE4) { /* an IPv6 socket that speaks IPv4 */
		v6.address[2] = bpf_htonl(0xffff);
		v6.address[3] = rule->source4;
	} else if (sets & SET_SOURCE6) {
		v6.address[0] = rule->source6[0];
		v6.address[1] = rule->source6[1];
		v6.address[2] = rule->source6[2];
		v6.address[3] = rule->source6[3];
	}
	return bpf_bind(ctx, (struct sockaddr *)&v6, sizeof(v6));
}

static __always_inline long set_mark(struct bpf_sock_addr *ctx, __u32 mark)
{
	return bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* By name, so that an interface that went and came back is still the right one. */
static __always_inline long set_interface(struct bpf_sock_addr *ctx, const struct fabric_rule *rule)
{
	char name[INTERFACE_LENGTH] = {};

	if (rule)
		__builtin_memcpy(name, rule->interface, sizeof(name));
	return bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name));
}

/* Take back what an earlier connect, or the creation, set and `keep` does not want. */
static __always_inline long take_back(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
				      struct touched *touched, __u32 keep)
{
	__u32 surplus = touched->sets & ~keep;
	long error = 0;

	/* A disconnected datagram socket has lost its interface already. */
	if ((surplus & SET_INTERFACE) && sk->bound_dev_if)
		error |= set_interface(ctx, 0);
	if (surplus & SET_MARK)
		error |= set_mark(ctx, 0);
	if ((surplus & SET_SOURCE) && source_of(sk))
		error |= bind_source(ctx, sk, 0, 0);
	touched->sets &= keep;
	return error;
}

/*
 * The interface comes last: a user without CAP_NET_RAW could not leave it
 * again if a later step failed.
 */
static __always_inline long put_on(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
				   struct touched *touched, const struct fabric_rule *rule,
				   __u32 wants)
{
	if ((wants & SET_SOURCE) && !((touched->sets & SET_SOURCE) && source_of(sk))) {
		if (bind_source(ctx, sk, rule, wants))
			return -1;
		touched->sets |= wants & SET_SOURCE;
	}
	if (wants & SET_MARK) {
		if (set_mark(ctx, rule->mark))
			return -1;
		touched->sets |= SET_MARK;
	}
	if ((wants & SET_INTERFACE) && sk->bound_dev_if != rule->ifindex) {
		if (set_interface(ctx, rule))
			return -1;
		touched->sets |= SET_INTERFACE;
	}
	return 0;
}

static __always_inline int leave(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
				 struct touched *touched)
{
	struct fabric_counters *count;
	__u32 index;

	if (!touched)
		return 1;
	index = touched->rule;
	count = bpf_map_lookup_elem(&counters, &index);
	if (take_back(ctx, sk, touched, 0) && count)
		__sync_fetch_and_add(&count->failed, 1);
	return 1;
}

static __always_inline int steer(struct bpf_sock_addr *ctx, const __u32 *found, __u32 source)
{
	struct fabric_settings *set = get_settings();
	struct bpf_sock *sk = ctx->sk;
	struct fabric_counters *count;
	struct touched *touched;
	struct fabric_rule *rule;
	__u32 index, wants;

	if (!set || !sk)
		return 1;
	touched = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!found || *found == FABRIC_EXEMPT)
		return leave(ctx, sk, touched);
	index = *found;
	rule = bpf_map_lookup_elem(&rules, &index);
	count = bpf_map_lookup_elem(&counters, &index);
	if (!rule || !count)
		return 1;
	wants = rule->sets & (SET_INTERFACE | SET_MARK | source);
	if (!wants)
		return leave(ctx, sk, touched);
	if (set->netns_cookie && bpf_get_netns_cookie(ctx) != set->netns_cookie) {
		__sync_fetch_and_add(&count->elsewhere, 1);
		return 1;
	}
	if (!touched) {
		if (sk->src_port || sk->bound_dev_if || sk->mark || source_of(sk)) {
			__sync_fetch_and_add(&count->own, 1);
			return 1;
		}
		touched = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!touched) {
			__sync_fetch_and_add(&count->failed, 1);
			return 1;
		}
		touched->rule = index;
	}
	if (touched->rule != index) {
		take_back(ctx, sk, touched, 0);
		touched->rule = index;
	} else {
		take_back(ctx, sk, touched, wants);
	}
	if (put_on(ctx, sk, touched, rule, wants)) {
		take_back(ctx, sk, touched, 0);
		__sync_fetch_and_add(&count->failed, 1);
		return 1;
	}
	__sync_fetch_and_add(&count->connected, 1);
	return 1;
}

SEC("cgroup/connect4")
int fabric_connect4(struct bpf_sock_addr *ctx)
{
	struct destination4 key = {.prefix = 32, .address = ctx->user_ip4};

	return steer(ctx, bpf_map_lookup_elem(&destinations4, &key), SET_SOURCE4);
}

SEC("cgroup/connect6")
int fabric_connect6(struct bpf_sock_addr *ctx)
{
	struct destination6 key = {.prefix = 128};

	key.address[0] = ctx->user_ip6[0];
	key.address[1] = ctx->user_ip6[1];
	key.address[2] = ctx->user_ip6[2];
	key.address[3] = ctx->user_ip6[3];
	if (!key.address[0] && !key.address[1] && key.address[2] == bpf_htonl(0xffff)) {
		struct destination4 mapped = {.prefix = 32, .address = key.address[3]};

		return steer(ctx, bpf_map_lookup_elem(&destinations4, &mapped), SET_SOURCE4);
	}
	return steer(ctx, bpf_map_lookup_elem(&destinations6, &key), SET_SOURCE6);
}

/*
 * A datagram may leave without a connect, so a rule for all sockets takes
 * hold when they are made. Streams always connect, and are left to that:
 * a listener on one interface would not hear this machine's own clients.
 */
SEC("cgroup/sock_create")
int fabric_create(struct bpf_sock *sk)
{
	struct fabric_settings *set = get_settings();
	struct fabric_counters *count;
	struct touched *touched;
	struct fabric_rule *rule;
	__u32 index;

	if (!set || sk->type == SOCK_STREAM)
		return 1;
	index = set->create_rule;
	rule = bpf_map_lookup_elem(&rules, &index);
	count = bpf_map_lookup_elem(&counters, &index);
	if (!rule || !count)
		return 1;
	if (set->netns_cookie && bpf_get_netns_cookie(sk) != set->netns_cookie) {
		__sync_fetch_and_add(&count->elsewhere, 1);
		return 1;
	}
	touched = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!touched) {
		__sync_fetch_and_add(&count->failed, 1);
		return 1;
	}
	touched->rule = index;
	touched->sets = rule->sets & (SET_INTERFACE | SET_MARK);
	if (touched->sets & SET_INTERFACE)
		sk->bound_dev_if = rule->ifindex;
	if (touched->sets & SET_MARK)
		sk->mark = rule->mark;
	__sync_fetch_and_add(&count->created, 1);
	return 1;
}
