// SPDX-License-Identifier: Apache-2.0
/*
 * Cgroups: threads of the target that are moved, and what happens to the groups
 * that they are in or below. Which those are in the unified hierarchy, a look at
 * all tasks tells once a second; one of another hierarchy is known from then on
 * that a thread was moved there.
 */
#include "common.bpf.h"

#define LEVELS_MAX 8

struct kernfs_node {
	u64 id;
} ANAROS_KERNEL_TYPE;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} ANAROS_KERNEL_TYPE;

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
} ANAROS_KERNEL_TYPE;

struct css_set {
	struct cgroup *dfl_cgrp;
} ANAROS_KERNEL_TYPE;

struct task_struct___cgroups {
	struct css_set *cgroups;
} ANAROS_KERNEL_TYPE;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
} groups SEC(".maps");

static __always_inline u64 group_id(const struct cgroup *group)
{
	return BPF_CORE_READ(group, kn, id);
}

static __always_inline void cgroup_tell(u16 kind, u64 group, const char *path, u32 pid, u32 tid,
					s32 status)
{
	struct anaros_text *name = anaros_name(ANAROS_PROBE_CGROUP);
	struct anaros_record *record;
	u64 now = bpf_ktime_get_ns();
	long length;

	if (name) {
		length = bpf_probe_read_kernel_str(name->text, ANAROS_TEXT_MAX, path);
		if (length > 1)
			anaros_ship_name(ANAROS_PROBE_CGROUP, name, now, pid, ANAROS_NAME_CGROUP,
					 group, length - 1);
	}
	record = anaros_reserve(ANAROS_PROBE_CGROUP, kind);
	if (!record)
		return;
	record->start_ns = now;
	record->pid = pid;
	record->tid = tid;
	record->object = group;
	record->status = status;
	anaros_submit(record);
}

SEC("tp_btf/cgroup_attach_task")
int cgroup_attach(u64 *ctx)
{
	u64 group = group_id((const struct cgroup *)ctx[0]);
	struct task_struct *task = (void *)ctx[2];
	u8 one = 1;

	if (!anaros_task(task)) {
		anaros_count(ANAROS_PROBE_CGROUP, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	bpf_map_update_elem(&groups, &group, &one, BPF_ANY);
	cgroup_tell(ANAROS_KIND_CGROUP_MOVE, group, (const char *)ctx[1], task->tgid, task->pid, 0);
	return 0;
}

static __always_inline int happened(u64 *ctx, u16 kind, s32 status)
{
	u64 group = group_id((const struct cgroup *)ctx[0]);

	if (!bpf_map_lookup_elem(&groups, &group)) {
		anaros_count(ANAROS_PROBE_CGROUP, ANAROS_COUNTER_OTHERS);
		return 0;
	}
	cgroup_tell(kind, group, (const char *)ctx[1], 0, 0, status);
	return 0;
}

SEC("tp_btf/cgroup_freeze")
int cgroup_freeze(u64 *ctx)
{
	return happened(ctx, ANAROS_KIND_CGROUP_FREEZE, 1);
}

SEC("tp_btf/cgroup_unfreeze")
int cgroup_unfreeze(u64 *ctx)
{
	return happened(ctx, ANAROS_KIND_CGROUP_FREEZE, 0);
}

SEC("tp_btf/cgroup_rmdir")
int cgroup_rmdir(u64 *ctx)
{
	return happened(ctx, ANAROS_KIND_CGROUP_REMOVE, 0);
}

/* Run once a second: the groups that the target's processes are in, and those above. */
SEC("iter/task")
int cgroup_groups(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	const struct task_struct___cgroups *member;
	const struct cgroup_subsys_state *state;
	const struct cgroup *group;
	u8 one = 1;
	u64 id;
	int i;

	if (!task || !anaros_task(task) || task->pid != task->tgid)
		return 0;
	member = (const void *)task;
	group = BPF_CORE_READ(member, cgroups, dfl_cgrp);
	for (i = 0; i < LEVELS_MAX && group; i++) {
		id = group_id(group);
		if (bpf_map_lookup_elem(&groups, &id))
			return 0;
		bpf_map_update_elem(&groups, &id, &one, BPF_ANY);
		state = BPF_CORE_READ(group, self.parent);
		group = state ? BPF_CORE_READ(state, cgroup) : NULL;
	}
	return 0;
}
