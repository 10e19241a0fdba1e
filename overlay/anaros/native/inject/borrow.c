// SPDX-License-Identifier: Apache-2.0
/*
 * What is laid on the stack of a borrowed thread, and how it comes back.
 */
#define _GNU_SOURCE
#include "inject.h"

#if defined(__x86_64__)
#include "session.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define RED_ZONE      128u
#define DISTANCE      65536u /* so that later frames do not come upon what we left */
#define ROOM_NEEDED   49152u
#define SIGRETURN     15
#define MAGIC_FIRST   0x46505853u
#define MAGIC_LAST    0x46505845u
#define TILE_FEATURES (3ull << 17)
/* What the kernel reads in rt_sigreturn. */
struct frame {
	uint64_t restorer;
	uint64_t flags, link;
	uint64_t stack_start;
	int32_t stack_flags, stack_reserved;
	uint64_t stack_bytes;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip;
	uint64_t eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trap, old_mask, cr2, state, reserved[8];
	uint64_t mask;
	uint64_t info[16];
};

static bool is_restart(long result)
{
	return result == -512 || result == -513 || result == -514 || result == -516;
}

/* Whether the stopped thread may be borrowed. */
bool inject_may_borrow(struct session *session)
{
	const struct user_regs_struct *now = &session->now;
	const struct inject_plan *plan = session->plan;
	struct inject_told *told = session->told;
	long number = (long)now->orig_rax, result = (long)now->rax;
	bool sleeps = number >= 0 && (is_restart(result) || result == -EINTR);
	enum finding found;

	if (now->cs != 0x33 || !inject_find_stack(session, now->rsp) ||
	    now->rsp - session->stack_start < ROOM_NEEDED ||
	    (sleeps && !inject_is_sleep(number, now->rsi)) ||
	    /* To leave by itself would end that one, and what it was is forgotten. */
	    (sleeps && number == SYS_restart_syscall && plan->filtered) ||
	    (!sleeps && (inject_lies_in(plan->busy, plan->busy_count, now->rip) ||
			 !inject_lies_in(plan->code, plan->code_count, now->rip) ||
			 inject_in_sequence(session)))) {
		told->elsewhere++;
		return false;
	}
	if (sleeps && inject_lies_in(plan->loader, plan->loader_count, now->rip)) {
		told->in_loader++;
		return false;
	}
	/*
	 * The C library's allocator sleeps in none of these calls, and the loader
	 * in none but its own. So what their functions left on a stack is old.
	 */
	session->held = sleeps ? plan->asleep : plan->held;
	session->held_count = sleeps ? plan->asleep_count : plan->held_count;
	found = inject_look_at_stack(session, now->rsp);
	told->in_loader += found == HELD;
	told->in_handler += found == HANDLER;
	told->elsewhere += found == UNREADABLE;
	return found == CLEAN;
}

/* Without the tiles, whose state no signal frame has unless the thread asked for them. */
static uint32_t state_bytes(uint64_t features)
{
	uint32_t end = 576, size, offset, c, d;

	for (uint32_t i = 2; i < 63; i++) {
		if ((features >> i & 1) == 0)
			continue;
		__cpuid_count(0xd, i, size, offset, c, d);
		if (offset + size > end)
			end = offset + size;
	}
	return end;
}

/* As the kernel would have it after a signal. */
static void fill_frame(const struct session *session, struct frame *frame, uint64_t state)
{
	const struct user_regs_struct *r = &session->again;

	*frame = (struct frame){
	    .restorer = session->plan->restorer,
	    .flags = 7,
	    /* Not a size that a stack may have: the thread's stays as it is. */
	    .stack_bytes = 1,
	    .r8 = r->r8,
	    .r9 = r->r9,
	    .r10 = r->r10,
	    .r11 = r->r11,
	    .r12 = r->r12,
	    .r13 = r->r13,
	    .r14 = r->r14,
	    .r15 = r->r15,
	    .di = r->rdi,
	    .si = r->rsi,
	    .bp = r->rbp,
	    .bx = r->rbx,
	    .dx = r->rdx,
	    .ax = r->rax,
	    .cx = r->rcx,
	    .sp = r->rsp,
	    .ip = r->rip,
	    .eflags = r->eflags,
	    .cs = (uint16_t)r->cs,
	    .ss = (uint16_t)r->ss,
	    .state = state,
	    .mask = session->mask,
	};
}

/* What makes the thread go on as if it had not been stopped; `alone`: without us. */
static void where_it_was(struct session *session, bool alone)
{
	struct user_regs_struct *again = &session->again;
	long number = (long)session->now.orig_rax, result = (long)session->now.rax;

	*again = session->now;
	again->orig_rax = ~0ull;
	if (number < 0)
		return;
	if (result == -516 && !alone)
		again->rax = SYS_restart_syscall;
	else if (is_restart(result) ||
		 (result == -EINTR && !inject_signal_waits(session->plan->pid, session->tid)))
		again->rax = (uint64_t)number;
	else
		return;
	again->rip -= 2;
}

/* Lays all that is needed on the stack; the thread does not know of it yet. */
static bool prepare(struct session *session)
{
	struct iovec state = {session->state, sizeof(session->state)};
	uint64_t room = session->now.rsp - session->stack_start, at, state_at, features;
	uint32_t magic[] = {MAGIC_LAST}, first[4];
	struct frame frame;

	if (inject_trace(PTRACE_GETREGSET, session->tid, (void *)NT_X86_XSTATE, &state) != 0 ||
	    inject_trace(PTRACE_GETSIGMASK, session->tid, (void *)8, &session->mask) != 0)
		return false;
	session->state_bytes = (uint32_t)state.iov_len;
	memcpy(&features, session->state + 464, sizeof(features));
	features &= ~TILE_FEATURES;
	at = session->now.rsp - RED_ZONE - (room > 4u * DISTANCE ? DISTANCE : 0);
	state_at = (at - state_bytes(features) - 64) & ~63ull;
	session->block_at = (state_at - session->block_bytes) & ~63ull;
	session->frame = ((session->block_at - sizeof(frame)) & ~15ull) - 8;
	if (session->frame - session->stack_start < ROOM_NEEDED / 2)
		return false;
	where_it_was(session, true);
	fill_frame(session, &frame, state_at);
	if (!inject_poke(session, state_at, session->state, state_bytes(features)) ||
	    !inject_poke(session, state_at + state_bytes(features), magic, sizeof(magic)))
		return false;
	/* The words by which the kernel knows the extent of the state. */
	first[0] = MAGIC_FIRST;
	first[1] = state_bytes(features) + 4;
	memcpy(first + 2, &features, sizeof(features));
	return inject_poke(session, state_at + 464, first, sizeof(first)) &&
	       inject_poke(session, state_at + 480, &(uint32_t){state_bytes(features)}, 4) &&
	       inject_poke(session, session->block_at, session->block, session->block_bytes) &&
	       inject_poke(session, session->frame, &frame, sizeof(frame));
}

/* Where the library lies; false: nowhere. */
static bool find_library(const struct session *session)
{
	char path[64], line[512];
	struct inject_library *library = session->library;
	FILE *file;

	library->start = library->end = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", session->plan->pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL) {
		unsigned long start, end, offset, inode;
		unsigned int high, low;

		if (sscanf(line, "%lx-%lx %*s %lx %x:%x %lu", &start, &end, &offset, &high, &low,
			   &inode) != 6 ||
		    inode != library->inode || makedev(high, low) != library->device)
			continue;
		if (library->start == 0)
			library->start = start;
		library->end = end;
	}
	fclose(file);
	return library->start != 0;
}

/* The thread's registers for the next call. */
static bool aim(const struct session *session, const struct inject_call *call,
		struct user_regs_struct *to)
{
	uint64_t arguments[2];

	if (call->in_library && !find_library(session))
		return false;
	for (int i = 0; i < 2; i++)
		arguments[i] =
		    call->arguments[i] + ((call->in_block >> i & 1) != 0 ? session->block_at : 0);
	*to = session->now;
	to->orig_rax = ~0ull;
	to->rax = 0;
	to->rip = call->function + (call->in_library ? session->library->start : 0);
	to->rdi = arguments[0];
	to->rsi = arguments[1];
	to->rsp = session->frame;
	/* No trap, upwards. */
	to->eflags &= ~0x500ull;
	return true;
}

/* Without a deadline of its own: whoever waits for us ends us, see inject_in_thread. */
static int sleep_until_stop(const struct session *session, int *status)
{
	int state, got;

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	do
		got = waitpid(session->tid, status, __WALL);
	while (got < 0 && errno == EINTR);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (got < 0)
		return -errno;
	return WIFSTOPPED(*status) ? 0 : -ESRCH;
}

/* Until it stops: 0 at its next entry to or return from the kernel if asked so, else a signal. */
static int run_to_stop(struct session *session, int request)
{
	int status, code;

	for (;;) {
		code = (int)inject_trace(request, session->tid, NULL, NULL);
		if (code == 0)
			code = sleep_until_stop(session, &status);
		if (code != 0)
			return code;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return 0;
		if (status >> 16 != PTRACE_EVENT_STOP)
			return WSTOPSIG(status);
	}
}

/*
 * Without a stop on the way: a signal waits for it that is let through when
 * it has left by the way that it was given, so it is where it was. Another
 * one may be told first, and is let through when the thread is let go.
 */
static int run_to_signal(struct session *session)
{
	struct user_regs_struct at;
	int code;

	if (syscall(SYS_tgkill, session->plan->pid, session->tid, session->signal) != 0)
		return -errno;
	code = run_to_stop(session, PTRACE_CONT);
	if (code < 0 || inject_trace(PTRACE_GETREGS, session->tid, NULL, &at) != 0)
		return code < 0 ? code : -ESRCH;
	if (at.rip != session->again.rip || at.rsp != session->again.rsp)
		return -EFAULT;
	session->back = true;
	if (code != session->signal)
		session->other = code;
	return 0;
}

/*
 * With a stop at each call of the kernel's, until the thread is about to
 * leave. To leave would take the time that is left from a sleep, so it is put
 * back before; but a filter is asked of what is in the place of the call then.
 */
static int run_to_exit(struct session *session)
{
	struct user_regs_struct at;
	int code;

	for (;;) {
		code = run_to_stop(session, PTRACE_SYSCALL);
		if (code != 0)
			return code < 0 ? code : -EFAULT;
		if (inject_trace(PTRACE_GETREGS, session->tid, NULL, &at) != 0)
			return -ESRCH;
		if (at.orig_rax == SIGRETURN && at.rsp == session->frame + 8)
			break;
	}
	if (session->plan->filtered == 0)
		return 0;
	code = run_to_stop(session, PTRACE_SYSCALL);
	session->back = code == 0;
	return code > 0 ? -EFAULT : code;
}

/* By ourselves, exactly; if we fail, the way out of a handler does it. */
static void put_back(struct session *session)
{
	struct iovec state = {session->state, session->state_bytes};
	bool has_deadline = (long)session->now.rax == -516;

	where_it_was(session, session->back);
	/* Whether a call goes on behind a signal is for its handler to say. */
	if (session->other != 0 && !has_deadline)
		session->again = session->now;
	inject_trace(PTRACE_SETSIGMASK, session->tid, (void *)8, &session->mask);
	if (inject_trace(PTRACE_SETREGSET, session->tid, (void *)NT_X86_XSTATE, &state) == 0)
		inject_trace(PTRACE_SETREGS, session->tid, NULL, &session->again);
}

/* Whether the thread may come back by itself, and a signal can tell of it. */
static int choose_signal(const struct session *session)
{
	bool has_deadline = (long)session->now.orig_rax >= 0 && (long)session->now.rax == -516;

	return has_deadline && session->plan->filtered == 0 ? 0 : inject_free_signal(session);
}

/* Those that are left to make; EAGAIN: a signal came between, and another thread makes the rest. */
static int make_calls(struct session *session)
{
	struct inject_told *told = session->told;
	struct user_regs_struct to;
	uint64_t all = ~0ull;
	int code;

	while (told->done < session->call_count) {
		if (!aim(session, &session->calls[told->done], &to))
			return -ENOEXEC;
		if (inject_trace(PTRACE_SETREGS, session->tid, NULL, &to) != 0)
			return -ESRCH;
		session->left = true;
		inject_trace(PTRACE_SETSIGMASK, session->tid, (void *)8, &all);
		code = session->signal != 0 ? run_to_signal(session) : run_to_exit(session);
		if (code != 0)
			return code;
		told->done++;
		if (session->other != 0)
			return told->done < session->call_count ? -EAGAIN : 0;
	}
	return 0;
}

int inject_borrow(struct session *session)
{
	struct inject_told *told = session->told;
	int code;

	if (!prepare(session)) {
		inject_release(session);
		return -EFAULT;
	}
	told->tid = session->tid;
	session->left = session->back = false;
	session->other = 0;
	session->signal = choose_signal(session);
	code = make_calls(session);
	inject_peek(session, session->block_at, session->block, session->block_bytes);
	if (session->left)
		put_back(session);
	else
		inject_settle(session);
	inject_trace(PTRACE_DETACH, session->tid, NULL, (void *)(long)session->other);
	told->stopped_ns += inject_now_ns() - session->stopped_ns;
	return code;
}
#endif
