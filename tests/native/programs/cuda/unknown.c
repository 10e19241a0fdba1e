// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a function or an ABI that is newer than the table is given out
 * as the driver has it, counted, and named; what only looks like one is left.
 */
#include "cuda_test.h"

#define ECHO "cudart/build/echo/libcuda.so.1"

static struct harness harness;

struct unknown {
	const char *name;
	uint64_t object, version;
	unsigned int names, records;
};

static void see(const struct anaros_record *record, void *context)
{
	struct unknown *unknown = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->status == ANAROS_NAME_FUNCTION &&
	    record->size_bytes == strlen(unknown->name) &&
	    memcmp(record + 1, unknown->name, record->size_bytes) == 0) {
		unknown->object = record->object;
		unknown->names++;
	}
	if (record->kind == ANAROS_KIND_GPU_UNKNOWN && record->object == unknown->object) {
		unknown->version = record->size_bytes;
		unknown->records++;
	}
}

static struct unknown look(const char *name)
{
	struct unknown unknown = {.name = name};

	harness_each(&harness, see, &unknown);
	return unknown;
}

/* Programs that are compiled for per-thread default streams ask these, without a flag. */
static void resolvers_of_threads(void *driver)
{
	cu_resolver first = (cu_resolver)cuda_symbol(driver, "cuGetProcAddress_ptsz");
	cu_resolver_v2 second = (cu_resolver_v2)cuda_symbol(driver, "cuGetProcAddress_v2_ptsz");
	void *by_first = NULL, *by_second = NULL;

	CHECK(lies_in((void *)first, "libanaros") && lies_in((void *)second, "libanaros"));
	OK(first("cuStreamQuery", &by_first, 13000, PER_THREAD_STREAM));
	OK(second("cuStreamQuery", &by_second, 13000, PER_THREAD_STREAM, NULL));
	CHECK(by_first == by_second && lies_in(by_first, "libanaros"));
	CHECK(by_first == cuda_symbol(driver, "cuStreamQuery_ptsz"));
}

int main(void)
{
	void *driver = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL), *function = NULL;
	cu_resolver_v2 resolver;
	int status = -1;

	if (driver == NULL)
		harness_skip("the echo driver is not built");
	harness = harness_open();
	resolver = (cu_resolver_v2)cuda_symbol(driver, "cuGetProcAddress_v2");
	resolvers_of_threads(driver);
	/* A function that came later, asked twice. */
	for (unsigned int i = 1; i <= 2; i++) {
		OK(resolver("cuFromTheFuture", &function, 13050, 0, &status));
		CHECK_EQUAL(status, 0);
		CHECK(lies_in(function, "libcuda"));
		CHECK_EQUAL(((int (*)(void))function)(), 42);
		CHECK_EQUAL(harness.shared->unhooked, i);
	}
	CHECK_EQUAL(look("cuFromTheFuture").names, 1);
	CHECK_EQUAL(look("cuFromTheFuture").records, 2);
	CHECK_EQUAL(look("cuFromTheFuture").version, 13050);
	CHECK(lies_in(cuda_symbol(driver, "cuFromTheFuture"), "libcuda"));
	CHECK_EQUAL(harness.shared->unhooked, 3);
	/* An ABI that came later, of a function that is wrapped. */
	OK(resolver("cuLaunchKernel", &function, 99000, 2, NULL));
	CHECK_EQUAL(((int (*)(void))function)(), 43);
	CHECK_EQUAL(look("cuLaunchKernel").version, 99000);
	CHECK_EQUAL(harness.shared->unhooked, 4);
	/* Not wrapped in any ABI: nothing was missed. */
	OK(resolver("cuDriverGetVersion", &function, 99000, 0, NULL));
	CHECK_EQUAL(harness.shared->unhooked, 4);
	/* Names of other libraries, and of nobody. */
	CHECK(dlsym(RTLD_DEFAULT, "cuFileRead") == NULL && dlerror() != NULL);
	CHECK(dlsym(driver, "cublasCreate") == NULL && dlerror() != NULL);
	CHECK(dlsym(driver, "cuNoSuchFunction") == NULL && dlerror() != NULL);
	OK(resolver("cuNoSuchFunction", &function, 13000, 0, &status));
	CHECK(function == NULL && status == 1);
	CHECK_EQUAL(harness.shared->unhooked, 4);
	return 0;
}
