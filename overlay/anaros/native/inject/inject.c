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
#include <cpuid.h>
#include <dirent.h>
#include <elf.h>
#include <pthread.h>
#include <sched.h>
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
#define STATE_BYTES   16384u
#define STACK_BYTES   (1u << 20)
#define STOP_NS       200000000ull
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

struct session {
	const struct inject_plan *plan;
	struct inject_library *library;
	const struct inject_call *calls;
	uint32_t call_count;
	void *block;
	uint32_t block_bytes;
	struct inject_told *told;
	uint64_t inside_start, inside_end; /* for anaros_inject_inside */
	int result, code;
	/* The thread that is stopped now. */
	int tid;
	struct user_regs_struct now;
	uint64_t stopped_ns; /* when it was asked to */
	uint64_t stack_start, stack_end;
	/* What the borrowed thread had. */
	struct user_regs_struct again;
	uint64_t mask;
	uint32_t state_bytes;
	uint64_t frame, block_at;
	uint8_t state[STATE_BYTES];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void nap(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	nanosleep(&time, NULL);
}

static long trace(int request, int tid, void *at, void *data)
{
	return ptrace(request, tid, at, data) < 0 ? -errno : 0;
}

static ssize_t peek(const struct session *session, uint64_t at, void *to, size_t bytes)
{
	struct iovec here = {to, bytes}, there = {(void *)(uintptr_t)at, bytes};

	return process_vm_readv(session->plan->pid, &here, 1, &there, 1, 0);
}

static bool poke(const struct session *session, uint64_t at, const void *from, size_t bytes)
{
	struct iovec here = {(void *)(uintptr_t)from, bytes},
		     there = {(void *)(uintptr_t)at, bytes};

	return process_vm_writev(session->plan->pid, &here, 1, &there, 1, 0) == (ssize_t)bytes;
}

static bool lies_in(const struct inject_range *ranges, uint32_t count, uint64_t address)
{
	for (uint32_t i = 0; i < count; i++)
		if (address - ranges[i].start < ranges[i].end - ranges[i].start)
			return true;
	return false;
}

/* A word on a stack is a return address where a call lies before it. */
static bool is_return_address(const struct session *session, uint64_t address)
{
	uint8_t code[8];

	if (peek(session, address - 8, code, sizeof(code)) != sizeof(code))
		return true;
	if (code[3] == 0xe8)
		return true;
	for (int at = 1; at <= 6; at++)
		if (code[at] == 0xff && (code[at + 1] & 0x38) == 0x10)
			return true;
	return false;
}

enum finding { CLEAN, HELD, HANDLER, INSIDE, UNREADABLE };

static enum finding judge(const struct session *session, uint64_t word)
{
	const struct inject_plan *plan = session->plan;

	if (word - session->inside_start < session->inside_end - session->inside_start)
		return INSIDE;
	if (word == plan->restorer)
		return HANDLER;
	if (lies_in(plan->held, plan->held_count, word) && is_return_address(session, word))
		return HELD;
	return CLEAN;
}

/* All that may be a return address, from the stack pointer up. */
static enum finding look_at_stack(const struct session *session, uint64_t pointer)
{
	uint64_t words[2048];
	uint64_t end = session->stack_end;
	enum finding found;

	if (end - pointer > STACK_BYTES)
		end = pointer + STACK_BYTES;
	for (uint64_t at = pointer & ~7ull; at < end; at += sizeof(words)) {
		size_t bytes = end - at < sizeof(words) ? end - at : sizeof(words);

		if (peek(session, at, words, bytes) != (ssize_t)bytes)
			return UNREADABLE;
		for (size_t i = 0; i < bytes / 8; i++) {
			found = judge(session, words[i]);
			if (found != CLEAN)
				return found;
		}
	}
	return CLEAN;
}

/* The mapping in which the stack pointer lies. */
static bool find_stack(struct session *session, uint64_t pointer)
{
	char path[64], line[512];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", session->plan->pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && pointer - start < end - start) {
			session->stack_start = start;
			session->stack_end = end;
			found = true;
		}
	}
	fclose(file);
	return found;
}

/* Calls in which a thread sleeps for long, and that neither loader nor allocator make. */
static bool is_sleep(long number, unsigned long operation)
{
	static const short numbers[] = {
	    SYS_read,          SYS_readv,           SYS_poll,
	    SYS_ppoll,         SYS_select,          SYS_pselect6,
	    SYS_epoll_wait,    SYS_epoll_pwait,     441,
	    SYS_nanosleep,     SYS_clock_nanosleep, SYS_accept,
	    SYS_accept4,       SYS_recvfrom,        SYS_recvmsg,
	    SYS_wait4,         SYS_waitid,          SYS_pause,
	    SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_semtimedop,
	    SYS_semop,         SYS_msgrcv,          SYS_io_getevents,
	    SYS_sendto,        SYS_sendmsg,         SYS_write,
	    SYS_writev,
	};

	/* FUTEX_WAIT alone is a mutex, which the allocator may have asked for. */
	if (number == SYS_futex)
		return (operation & 0x7f) == 9;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static bool signal_waits(int pid, int tid)
{
	char path[64], line[128];
	unsigned long long blocked = 0, waiting = 0, mask;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	file = fopen(path, "re");
	if (file == NULL)
		return true;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "SigPnd: %llx", &mask) == 1 ||
		    sscanf(line, "ShdPnd: %llx", &mask) == 1)
			waiting |= mask;
		else if (sscanf(line, "SigBlk: %llx", &mask) == 1)
			blocked = mask;
	}
	fclose(file);
	return (waiting & ~blocked) != 0;
}

/*
 * Some calls do not go on after a stop, but fail with EINTR, which is for
 * signals. Nothing was transferred then: the call is made again.
 */
static void settle(struct session *session)
{
	struct user_regs_struct *now = &session->now;

	if ((long)now->orig_rax < 0 || (long)now->rax != -EINTR ||
	    !is_sleep((long)now->orig_rax, now->rsi) ||
	    signal_waits(session->plan->pid, session->tid))
		return;
	now->rax = now->orig_rax;
	now->rip -= 2;
	now->orig_rax = ~0ull;
	trace(PTRACE_SETREGS, session->tid, NULL, now);
}

static void release(struct session *session)
{
	struct inject_told *told = session->told;
	uint64_t ns;

	settle(session);
	trace(PTRACE_DETACH, session->tid, NULL, NULL);
	ns = now_ns() - session->stopped_ns;
	if (ns > told->longest_ns)
		told->longest_ns = ns;
}

/* 0: it has a stop to tell. */
static int await(struct session *session, uint64_t until, int *status)
{
	for (int tries = 0;; tries++) {
		int got = waitpid(session->tid, status, __WALL | WNOHANG);

		if (got == session->tid)
			return WIFSTOPPED(*status) ? 0 : -ESRCH;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (now_ns() > until)
			return -ETIMEDOUT;
		if (tries < 50)
			sched_yield();
		else
			nap(20000);
	}
}

/* Stopped, and its registers are known; else nothing of it is changed. */
static int stop(struct session *session, int tid)
{
	long result = trace(PTRACE_SEIZE, tid, NULL, (void *)PTRACE_O_TRACESYSGOOD);
	uint64_t until;
	int status;

	if (result != 0)
		return (int)result;
	session->tid = tid;
	session->stopped_ns = now_ns();
	session->told->stops++;
	until = session->stopped_ns + STOP_NS;
	trace(PTRACE_INTERRUPT, tid, NULL, NULL);
	for (;;) {
		int code = await(session, until, &status);

		if (code != 0) {
			session->told->unstoppable += code == -ETIMEDOUT;
			return code;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_STOP << 8))
			break;
		if (status >> 16 == PTRACE_EVENT_STOP) {
			session->told->frozen++;
			trace(PTRACE_DETACH, tid, NULL, NULL);
			return -EAGAIN;
		}
		/* A signal that was on its way. */
		trace(PTRACE_CONT, tid, NULL, (void *)(long)WSTOPSIG(status));
	}
	return (int)trace(PTRACE_GETREGS, tid, NULL, &session->now);
}

/* In the midst of what must not be left half done; see rseq(2). */
static bool in_sequence(const struct session *session)
{
	struct {
		uint64_t at;
		uint32_t bytes, signature, flags, reserved;
	} told = {0};
	uint64_t critical = 0;

	if (ptrace(0x420f, session->tid, sizeof(told), &told) < 0 || told.at == 0)
		return false;
	return peek(session, told.at + 8, &critical, sizeof(critical)) != sizeof(critical) ||
	       critical != 0;
}

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

	if (now->cs != 0x33 || !find_stack(session, now->rsp) ||
	    now->rsp - session->stack_start < ROOM_NEEDED ||
	    (sleeps && !is_sleep(number, now->rsi)) ||
	    (!sleeps &&
	     (lies_in(plan->busy, plan->busy_count, now->rip) ||
	      !lies_in(plan->code, plan->code_count, now->rip) || in_sequence(session)))) {
		told->elsewhere++;
		return false;
	}
	found = look_at_stack(session, now->rsp);
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
		 (result == -EINTR && !signal_waits(session->plan->pid, session->tid)))
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

	if (trace(PTRACE_GETREGSET, session->tid, (void *)NT_X86_XSTATE, &state) != 0 ||
	    trace(PTRACE_GETSIGMASK, session->tid, (void *)8, &session->mask) != 0)
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
	if (!poke(session, state_at, session->state, state_bytes(features)) ||
	    !poke(session, state_at + state_bytes(features), magic, sizeof(magic)))
		return false;
	/* The words by which the kernel knows the extent of the state. */
	first[0] = MAGIC_FIRST;
	first[1] = state_bytes(features) + 4;
	memcpy(first + 2, &features, sizeof(features));
	return poke(session, state_at + 464, first, sizeof(first)) &&
	       poke(session, state_at + 480, &(uint32_t){state_bytes(features)}, 4) &&
	       poke(session, session->block_at, session->block, session->block_bytes) &&
	       poke(session, session->frame, &frame, sizeof(frame));
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
		code = (int)trace(PTRACE_SYSCALL, session->tid, NULL, (void *)signal);
		if (code == 0)
			code = sleep_until_stop(session, &status);
		if (code != 0)
			return code;
		signal = 0;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (trace(PTRACE_GETREGS, session->tid, NULL, &at) != 0)
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
	trace(PTRACE_SETSIGMASK, session->tid, (void *)8, &session->mask);
	if (trace(PTRACE_SETREGSET, session->tid, (void *)NT_X86_XSTATE, &state) == 0)
		trace(PTRACE_SETREGS, session->tid, NULL, &session->again);
}

static int borrow(struct session *session)
{
	struct inject_told *told = session->told;
	uint64_t all = ~0ull;
	struct user_regs_struct to;
	int code = 0;

	if (!prepare(session)) {
		release(session);
		return -EFAULT;
	}
	told->tid = session->tid;
	for (uint32_t i = 0; i < session->call_count && code == 0; i++) {
		if (!aim(session, &session->calls[i], &to)) {
			code = -ENOEXEC;
			break;
		}
		if (trace(PTRACE_SETREGS, session->tid, NULL, &to) != 0) {
			code = -ESRCH;
			break;
		}
		if (i == 0)
			trace(PTRACE_SETSIGMASK, session->tid, (void *)8, &all);
		code = run(session);
		told->done += code == 0;
	}
	peek(session, session->block_at, session->block, session->block_bytes);
	if (told->done > 0)
		put_back(session);
	else
		settle(session);
	trace(PTRACE_DETACH, session->tid, NULL, NULL);
	told->stopped_ns = now_ns() - session->stopped_ns;
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
		       is_sleep((long)number, operation)
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
	code = stop(session, tid);
	if (code == -EPERM)
		return code;
	if (code != 0)
		return code == -ETIMEDOUT ? -EBUSY : -EAGAIN;
	if (may_borrow(session))
		return borrow(session);
	release(session);
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
			nap(session->plan->pause_us * 1000ull);
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
	       find_stack(session, pointer) && look_at_stack(session, pointer) == INSIDE;
}

static int look_inside(struct session *session, int tid)
{
	bool inside = sleeps_inside(session, tid);
	int code;

	if (inside) {
		session->result++;
		return -EAGAIN;
	}
	code = stop(session, tid);

	if (code == -ESRCH || code == -EPERM)
		return code == -EPERM ? code : -EAGAIN;
	if (code != 0) {
		session->result++;
		return -EAGAIN;
	}
	inside = registers_inside(session) || !find_stack(session, session->now.rsp) ||
		 look_at_stack(session, session->now.rsp) != CLEAN;
	session->result += inside;
	release(session);
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

static bool is_one(const uint64_t *addresses, uint32_t count, uint64_t word)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (addresses[middle] < word)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && addresses[low] == word;
}

struct search {
	int32_t pid;
	const uint64_t *addresses;
	uint32_t count;
	const struct inject_range *skip;
	uint32_t skip_count;
	uint64_t *words;
	size_t room;
};

static int64_t count_in(const struct search *search, uint64_t start, uint64_t end)
{
	const uint64_t *addresses = search->addresses, *words = search->words;
	uint64_t lowest = addresses[0], span = addresses[search->count - 1] - lowest;
	size_t room = search->room;
	int64_t found = 0;

	for (uint64_t at = start; at < end; at += room) {
		size_t bytes = end - at < room ? end - at : room;
		struct iovec here = {search->words, bytes};
		struct iovec there = {(void *)(uintptr_t)at, bytes};
		ssize_t got = process_vm_readv(search->pid, &here, 1, &there, 1, 0);

		for (ssize_t i = 0; i < got / 8; i++)
			found += words[i] - lowest <= span &&
				 is_one(addresses, search->count, words[i]) &&
				 !lies_in(search->skip, search->skip_count, at + (uint64_t)i * 8);
	}
	return found;
}

int64_t anaros_inject_pointers(int32_t pid, const uint64_t *addresses, uint32_t count,
			       const struct inject_range *skip, uint32_t skip_count,
			       uint64_t most_bytes)
{
	const size_t room = 1u << 20;
	struct search search = {pid, addresses, count, skip, skip_count, malloc(room), room};
	char path[64], line[512];
	uint64_t total = 0;
	int64_t found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (search.words == NULL || file == NULL)
		found = file == NULL ? -ESRCH : -ENOMEM;
	while (found == 0 && file != NULL && count > 0 && fgets(line, sizeof(line), file) != NULL) {
		unsigned long start, end;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, access) != 3 || access[1] != 'w' ||
		    access[0] != 'r' || lies_in(skip, skip_count, start))
			continue;
		total += end - start;
		found = total > most_bytes ? -EFBIG : count_in(&search, start, end);
	}
	if (file != NULL)
		fclose(file);
	free(search.words);
	return found;
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

int64_t anaros_inject_pointers(int32_t pid, const uint64_t *addresses, uint32_t count,
			       const struct inject_range *skip, uint32_t skip_count,
			       uint64_t most_bytes)
{
	return -ENOTSUP;
}
#endif
