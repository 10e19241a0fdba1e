/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes of the target are without the shim, as far as that is certain
 * when a program is executed: it has no loader that would preload anything, the
 * loader may not (setuid and its like), or the environment does not say so. Whose
 * environment names the shim is taken to carry it.
 */
#ifndef ANAROS_EBPF_BARE_H
#define ANAROS_EBPF_BARE_H

#include "common.bpf.h"

#define AT_NULL   0
#define AT_BASE   7
#define AT_SECURE 23

#define ANAROS_AUXILIARY       20   /* of what the kernel tells a program of itself */
#define ANAROS_ENVIRONMENT_MAX 8192 /* variables that are looked at */
#define ANAROS_VARIABLE        11   /* length of the name of LD_PRELOAD */

/* How often a program without the shim was executed. */
u64 bare_execs SEC(".bss.bare") = 0;
/* Whether the supervisor waits for the next one. */
u64 bare_awaited SEC(".data.bare") = 0;

/* The loader can be called by its name: then it has none itself, and preloads all the same. */
static __always_inline bool anaros_is_loader(const struct task_struct *task)
{
	const char *name = anaros_look(task)->comm;

	return name[0] == 'l' && name[1] == 'd' && (name[2] == '-' || name[2] == '.');
}

/* On the way through an environment, or through what its LD_PRELOAD names. */
struct anaros_search {
	char *text;
	u64 at;
	u64 end;
	bool bare;
};

static long anaros_search_shim(u32 step, struct anaros_search *search)
{
	const char *here = search->text + ANAROS_VARIABLE + (step & (ANAROS_TEXT_MAX / 2 - 1));

	if (*(const u64 *)here == 0x6f72616e6162696cull) /* libanaro */
		search->bare = false;
	return !*here || !search->bare;
}

static long anaros_search_preload(u32 step, struct anaros_search *search)
{
	char *text = search->text;
	long length;

	search->bare = search->at >= search->end;
	if (search->bare)
		return 1;
	length = bpf_probe_read_user_str(text, ANAROS_TEXT_MAX, (void *)search->at);
	if (length <= 0)
		return 1;
	if (*(const u64 *)text == 0x4f4c4552505f444cull /* LD_PRELO */ && text[8] == 'A' &&
	    text[9] == 'D' && text[10] == '=') {
		search->bare = true;
		bpf_loop(ANAROS_TEXT_MAX / 2, anaros_search_shim, search, 0);
		return 1;
	}
	search->at += length < ANAROS_TEXT_MAX ? length : ANAROS_TEXT_MAX - 1;
	return 0;
}

static __always_inline bool anaros_environment_is_bare(struct mm_struct *memory, char *text)
{
	struct anaros_search search = {.text = text};

	search.at = BPF_CORE_READ(memory, env_start);
	search.end = BPF_CORE_READ(memory, env_end);
	bpf_loop(ANAROS_ENVIRONMENT_MAX, anaros_search_preload, &search, 0);
	return search.bare;
}

/* Of a thread of the target that has become another program. */
static __always_inline bool anaros_is_bare(u64 *ctx, struct task_struct *task)
{
	struct mm_struct *memory = BPF_CORE_READ(task, mm);
	struct anaros_text *room = anaros_name(ANAROS_PROBE_PROCESS);
	u64 base = 1, secure = 0, *words;
	u32 i;

	if (!room || !memory)
		return false;
	words = (u64 *)room->text;
	if (bpf_probe_read_kernel(words, 16 * ANAROS_AUXILIARY,
				  __builtin_preserve_access_index(&memory->saved_auxv)))
		return false;
	for (i = 0; i < ANAROS_AUXILIARY && words[2 * i] != AT_NULL; i++) {
		if (words[2 * i] == AT_BASE)
			base = words[2 * i + 1];
		if (words[2 * i] == AT_SECURE)
			secure = words[2 * i + 1];
	}
	if (secure || (!base && !anaros_is_loader(task)))
		return true;
	return anaros_environment_is_bare(memory, room->text);
}

/* A program of its own: kernels before 5.17 refuse it. */
SEC("tp_btf/sched_process_exec")
int process_bare(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	u32 pid = task->tgid;
	void *nothing;
	u8 *member;
	bool bare;

	if (!anaros_task(task))
		return 0;
	bare = anaros_is_bare(ctx, task);
	member = bpf_map_lookup_elem(&tree, &pid);
	if (!member)
		return 0;
	*member = bare ? ANAROS_MEMBER | ANAROS_BARE : ANAROS_MEMBER;
	if (!bare)
		return 0;
	__sync_fetch_and_add(&bare_execs, 1);
	if (!bare_awaited)
		return 0;
	bare_awaited = 0;
	/* Nothing comes through the ring, but who waits for it is woken. */
	nothing = bpf_ringbuf_reserve(&ring, sizeof(u64), 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* A forked child is what its parent is. */
static __always_inline void anaros_inherit_bare(struct task_struct *parent,
						struct task_struct *child)
{
	u32 pid = parent->tgid, child_pid = child->tgid;
	u8 *member;

	if (pid == child_pid || !anaros_task(parent))
		return;
	member = bpf_map_lookup_elem(&tree, &pid);
	if (member && *member & ANAROS_BARE)
		bpf_map_update_elem(&tree, &child_pid, member, BPF_ANY);
}

/* What the supervisor reads of each thread without the shim. */
struct anaros_bare {
	u32 pid;
	u32 padding;
	u64 calls; /* that read or wrote, by the kernel's count */
	u64 ran_ns;
};

SEC("iter/task")
int bare_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	const struct task_struct *counted;
	struct anaros_bare found = {};
	u8 *member;
	u32 pid;

	if (!task || !anaros_task(task) || anaros_look(task)->flags & PF_EXITING)
		return 0;
	pid = task->tgid;
	member = bpf_map_lookup_elem(&tree, &pid);
	if (!member || !(*member & ANAROS_BARE))
		return 0;
	counted = anaros_look(task);
	found.pid = pid;
	found.ran_ns = counted->se.sum_exec_runtime;
	if (bpf_core_field_exists(counted->ioac.syscr))
		found.calls = counted->ioac.syscr + counted->ioac.syscw;
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

#endif
