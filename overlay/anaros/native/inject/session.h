/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: a thread of the process that is stopped now. */
#ifndef ANAROS_NATIVE_INJECT_SESSION_H
#define ANAROS_NATIVE_INJECT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/user.h>

#include "inject.h"

#define STATE_BYTES 16384u

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
	int wanted; /* for anaros_inject_filters */
	/* The thread that is stopped now. */
	int tid;
	struct user_regs_struct now;
	uint64_t stopped_ns; /* when it was asked to */
	uint64_t stack_start, stack_end;
	const struct inject_range *held; /* what its stack is searched for */
	uint32_t held_count;
	/* What the borrowed thread had. */
	struct user_regs_struct again;
	uint64_t mask;
	int signal; /* that tells that a call came back; 0: there is none */
	int other;  /* that came instead */
	bool left;  /* whether its registers were changed */
	bool back;  /* whether it came back to its place by itself */
	uint32_t state_bytes;
	uint64_t frame, block_at;
	uint8_t state[STATE_BYTES];
};

enum finding { CLEAN, HELD, HANDLER, INSIDE, UNREADABLE };

uint64_t inject_now_ns(void);
void inject_nap(uint64_t ns);
long inject_trace(int request, int tid, void *at, void *data);
ssize_t inject_peek(const struct session *session, uint64_t at, void *to, size_t bytes);
bool inject_poke(const struct session *session, uint64_t at, const void *from, size_t bytes);
bool inject_lies_in(const struct inject_range *ranges, uint32_t count, uint64_t address);
enum finding inject_look_at_stack(const struct session *session, uint64_t pointer);
bool inject_find_stack(struct session *session, uint64_t pointer);
bool inject_is_sleep(long number, unsigned long operation);
bool inject_signal_waits(int pid, int tid);
bool inject_may_borrow(struct session *session);
int inject_borrow(struct session *session);
int inject_free_signal(const struct session *session);
void inject_settle(struct session *session);
void inject_release(struct session *session);
int inject_stop(struct session *session, int tid);
bool inject_in_sequence(const struct session *session);
int inject_in_thread(void *(*function)(void *), struct session *session);

#endif
