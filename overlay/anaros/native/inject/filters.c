// SPDX-License-Identifier: Apache-2.0
/*
 * What a seccomp filter of a thread may forbid can be told only by reading
 * it, which the kernel lets a tracer do while the thread is stopped.
 */
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>

#if defined(__x86_64__)
#include "session.h"

#include <stdlib.h>
#include <sys/ptrace.h>

#define GET_FILTER 0x420c /* PTRACE_SECCOMP_GET_FILTER */

/* The latest comes first; each begins with how many instructions it has. */
static int64_t read_all(struct session *session)
{
	uint64_t *to = session->block;
	uint64_t room = session->block_bytes / sizeof(*to), used = 0;

	for (uintptr_t index = 0;; index++) {
		long count = ptrace(GET_FILTER, session->tid, (void *)index, NULL);

		if (count < 0)
			return errno == ENOENT ? (int64_t)used : -errno;
		if (used + 1 + (uint64_t)count > room)
			return -E2BIG;
		to[used] = (uint64_t)count;
		if (ptrace(GET_FILTER, session->tid, (void *)index, to + used + 1) != count)
			return -errno;
		used += 1 + (uint64_t)count;
	}
}

static void *filters_thread(void *data)
{
	struct session *session = data;
	int code = inject_stop(session, session->wanted);

	session->result = code;
	if (code == 0) {
		session->result = (int)read_all(session);
		inject_release(session);
	}
	return NULL;
}

int64_t anaros_inject_filters(const struct inject_plan *plan, int32_t tid, uint64_t *words,
			      uint32_t count, struct inject_told *told)
{
	struct session *session = calloc(1, sizeof(*session));
	int result;

	if (session == NULL)
		return -ENOMEM;
	*told = (struct inject_told){0};
	session->plan = plan;
	session->told = told;
	session->wanted = tid;
	session->block = words;
	session->block_bytes = count * (uint32_t)sizeof(*words);
	result = inject_in_thread(filters_thread, session);
	free(session);
	return result;
}
#else
int64_t anaros_inject_filters(const struct inject_plan *plan, int32_t tid, uint64_t *words,
			      uint32_t count, struct inject_told *told)
{
	return -ENOTSUP;
}
#endif
