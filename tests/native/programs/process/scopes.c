// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a search of scopes with dlsym finds a device function where it
 * would without the shim: not where its library was loaded for others alone,
 * but from a library that is linked with it, and once it is loaded for all.
 */
#include "harness.h"

#include <dlfcn.h>

#define SCOPES "scopes/build/"

static const struct {
	const char *library, *linked, *name;
} families[] = {
    {"cuda_sim/build/libcuda.so.1", SCOPES "cuda.so", "cuLaunchKernel"},
    {"hip_sim/build/libamdhip64.so.6", SCOPES "hip.so", "hipMalloc"},
    {"level_zero_sim/build/libze_loader.so.1", SCOPES "level_zero.so",
     "zeCommandListAppendLaunchKernel"},
    {"opencl_sim/build/libOpenCL.so.1", SCOPES "opencl.so", "clFinish"},
};

#define FAMILIES (sizeof(families) / sizeof(*families))
#define STEPS    4

/* Whether it is found: by the program and by two libraries, each with both handles. */
struct answers {
	bool found[FAMILIES][STEPS][6];
};

typedef void *(*symbol_function)(void *, const char *);

static symbol_function of_library(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL), *function;

	if (library == NULL)
		harness_skip("the libraries are not built");
	function = dlsym(library, "scope_symbol");
	CHECK(function != NULL);
	return (symbol_function)function;
}

static void look(bool *found, const char *name, symbol_function alone, symbol_function linked)
{
	found[0] = dlsym(RTLD_DEFAULT, name) != NULL;
	found[1] = dlsym(RTLD_NEXT, name) != NULL;
	found[2] = alone(RTLD_DEFAULT, name) != NULL;
	found[3] = alone(RTLD_NEXT, name) != NULL;
	found[4] = linked != NULL && linked(RTLD_DEFAULT, name) != NULL;
	found[5] = linked != NULL && linked(RTLD_NEXT, name) != NULL;
}

static struct answers ask(void)
{
	symbol_function alone = of_library(SCOPES "alone.so"), linked;
	struct answers answers = {0};

	for (unsigned int i = 0; i < FAMILIES; i++) {
		const char *name = families[i].name;

		look(answers.found[i][0], name, alone, NULL);
		CHECK(dlopen(families[i].library, RTLD_NOW | RTLD_LOCAL) != NULL);
		look(answers.found[i][1], name, alone, NULL);
		linked = of_library(families[i].linked);
		look(answers.found[i][2], name, alone, linked);
		CHECK(dlopen(families[i].library, RTLD_NOW | RTLD_GLOBAL) != NULL);
		look(answers.found[i][3], name, alone, linked);
	}
	return answers;
}

int main(int argc, char **argv)
{
	struct answers answers, bare;

	(void)argv;
	if (argc == 1)
		harness_bare(&bare, sizeof(bare));
	answers = ask();
	if (argc > 1)
		return harness_answer(&answers, sizeof(answers));
	for (unsigned int i = 0; i < FAMILIES; i++)
		for (unsigned int step = 0; step < STEPS; step++)
			for (unsigned int by = 0; by < 6; by++)
				if (answers.found[i][step][by] != bare.found[i][step][by]) {
					fprintf(stderr, "%s, step %u, by %u: found %d, bare %d\n",
						families[i].name, step, by,
						answers.found[i][step][by],
						bare.found[i][step][by]);
					return 1;
				}
	/* So that it is no comparison of nothing with nothing. */
	for (unsigned int i = 0; i < FAMILIES; i++) {
		CHECK(!bare.found[i][0][0] && !bare.found[i][1][0] && !bare.found[i][2][0]);
		CHECK(bare.found[i][2][4] && bare.found[i][3][0] && bare.found[i][3][2]);
	}
	return 0;
}
