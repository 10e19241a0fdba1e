// SPDX-License-Identifier: Apache-2.0
/* Stops a thread, looks at where it is, and lets it go on as if nothing had been. */
#define _GNU_SOURCE
#if defined(__x86_64__)
#include "session.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define STACK_BYTES (1u << 20)
#define STOP_NS     200000000ull

uint64_t inject_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void inject_nap(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	nanosleep(&time, NULL);
}

long inject_trace(int request, int tid, void *at, void *data)
{
	return ptrace(request, tid, at, data) < 0 ? -errno : 0;
}

ssize_t inject_peek(const struct session *session, uint64_t at, void *to, size_t bytes)
{
	struct iovec here = {to, bytes}, there = {(void *)(uintptr_t)at, bytes};

	return process_vm_readv(session->plan->pid, &here, 1, &there, 1, 0);
}

bool inject_poke(const struct session *session, uint64_t at, const void *from, size_t bytes)
{
	struct iovec here = {(void *)(uintptr_t)from, bytes},
		     there = {(void *)(uintptr_t)at, bytes};

	return process_vm_writev(session->plan->pid, &here, 1, &there, 1, 0) == (ssize_t)bytes;
}

bool inject_lies_in(const struct inject_range *ranges, uint32_t count, uint64_t address)
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

	if (inject_peek(session, address - 8, code, sizeof(code)) != sizeof(code))
		return true;
	if (code[3] == 0xe8)
		return true;
	for (int at = 1; at <= 6; at++)
		if (code[at] == 0xff && (code[at + 1] & 0x38) == 0x10)
			return true;
	return false;
}

static enum finding judge(const struct session *session, uint64_t word)
{
	const struct inject_plan *plan = session->plan;

	if (word - session->inside_start < session->inside_end - session->inside_start)
		return INSIDE;
	if (word == plan->restorer)
		return HANDLER;
	if (inject_lies_in(session->held, session->held_count, word) &&
	    is_return_address(session, word))
		return HELD;
	return CLEAN;
}

/* All that may be a return address, from the stack pointer up. */
enum finding inject_look_at_stack(const struct session *session, uint64_t pointer)
{
	uint64_t words[2048];
	uint64_t end = session->stack_end;
	enum finding found;

	if (end - pointer > STACK_BYTES)
		end = pointer + STACK_BYTES;
	for (uint64_t at = pointer & ~7ull; at < end; at += sizeof(words)) {
		size_t bytes = end - at < sizeof(words) ? end - at : sizeof(words);

		if (inject_peek(session, at, words, bytes) != (ssize_t)bytes)
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
bool inject_find_stack(struct session *session, uint64_t pointer)
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
bool inject_is_sleep(long number, unsigned long operation)
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
	    SYS_writev,        SYS_restart_syscall,
	};

	/*
	 * FUTEX_WAIT alone is a mutex, which the allocator may have asked for. By
	 * SYS_restart_syscall a sleep goes on that was stopped before: a poll, a
	 * nanosleep, or a futex with a deadline, which the allocator has not.
	 */
	if (number == SYS_futex)
		return (operation & 0x7f) == 9;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

bool inject_signal_waits(int pid, int tid)
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
 * One that the thread would let through, and that does nothing should it get
 * it from us after we are gone: which is to be ignored, and has no handler.
 */
int inject_free_signal(const struct session *session)
{
	static const int signals[] = {SIGURG, SIGWINCH, SIGCHLD, SIGCONT};
	unsigned long long caught = ~0ull, mask;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", session->plan->pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "SigCgt: %llx", &mask) == 1)
			caught = mask;
	fclose(file);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (((session->mask | caught) >> (signals[i] - 1) & 1) == 0)
			return signals[i];
	return 0;
}

/*
 * Some calls do not go on after a stop, but fail with EINTR, which is for
 * signals. Nothing was transferred then: the call is made again.
 */
void inject_settle(struct session *session)
{
	struct user_regs_struct *now = &session->now;

	if ((long)now->orig_rax < 0 || (long)now->rax != -EINTR ||
	    !inject_is_sleep((long)now->orig_rax, now->rsi) ||
	    inject_signal_waits(session->plan->pid, session->tid))
		return;
	now->rax = now->orig_rax;
	now->rip -= 2;
	now->orig_rax = ~0ull;
	inject_trace(PTRACE_SETREGS, session->tid, NULL, now);
}

void inject_release(struct session *session)
{
	struct inject_told *told = session->told;
	uint64_t ns;

	inject_settle(session);
	inject_trace(PTRACE_DETACH, session->tid, NULL, NULL);
	ns = inject_now_ns() - session->stopped_ns;
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
		if (inject_now_ns() > until)
			return -ETIMEDOUT;
		if (tries < 50)
			sched_yield();
		else
			inject_nap(20000);
	}
}

/* Stopped, and its registers are known; else nothing of it is changed. */
int inject_stop(struct session *session, int tid)
{
	long result = inject_trace(PTRACE_SEIZE, tid, NULL, (void *)PTRACE_O_TRACESYSGOOD);
	uint64_t until;
	int status;

	if (result != 0)
		return (int)result;
	session->tid = tid;
	session->stopped_ns = inject_now_ns();
	session->told->stops++;
	until = session->stopped_ns + STOP_NS;
	inject_trace(PTRACE_INTERRUPT, tid, NULL, NULL);
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
			inject_trace(PTRACE_DETACH, tid, NULL, NULL);
			return -EAGAIN;
		}
		/* A signal that was on its way. */
		inject_trace(PTRACE_CONT, tid, NULL, (void *)(long)WSTOPSIG(status));
	}
	return (int)inject_trace(PTRACE_GETREGS, tid, NULL, &session->now);
}

/* In the midst of what must not be left half done; see rseq(2). */
bool inject_in_sequence(const struct session *session)
{
	struct {
		uint64_t at;
		uint32_t bytes, signature, flags, reserved;
	} told = {0};
	uint64_t critical = 0;

	if (ptrace(0x420f, session->tid, sizeof(told), &told) < 0 || told.at == 0)
		return false;
	return inject_peek(session, told.at + 8, &critical, sizeof(critical)) != sizeof(critical) ||
	       critical != 0;
}
#endif
