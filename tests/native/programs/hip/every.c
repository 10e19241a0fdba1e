// SPDX-License-Identifier: Apache-2.0
/*
 * Description: every function of HIP, taken by name, by handle and from the
 * resolvers, gets its arguments and gives its result unchanged, is entered
 * once for each call, and is recorded exactly if the table says so.
 */
#include "device_echo/every.h"

#include "hip/abi.h"
#include "hip/hooks.h"

#define ECHO "device_echo/build/libamdhip64.so.6"

static const char *const rows[] = {
#define ROW(name) #name,
    ANAROS_HIP_ABI(ROW)};

#define ROWS (sizeof(rows) / sizeof(*rows))

/* A twin has the parameters of its function; what has none is not called here. */
#define TEXT(...)    #__VA_ARGS__
#define TEXT_OF(...) TEXT(__VA_ARGS__)
#define HOOK(name)   {#name, TEXT_OF(HIP_ABI_##name)},
#define PASS(reason, name)
static struct wrapped hooks[] = {ANAROS_HIP(HOOK, PASS)};

#define HOOKS (sizeof(hooks) / sizeof(*hooks))

static void twins(void)
{
	for (size_t i = 0; i < HOOKS; i++) {
		const char *end = strstr(hooks[i].name, "_spt");

		for (size_t k = 0; end != NULL && k < HOOKS; k++)
			if (strlen(hooks[k].name) == (size_t)(end - hooks[i].name) &&
			    strncmp(hooks[k].name, hooks[i].name, strlen(hooks[k].name)) == 0)
				hooks[i].parameters = hooks[k].parameters;
	}
}

static bool is_special(const char *name)
{
	return strstr(name, "GetProcAddress") != NULL || strstr(name, "DriverEntryPoint") != NULL ||
	       strcmp(name, "__hipRegisterFunction") == 0;
}

/* They tell names, or what a later call does. */
static bool only_later(const char *name)
{
	return strcmp(name, "hipModuleGetFunction") == 0 ||
	       strcmp(name, "hipLibraryGetKernel") == 0 ||
	       strcmp(name, "hipGetFuncBySymbol") == 0 || strcmp(name, "hipConfigureCall") == 0 ||
	       /* and what a library below does for them */
	       strcmp(name, "hipInit") == 0 || strcmp(name, "hipGetDeviceCount") == 0 ||
	       strcmp(name, "hipModuleUnload") == 0;
}

typedef int (*resolver)(const char *, void **, int, uint64_t, int *);

int main(void)
{
	struct every every;
	unsigned int wrapped = 0;
	resolver resolve;
	void *function;

	twins();
	every = every_open(ECHO, hooks, HOOKS, only_later);
	resolve = (resolver)dlsym(every.library, "hipGetProcAddress");
	CHECK(every_lies_in((void *)resolve, "libanaros"));
	for (size_t i = 0; i < ROWS; i++) {
		if (is_special(rows[i]))
			continue;
		wrapped += every_parameters(&every, rows[i]) != NULL;
		every_check(&every, rows[i], dlsym(RTLD_DEFAULT, rows[i]));
		every_check(&every, rows[i], dlsym(every.library, rows[i]));
		CHECK_EQUAL(resolve(rows[i], &function, 702, 0, NULL), 0);
		every_check(&every, rows[i], function);
	}
	CHECK(wrapped > 190);
	CHECK_EQUAL(every.harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&every.harness), 0);
	return 0;
}
