/* SPDX-License-Identifier: Apache-2.0 */
/* For the Level Zero programs: the simulated loader, and what it counts itself. */
#ifndef LEVEL_ZERO_TEST_H
#define LEVEL_ZERO_TEST_H

#include "harness.h"

#include <dlfcn.h>

#define SIM_LOADER "level_zero_sim/build/libze_loader.so.1"
#define SIM_DIRECT "level_zero_sim/build/direct.so"

enum sim_call {
	SIM_LIST_CREATE,
	SIM_LIST_CREATE_IMMEDIATE,
	SIM_COPY,
	SIM_FILL,
	SIM_LAUNCH,
	SIM_EXECUTE
};

struct group {
	uint32_t x, y, z;
};

/* As Level Zero's description of a queue. */
struct described_queue {
	int type;
	const void *next;
	uint32_t ordinal, index, flags;
	int mode; /* 1 is synchronous */
	int priority;
};

typedef int (*ze_copy)(void *, void *, const void *, size_t, void *, uint32_t, void **);

static inline void *ze_open(void)
{
	void *library = dlopen(SIM_LOADER, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		harness_skip("the simulated Level Zero is not built");
	return library;
}

static inline void *ze_symbol(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (function == NULL)
		fprintf(stderr, "%s: ", name);
	CHECK(function != NULL);
	return function;
}

/* ZE(library, zeInit, uint32_t)(0) */
#define ZE(library, name, ...) ((int (*)(__VA_ARGS__))ze_symbol(library, #name))

#define OK(call) CHECK_EQUAL(call, 0)

/* How often the driver itself was entered. */
static inline uint64_t sim_calls(void *library, enum sim_call call)
{
	return ((uint64_t(*)(int))ze_symbol(library, "anaros_sim_calls"))((int)call);
}

static inline uint64_t sim_bytes(void *library)
{
	return ((uint64_t(*)(void))ze_symbol(library, "anaros_sim_bytes"))();
}

static inline struct harness_search records(const struct harness *harness, uint16_t kind)
{
	return harness_find(harness, (struct wanted){.pid = (uint32_t)getpid(), .kind = kind});
}

static inline bool lies_in(const void *function, const char *file)
{
	Dl_info info;

	return dladdr(function, &info) != 0 && strstr(info.dli_fname, file) != NULL;
}

#endif
