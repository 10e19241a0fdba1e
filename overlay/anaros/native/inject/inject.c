// SPDX-License-Identifier: Apache-2.0
/*
 * Has a thread of another process make a call, and leaves it as it was.
 *
 * The thread is one that sleeps in a system call, or else one that computes
 * outside of the C library; never one that is in the loader, in the allocator
 * or in a signal handler, which its stack tells. No byte of code is changed.
 * Below what the thread has in use of its stack a frame is laid as the kernel
 * lays it for a signal, and the thread is sent to the function with the C
 * library's way out of a handler as return address. So it comes back by
 * itself, to all its registers and its signal mask, even if we are killed
 * meanwhile. While we live we stop it before that way out, and put back what
 * it had exactly: a sleep with a deadline goes on with the time that is left.
 *
 * Other threads run on. All of this is done by a thread of ours that ends
 * then: the kernel lets go of whatever it still traces.
 */
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>

#if defined(__x86_64__)
#include "session.h"

#include <cpuid.h>
#include <dirent.h>
#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#define RED_ZONE      128u
#define DISTANCE      65536u /* so that later frames do not come upon what we left */
#define ROOM_NEEDED   49152u
#define CALL_S        5
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
static bool may_borrow(struct session *session)
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
	    (!sleeps && (inject_lies_in(plan->busy, plan->busy_count, now->rip) ||
			 !inject_lies_in(plan->code, plan->code_count, now->rip) ||
			 inject_in_sequence(session)))) {
		told->elsewhere++;
		return false;
	}
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

/* Without a deadline of its own: whoever waits for us ends us, see in_thread. */
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

/* Until the thread is about to leave by the way that it was given. */
static int run(struct session *session)
{
	struct user_regs_struct at;
	long signal = 0;
	int status, code;

	for (;;) {
		code = (int)inject_trace(PTRACE_SYSCALL, session->tid, NULL, (void *)signal);
		if (code == 0)
			code = sleep_until_stop(session, &status);
		if (code != 0)
			return code;
		signal = 0;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (inject_trace(PTRACE_GETREGS, session->tid, NULL, &at) != 0)
				return -ESRCH;
			if (at.orig_rax == SIGRETURN && at.rsp == session->frame + 8)
				return 0;
		} else if (status >> 16 != PTRACE_EVENT_STOP) {
			signal = WSTOPSIG(status);
		}
	}
}

/* By ourselves, exactly; if we fail, the way out of a handler does it. */
static void put_back(struct session *session)
{
	struct iovec state = {session->state, session->state_bytes};

	where_it_was(session, false);
	inject_trace(PTRACE_SETSIGMASK, session->tid, (void *)8, &session->mask);
	if (inject_trace(PTRACE_SETREGSET, session->tid, (void *)NT_X86_XSTATE, &state) == 0)
		inject_trace(PTRACE_SETREGS, session->tid, NULL, &session->again);
}

static int borrow(struct session *session)
{
	struct inject_told *told = session->told;
	uint64_t all = ~0ull;
	struct user_regs_struct to;
	int code = 0;

	if (!prepare(session)) {
		inject_release(session);
		return -EFAULT;
	}
	told->tid = session->tid;
	for (uint32_t i = 0; i < session->call_count && code == 0; i++) {
		if (!aim(session, &session->calls[i], &to)) {
			code = -ENOEXEC;
			break;
		}
		if (inject_trace(PTRACE_SETREGS, session->tid, NULL, &to) != 0) {
			code = -ESRCH;
			break;
		}
		if (i == 0)
			inject_trace(PTRACE_SETSIGMASK, session->tid, (void *)8, &all);
		code = run(session);
		told->done += code == 0;
	}
	inject_peek(session, session->block_at, session->block, session->block_bytes);
	if (told->done > 0)
		put_back(session);
	else
		inject_settle(session);
	inject_trace(PTRACE_DETACH, session->tid, NULL, NULL);
	told->stopped_ns = inject_now_ns() - session->stopped_ns;
	return code;
}

/* Without stopping it: 2 it sleeps where it may be borrowed, 1 it runs, 0 neither. */
static int promise(int pid, int tid)
{
	char path[64], line[256] = "";
	unsigned long number, a, operation;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	if (strncmp(line, "running", 7) == 0)
		return 1;
	return sscanf(line, "%lu %lx %lx", &number, &a, &operation) == 3 &&
		       inject_is_sleep((long)number, operation)
		   ? 2
		   : 0;
}

static void close_folder(void *folder)
{
	closedir(folder);
}

/* Goes through the threads; stops at the first for which `visit` has an answer but EAGAIN. */
static int go_through(struct session *session, DIR *folder,
		      int (*visit)(struct session *session, int tid))
{
	struct dirent *entry;
	int result = -EAGAIN;

	while (result == -EAGAIN && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			result = visit(session, atoi(entry->d_name));
	return result;
}

static void each_thread(struct session *session, int (*visit)(struct session *session, int tid))
{
	char path[64];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", session->plan->pid);
	folder = opendir(path);
	session->code = -ESRCH;
	if (folder == NULL)
		return;
	pthread_cleanup_push(close_folder, folder);
	session->code = go_through(session, folder, visit);
	pthread_cleanup_pop(1);
}

static int try_thread(struct session *session, int tid, int wanted)
{
	int code;

	if (promise(session->plan->pid, tid) != wanted)
		return -EAGAIN;
	code = inject_stop(session, tid);
	if (code == -EPERM)
		return code;
	if (code != 0)
		return code == -ETIMEDOUT ? -EBUSY : -EAGAIN;
	if (may_borrow(session))
		return borrow(session);
	inject_release(session);
	return -EAGAIN;
}

static int try_sleeping(struct session *session, int tid)
{
	return try_thread(session, tid, 2);
}

static int try_running(struct session *session, int tid)
{
	return try_thread(session, tid, 1);
}

static void *calls_thread(void *data)
{
	struct session *session = data;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	session->code = -EAGAIN;
	for (uint32_t i = 0; i < session->plan->attempts && session->code == -EAGAIN; i++) {
		session->told->passes++;
		if (i > 0)
			inject_nap(session->plan->pause_us * 1000ull);
		each_thread(session, try_sleeping);
		if (session->code == -EAGAIN)
			each_thread(session, try_running);
	}
	session->result = session->code == -EAGAIN ? -EBUSY : session->code;
	return NULL;
}

static bool registers_inside(const struct session *session)
{
	const unsigned long long *word = (const void *)&session->now;

	for (size_t i = 0; i < sizeof(session->now) / sizeof(*word); i++)
		if (word[i] - session->inside_start < session->inside_end - session->inside_start)
			return true;
	return false;
}

/* A thread that sleeps there is left to sleep: a stop would begin its sleep anew. */
static bool sleeps_inside(struct session *session, int tid)
{
	unsigned long pointer = 0;
	char path[64], line[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", session->plan->pid, tid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	return sscanf(line, "%*d %*x %*x %*x %*x %*x %*x %lx", &pointer) == 1 &&
	       inject_find_stack(session, pointer) &&
	       inject_look_at_stack(session, pointer) == INSIDE;
}

static int look_inside(struct session *session, int tid)
{
	bool inside = sleeps_inside(session, tid);
	int code;

	if (inside) {
		session->result++;
		return -EAGAIN;
	}
	code = inject_stop(session, tid);

	if (code == -ESRCH || code == -EPERM)
		return code == -EPERM ? code : -EAGAIN;
	if (code != 0) {
		session->result++;
		return -EAGAIN;
	}
	inside = registers_inside(session) || !inject_find_stack(session, session->now.rsp) ||
		 inject_look_at_stack(session, session->now.rsp) != CLEAN;
	session->result += inside;
	inject_release(session);
	return -EAGAIN;
}

static void *inside_thread(void *data)
{
	struct session *session = data;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	each_thread(session, look_inside);
	if (session->code != -EAGAIN)
		session->result = session->code;
	return NULL;
}

static int in_thread(void *(*function)(void *), struct session *session)
{
	struct timespec until;
	pthread_t thread;
	int code = pthread_create(&thread, NULL, function, session);

	if (code != 0)
		return -code;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CALL_S;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return session->result;
	/* A call that does not come back: the thread that makes it then does so by itself. */
	session->result = -ETIMEDOUT;
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	return session->result;
}

int anaros_inject_calls(const struct inject_plan *plan, struct inject_library *library,
			const struct inject_call *calls, uint32_t count, void *block,
			uint32_t block_bytes, struct inject_told *told)
{
	struct session *session = calloc(1, sizeof(*session));
	int result;

	if (session == NULL)
		return -ENOMEM;
	*told = (struct inject_told){0};
	session->plan = plan;
	session->library = library;
	session->calls = calls;
	session->call_count = count;
	session->block = block;
	session->block_bytes = block_bytes;
	session->told = told;
	result = in_thread(calls_thread, session);
	free(session);
	return result;
}

int anaros_inject_inside(const struct inject_plan *plan, uint64_t start, uint64_t end,
			 struct inject_told *told)
{
	/* Of its stack only this code is looked for, and handlers, whose stack may be another. */
	struct inject_plan only = *plan;
	struct session *session = calloc(1, sizeof(*session));
	int result;

	if (session == NULL)
		return -ENOMEM;
	*told = (struct inject_told){0};
	only.held_count = 0;
	session->plan = &only;
	session->told = told;
	session->inside_start = start;
	session->inside_end = end;
	result = in_thread(inside_thread, session);
	free(session);
	return result;
}
#else
int anaros_inject_calls(const struct inject_plan *plan, struct inject_library *library,
			const struct inject_call *calls, uint32_t count, void *block,
			uint32_t block_bytes, struct inject_told *told)
{
	return -ENOTSUP;
}

int anaros_inject_inside(const struct inject_plan *plan, uint64_t start, uint64_t end,
			 struct inject_told *told)
{
	return -ENOTSUP;
}
#endif
