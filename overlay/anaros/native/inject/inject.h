/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowing a thread of a process that runs already: see inject.c. Read by
 * build.py too, so there is nothing here for the preprocessor but this guard.
 */
#ifndef ANAROS_NATIVE_INJECT_H
#define ANAROS_NATIVE_INJECT_H

#include <stdint.h>

struct inject_range {
	uint64_t start;
	uint64_t end;
};

/* What is known of the process before any of it is stopped. */
struct inject_plan {
	int32_t pid;
	uint32_t attempts; /* how often its threads are gone through */
	uint32_t pause_us; /* between two of these */
	uint64_t restorer; /* the C library's two instructions that call rt_sigreturn */
	const struct inject_range
	    *held; /* functions that hold locks of the loader or the allocator */
	uint32_t held_count;
	const struct inject_range *asleep; /* the same for a thread that sleeps */
	uint32_t asleep_count;
	const struct inject_range *loader; /* all code of the loader */
	uint32_t loader_count;
	const struct inject_range *busy; /* where no thread may be taken that is not asleep */
	uint32_t busy_count;
	const struct inject_range *code; /* all that can be executed */
	uint32_t code_count;
	uint32_t filtered; /* whether a seccomp filter looks at the calls of its threads */
};

/* One call in the borrowed thread. */
struct inject_call {
	uint64_t function; /* an address; with in_library: from the library's start */
	uint64_t arguments[2];
	uint8_t in_library;
	uint8_t in_block; /* bit 0: the first argument is a place in the block; bit 1: the second */
};

struct inject_library {
	uint64_t device;
	uint64_t inode;
	uint64_t start;
	uint64_t end;
};

struct inject_told {
	int32_t tid;         /* the thread that was borrowed; 0: none */
	uint32_t passes;     /* times that the threads were gone through */
	uint32_t stops;      /* threads stopped in all */
	uint64_t stopped_ns; /* the borrowed one */
	uint64_t longest_ns; /* any other */
	uint32_t done;       /* calls that returned */
	uint32_t in_loader;  /* threads met there or in the allocator */
	uint32_t in_handler; /* in a signal handler */
	uint32_t elsewhere;  /* in a call or at a place where none may be borrowed */
	uint32_t unstoppable;
	uint32_t frozen;
};

/* 0, or -errno; EBUSY: no thread was at a place where it may be borrowed. */
int anaros_inject_calls(const struct inject_plan *plan, struct inject_library *library,
			const struct inject_call *calls, uint32_t count, void *block,
			uint32_t block_bytes, struct inject_told *told);
/* How many threads may be inside of the code; -errno. */
int anaros_inject_inside(const struct inject_plan *plan, uint64_t start, uint64_t end,
			 struct inject_told *told);
/* The seccomp filters of a thread, each behind the count of its instructions: words, or -errno. */
int64_t anaros_inject_filters(const struct inject_plan *plan, int32_t tid, uint64_t *words,
			      uint32_t count, struct inject_told *told);
/* How many words of the process's memory are one of these sorted addresses; -errno. */
int64_t anaros_inject_pointers(int32_t pid, const uint64_t *addresses, uint32_t count,
			       const struct inject_range *skip, uint32_t skip_count,
			       uint64_t most_bytes);

#endif
