// SPDX-License-Identifier: Apache-2.0
/*
 * Description: dlsym finds, and does not find, what it would without the
 * shim, although the shim exports the driver's names.
 */
#include "cuda_test.h"

static void not_found(void *handle, const char *name)
{
	const char *message;

	dlerror();
	CHECK(dlsym(handle, name) == NULL);
	message = dlerror();
	CHECK(message != NULL && strstr(message, name) != NULL);
}

int main(void)
{
	void *own = dlopen(NULL, RTLD_NOW);
	void *driver;

	/* No driver is loaded: a program may ask just to know that. */
	not_found(RTLD_DEFAULT, "cuLaunchKernel");
	not_found(RTLD_DEFAULT, "cuGetProcAddress_v2");
	not_found(own, "cuLaunchKernel");
	not_found(RTLD_NEXT, "cuMemAlloc_v2");
	/* Names that only look like ours. */
	not_found(RTLD_DEFAULT, "cublasCreate_v2");
	not_found(RTLD_DEFAULT, "cuLaunchKernelX");
	not_found(RTLD_DEFAULT, "cu");
	CHECK(dlsym(RTLD_DEFAULT, "memcpy") != NULL);
	CHECK(dlsym(RTLD_DEFAULT, "dlsym") != NULL);

	/* Loaded for itself: the global scope still has no such name. */
	driver = cuda_open();
	not_found(own, "cuLaunchKernel");
	CHECK(dlsym(driver, "cuLaunchKernel") != NULL);
	not_found(driver, "cuLaunchKernelX");

	/* Loaded for all. */
	CHECK(dlopen(SIM_DRIVER, RTLD_NOW | RTLD_GLOBAL) != NULL);
	CHECK(dlsym(own, "cuLaunchKernel") != NULL);
	CHECK(dlsym(RTLD_DEFAULT, "cuLaunchKernel") != NULL);
	return 0;
}
