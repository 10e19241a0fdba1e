// SPDX-License-Identifier: Apache-2.0
/*
 * Two OpenCL libraries in one process, each in the local scope of a plugin.
 * Built from this file by test_opencl.py: -DLIBRARY=N makes library N, which
 * answers with its number; -DPLUGIN makes a plugin to be linked with one; the
 * rest is the program: argv holds the plugins. It prints who answered.
 */
#if defined(LIBRARY)
int clGetPlatformIDs(unsigned room, void **platforms, unsigned *count)
{
	(void)room, (void)platforms;
	*count = LIBRARY;
	return 0;
}

int clFinish(void *queue)
{
	(void)queue;
	return -LIBRARY;
}
#elif defined(PLUGIN)
int clGetPlatformIDs(unsigned room, void **platforms, unsigned *count);
int clFinish(void *queue);

int probe(void)
{
	unsigned count = 0;

	clGetPlatformIDs(0, (void *)0, &count);
	return (int)count * 100 - clFinish(0);
}
#else
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	/* Twice: the second time from the caches. */
	for (int i = 0; i < 2 * (argc - 1); i++) {
		void *plugin = dlopen(argv[1 + i % (argc - 1)], RTLD_NOW | RTLD_LOCAL);
		int (*probe)(void);

		if (plugin == NULL) {
			fputs(dlerror(), stderr);
			return 1;
		}
		*(void **)&probe = dlsym(plugin, "probe");
		printf("%d\n", probe());
	}
	return 0;
}
#endif
