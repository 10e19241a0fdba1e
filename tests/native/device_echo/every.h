/* SPDX-License-Identifier: Apache-2.0 */
/* For the programs that call every function of an echo library. */
#ifndef DEVICE_EVERY_H
#define DEVICE_EVERY_H

#include "harness.h"

#include <dlfcn.h>

#include "device_echo/echo.h"

#define ANSWER 719
#define ROOM   65536

typedef int (*any)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
		   uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* One that is wrapped, and its parameters as text. */
struct wrapped {
	const char *name, *parameters;
};

struct every {
	struct harness harness;
	struct echo_seen *seen;
	int *answer;
	unsigned char *room; /* zeros that every pointer points into */
	void *library;
	const struct wrapped *wrapped;
	size_t count;
	/* Names that are called, but leave no record of their own. */
	bool (*only_later)(const char *name);
};

static inline struct every every_open(const char *path, const struct wrapped *wrapped, size_t count,
				      bool (*only_later)(const char *))
{
	struct every every = {.library = dlopen(path, RTLD_NOW | RTLD_GLOBAL),
			      .wrapped = wrapped,
			      .count = count,
			      .only_later = only_later};

	if (every.library == NULL)
		harness_skip("the echo library is not built");
	every.harness = harness_open();
	every.seen = dlsym(every.library, "echo_seen");
	every.answer = dlsym(every.library, "echo_answer");
	every.room = malloc(ROOM);
	CHECK(every.seen != NULL && every.answer != NULL && every.room != NULL);
	return every;
}

static inline const char *every_parameters(const struct every *every, const char *name)
{
	for (size_t i = 0; i < every->count; i++)
		if (strcmp(every->wrapped[i].name, name) == 0)
			return every->wrapped[i].parameters;
	return NULL;
}

static inline bool every_begins(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

/* Words to pass, and which bits of each are the argument. */
static inline unsigned int every_words(const struct every *every, const char *parameters,
				       uint64_t *words, uint64_t *masks)
{
	unsigned int count = 0;

	for (const char *at = parameters + 1; !every_begins(at, "void)"); at++) {
		at += strspn(at, " ");
		size_t length = strcspn(at, ",)");
		bool pointer = memchr(at, '*', length) != NULL;
		bool pair = !pointer && (every_begins(at, "struct hip_dim3") ||
					 every_begins(at, "struct ze_group"));
		/* Of more than two words: in memory, not where the next word would be. */
		bool in_memory = !pointer && !pair && every_begins(at, "struct") &&
				 !every_begins(at, "struct hip_value_1");
		bool wide = pointer || pair || every_begins(at, "size_t") ||
			    every_begins(at, "uint64_t") || every_begins(at, "struct");

		if (in_memory)
			return 0;
		words[count] = pointer ? (uintptr_t)(every->room + 64 * count) : count + 1;
		masks[count] = wide ? UINT64_MAX : UINT32_MAX;
		if (every_begins(at, "unsigned char") || every_begins(at, "unsigned short"))
			masks[count] = 0xff;
		count++;
		if (pair) {
			words[count] = count + 1;
			masks[count++] = UINT32_MAX;
		}
		at += length;
		if (*at == ')')
			break;
	}
	return count;
}

static inline void every_call(const struct every *every, const char *name, void *function,
			      int result)
{
	const char *parameters = every_parameters(every, name);
	uint64_t w[ECHO_WORDS], masks[ECHO_WORDS], before = every->seen->calls;
	unsigned int count = 0;

	for (unsigned int i = 0; i < ECHO_WORDS; i++)
		w[i] = (uintptr_t)(every->room + 64 * i);
	if (parameters != NULL)
		count = every_words(every, parameters, w, masks);
	*every->answer = result;
	memset(every->room, 0, ROOM);
	every->seen->name = "none";
	if (((any)function)(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10],
			    w[11], w[12], w[13], w[14], w[15]) != result ||
	    every->seen->calls != before + 1 || strcmp(every->seen->name, name) != 0) {
		fprintf(stderr, "%s: %s was entered\n", name, every->seen->name);
		exit(1);
	}
	for (unsigned int i = 0; i < count; i++)
		if (((every->seen->words[i] ^ w[i]) & masks[i]) != 0 &&
		    !harness_calls_back(name, i)) {
			fprintf(stderr, "%s: argument %u: %#lx became %#lx\n", name, i,
				(unsigned long)w[i], (unsigned long)every->seen->words[i]);
			exit(1);
		}
}

static inline bool every_lies_in(const void *function, const char *file)
{
	Dl_info info;

	return dladdr(function, &info) != 0 && strstr(info.dli_fname, file) != NULL;
}

/* Its arguments and results pass unchanged, once; it is recorded if it is wrapped. */
static inline void every_check(const struct every *every, const char *name, void *function)
{
	struct wanted mine = {.pid = (uint32_t)getpid()};
	bool wrapped = every_parameters(every, name) != NULL;
	uint64_t before;

	CHECK_EQUAL(every_lies_in(function, "libanaros"), wrapped);
	every_call(every, name, function, ANSWER);
	before = harness_count(&every->harness, mine);
	every_call(every, name, function, 0);
	if ((harness_count(&every->harness, mine) > before) !=
	    (wrapped && !every->only_later(name))) {
		fprintf(stderr, "%s: recorded, or not, against the table\n", name);
		exit(1);
	}
}

#endif
