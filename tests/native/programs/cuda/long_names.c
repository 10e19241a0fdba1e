// SPDX-License-Identifier: Apache-2.0
/*
 * Description: the name of a kernel comes whole, as long as templates make it,
 * and again for the function that is made of the kernel.
 */
#include "cuda_test.h"

#define ECHO "cudart/build/echo/libcuda.so.1"

struct names {
	const char *text;
	unsigned int count;
};

static void see(const struct anaros_record *record, void *context)
{
	struct names *names = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->status == ANAROS_NAME_KERNEL &&
	    record->size_bytes == strlen(names->text) &&
	    memcmp(record + 1, names->text, record->size_bytes) == 0)
		names->count++;
}

static unsigned int named(const struct harness *harness, const char *text)
{
	struct names names = {text, 0};

	harness_each(harness, see, &names);
	return names.count;
}

int main(void)
{
	struct harness harness = harness_open();
	void *driver = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL), *kernel = &harness, *function = &driver;
	char name[3001];

	if (driver == NULL)
		harness_skip("the echo driver is not built");
	*(int *)cuda_symbol(driver, "echo_answer") = 0;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	OK(CUDA(driver, cuLibraryGetKernel, void **, void *, const char *)(&kernel, NULL, name));
	CHECK_EQUAL(named(&harness, name), 1);
	name[1000] = '\0';
	OK(CUDA(driver, cuLibraryGetKernel, void **, void *, const char *)(&kernel, NULL, name));
	OK(CUDA(driver, cuKernelGetFunction, void **, void *)(&function, kernel));
	CHECK_EQUAL(named(&harness, name), 2);
	return 0;
}
