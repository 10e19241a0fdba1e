// SPDX-License-Identifier: Apache-2.0
/*
 * Description: from CUDA 11.4 to one that is newer than the table, whatever is
 * asked of the resolver has the driver's result and status, and a function
 * exactly where the driver has one: ours for a recorded one, else its own.
 */
#include "cuda_test.h"

#include "cuda/abi.h"
#include "cuda/hooks.h"

static const struct {
	const char *base;
	int version, per_thread;
} rows[] = {
#define ROW(base, symbol, version, per_thread) {#base, version, per_thread},
    ANAROS_CUDA_ABI(ROW)
#undef ROW
};

static const char *const hooks[] = {
#define ONE(symbol)      #symbol,
#define TWO(symbol, end) #symbol, #symbol #end,
    ANAROS_CUDA_HOOKS(ONE, TWO)
#undef ONE
#undef TWO
};

static bool is_recorded(const char *symbol)
{
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++)
		if (strcmp(hooks[i], symbol) == 0)
			return true;
	return false;
}

/* The driver's own, which the shim does not stand before. */
static void *bare_symbol(void *driver, const char *name)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	void *(*find)(void *, const char *);

	*(void **)&find = dlvsym(libc, "dlsym", "GLIBC_2.34");
	if (find == NULL)
		harness_skip("this C library has no dlsym of its own");
	return find(driver, name);
}

static unsigned int found, ours;

static void compare(cu_resolver_v2 bare, cu_resolver_v2 wrapped, const char *name, int version,
		    uint64_t flags)
{
	void *theirs = &theirs, *given = &theirs;
	int status[2] = {-1, -1};
	int result = bare(name, &theirs, version, flags, &status[0]);
	Dl_info info;

	CHECK_EQUAL(wrapped(name, &given, version, flags, &status[1]), result);
	CHECK_EQUAL(status[1], status[0]);
	if (result != 0 || theirs == NULL) {
		CHECK(given == theirs);
		return;
	}
	found++;
	CHECK(dladdr(theirs, &info) != 0 && info.dli_sname != NULL);
	CHECK_EQUAL(given != theirs, is_recorded(info.dli_sname));
	CHECK_EQUAL(lies_in(given, "libanaros"), given != theirs);
	ours += given != theirs;
}

static int ask_everything(void)
{
	struct harness harness = harness_open();
	void *driver = cuda_open();
	cu_resolver_v2 bare = (cu_resolver_v2)bare_symbol(driver, "cuGetProcAddress_v2");
	cu_resolver_v2 wrapped = (cu_resolver_v2)dlsym(driver, "cuGetProcAddress_v2");
	static const int versions[] = {11040, 12000, 12080, 13000, 13050, 14000};

	CHECK(bare != wrapped);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t flags = rows[i].per_thread ? PER_THREAD_STREAM : DEFAULT_STREAM;

		compare(bare, wrapped, rows[i].base, rows[i].version, flags);
		for (size_t at = 0; at < sizeof(versions) / sizeof(*versions); at++)
			compare(bare, wrapped, rows[i].base, versions[at], flags);
	}
	CHECK(found > 1000 && ours > 500);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	cuda_start(driver);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const versions[] = {"11040", "12000", "12040", "12080",
					       "13000", "13050", "14000"};

	if (argc > 1)
		return ask_everything();
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		pid_t pid = fork();

		if (pid == 0) {
			setenv("ANAROS_SIM_VERSION", versions[i], 1);
			execl(argv[0], argv[0], "ask", (char *)NULL);
			_exit(SKIP);
		}
		CHECK_EQUAL(harness_wait(pid), 0);
	}
	return 0;
}
