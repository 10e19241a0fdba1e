// SPDX-License-Identifier: Apache-2.0
/*
 * Description: weak references to device functions are what they would be
 * without the shim, in the program and in libraries that are loaded before,
 * after and with the library that has them; what they lead to is recorded.
 */
#include "harness.h"

#include <dlfcn.h>

#include "scopes/scope.h"

#define SCOPES "scopes/build/"

#define WEAK(name) extern int name(void) __attribute__((weak));
SCOPE_NAMES(WEAK)

#define ENTRY(name) name,
static int (*const table[])(void) = {SCOPE_NAMES(ENTRY)};
#define ASKED(name) name != NULL,

static const char *const libraries[] = {
    "cuda_sim/build/libcuda.so.1",
    "hip_sim/build/libamdhip64.so.6",
    "level_zero_sim/build/libze_loader.so.1",
    "opencl_sim/build/libOpenCL.so.1",
};
static const char *const linked[] = {SCOPES "cuda.so", SCOPES "hip.so", SCOPES "level_zero.so",
				     SCOPES "opencl.so"};

enum {
	BEFORE,
	ALONE,
	NOW,
	LINKED,
	LINKED_LAST = LINKED + 3,
	PART,
	DEEP,
	LATER,
	AFTER,
	ASKED_COUNT
};

struct answers {
	unsigned int bits[ASKED_COUNT];
};

static unsigned int own(void)
{
	const char direct[] = {SCOPE_NAMES(ASKED)};
	unsigned int bits = 0;

	for (unsigned int i = 0; i < SCOPE_COUNT; i++)
		bits |= (unsigned int)direct[i] << i | (unsigned int)(table[i] != NULL)
							   << (i + SCOPE_COUNT);
	return bits;
}

static unsigned int of_library(const char *path, int how)
{
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL | how);
	unsigned int (*asks)(void);

	if (library == NULL)
		harness_skip("the libraries are not built");
	*(void **)&asks = dlsym(library, "scope_weak");
	CHECK(asks != NULL);
	return asks();
}

static struct answers ask(void)
{
	struct answers answers;

	answers.bits[BEFORE] = own();
	answers.bits[ALONE] = of_library(SCOPES "alone.so", 0);
	answers.bits[NOW] = of_library(SCOPES "now.so", 0);
	/* Nothing is loaded but HIP, by a library that needs this one, too. */
	if (dlopen(SCOPES "whole.so", RTLD_LAZY | RTLD_LOCAL) == NULL)
		harness_skip("the libraries are not built");
	answers.bits[PART] = of_library(SCOPES "part.so", 0);
	for (unsigned int i = 0; i < 4; i++)
		answers.bits[LINKED + i] = of_library(linked[i], 0);
	answers.bits[DEEP] = of_library(SCOPES "deep.so", RTLD_DEEPBIND);
	for (unsigned int i = 0; i < 4; i++)
		CHECK(dlopen(libraries[i], RTLD_NOW | RTLD_GLOBAL) != NULL);
	answers.bits[LATER] = of_library(SCOPES "later.so", 0);
	/* What was bound stays as it was. */
	answers.bits[AFTER] = own();
	CHECK_EQUAL(of_library(SCOPES "alone.so", 0), answers.bits[ALONE]);
	return answers;
}

/* By the reference of a library that is linked with the one that has it. */
static void recorded(void)
{
	struct harness harness = harness_open();
	struct wanted made = {.pid = (uint32_t)getpid(), .kind = ANAROS_KIND_GPU_ALLOC};
	uint64_t before = harness_count(&harness, made);
	void *library = dlopen(linked[1], RTLD_LAZY | RTLD_LOCAL), *pointer;
	int (*allocate)(void **, size_t);

	CHECK(library != NULL);
	*(void **)&allocate = dlsym(library, "scope_malloc");
	CHECK(allocate != NULL);
	CHECK_EQUAL(allocate(&pointer, 64), 0);
	CHECK_EQUAL(harness_count(&harness, made), before + 1);
}

int main(int argc, char **argv)
{
	const unsigned int all = (1u << 2 * SCOPE_COUNT) - 1;
	const unsigned int always = 1u << (SCOPE_COUNT - 1) | 1u << (2 * SCOPE_COUNT - 1);
	struct answers answers, bare;

	(void)argv;
	if (argc == 1)
		harness_bare(&bare, sizeof(bare));
	answers = ask();
	if (argc > 1)
		return harness_answer(&answers, sizeof(answers));
	for (unsigned int i = 0; i < ASKED_COUNT; i++) {
		if (answers.bits[i] != bare.bits[i])
			fprintf(stderr, "asked at %u: %#x, bare %#x\n", i, answers.bits[i],
				bare.bits[i]);
		CHECK_EQUAL(answers.bits[i], bare.bits[i]);
	}
	/* So that it is no comparison of nothing with nothing. */
	CHECK_EQUAL(bare.bits[BEFORE], always);
	CHECK_EQUAL(bare.bits[ALONE], always);
	CHECK(bare.bits[LINKED] > always && bare.bits[LATER] > bare.bits[LINKED]);
	CHECK(bare.bits[LATER] < all);
	CHECK_EQUAL(bare.bits[PART], bare.bits[LINKED + 1]);
	recorded();
	return 0;
}
