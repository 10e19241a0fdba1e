// SPDX-License-Identifier: Apache-2.0
/*
 * A tool that the driver loads while it is initialised. It takes functions of
 * the driver as such tools do, and uses them inside the program's cuInit.
 */
#include <dlfcn.h>
#include <stdint.h>

int injected_begins;
int InitializeInjection(void);

/* 1 = the tool is there; each failure leaves `injected_begins` as it is. */
int InitializeInjection(void)
{
	void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), *function = 0;
	int (*resolver)(const char *, void **, int, uint64_t, int *);
	int (*count)(int *);
	int devices, status;

	if (driver == 0)
		return 0;
	*(void **)&count = dlsym(driver, "cuDeviceGetCount");
	*(void **)&resolver = dlsym(driver, "cuGetProcAddress_v2");
	if (count == 0 || resolver == 0 || count(&devices) != 0 || devices == 0)
		return 0;
	if (resolver("cuLaunchKernel", &function, 13000, 0, &status) != 0 || function == 0)
		return 0;
	injected_begins++;
	return 1;
}
