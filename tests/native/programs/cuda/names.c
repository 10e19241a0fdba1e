// SPDX-License-Identifier: Apache-2.0
/*
 * Description: the name of a kernel is sent once, before its first launch,
 * by each of the ways in which a program gets a kernel.
 */
#include "cuda_test.h"

struct names {
	uint64_t object;
	const char *text;
	unsigned int count;
};

static void see(const struct anaros_record *record, void *context)
{
	struct names *names = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->status == ANAROS_NAME_KERNEL &&
	    record->object == names->object && record->size_bytes == strlen(names->text) &&
	    memcmp(record + 1, names->text, record->size_bytes) == 0)
		names->count++;
}

static unsigned int named(const struct harness *harness, const void *kernel, const char *text)
{
	struct names names = {(uintptr_t)kernel, text, 0};

	harness_each(harness, see, &names);
	return names.count;
}

int main(void)
{
	struct harness harness = harness_open();
	void *driver = cuda_open();
	void *library, *kernel, *function, *again, *module;

	cuda_start(driver);
	OK(CUDA(driver, cuModuleLoadData, void **, const void *)(&module, IMAGE));
	for (int i = 0; i < 3; i++)
		OK(CUDA(driver, cuModuleGetFunction, void **, void *,
			const char *)(&function, module, "saxpy"));
	CHECK_EQUAL(named(&harness, function, "saxpy"), 1);
	CHECK_EQUAL(CUDA(driver, cuModuleGetFunction, void **, void *,
			 const char *)(&again, module, "no_such_kernel"),
		    500);
	OK(CUDA(driver, cuLibraryLoadData, void **, const void *, int *, void **, unsigned int,
		int *, void **, unsigned int)(&library, IMAGE, NULL, NULL, 0, NULL, NULL, 0));
	OK(CUDA(driver, cuLibraryGetKernel, void **, void *, const char *)(&kernel, library,
									   "matmul"));
	CHECK_EQUAL(named(&harness, kernel, "matmul"), 1);
	OK(CUDA(driver, cuKernelGetFunction, void **, void *)(&function, kernel));
	CHECK(named(&harness, function, "matmul") >= 1);
	return 0;
}
