// SPDX-License-Identifier: Apache-2.0
/*
 * A program, and a library, that are linked with the driver: they call it by
 * name, without asking any resolver. As a program it ends with 0 if what it
 * computed is right.
 */
#include <stddef.h>
#include <stdint.h>

#define N 1024

extern int cuInit(unsigned int flags);
extern int cuDeviceGet(int *device, int ordinal);
extern int cuDevicePrimaryCtxRetain(void **context, int device);
extern int cuCtxSetCurrent(void *context);
extern int cuModuleLoadData(void **module, const void *image);
extern int cuModuleGetFunction(void **function, void *module, const char *name);
extern int cuMemAlloc_v2(uint64_t *pointer, size_t bytes);
extern int cuMemFree_v2(uint64_t pointer);
extern int cuMemcpyHtoD_v2(uint64_t dst, const void *src, size_t bytes);
extern int cuMemcpyDtoH_v2(void *dst, uint64_t src, size_t bytes);
extern int cuLaunchKernel(void *function, unsigned int gx, unsigned int gy, unsigned int gz,
			  unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			  void *stream, void **values, void **extra);

int direct_run(void);

/* 3 copies, 1 launch, 3 allocations and 3 frees; 0 = all went well. */
int direct_run(void)
{
	static float a[N], b[N], sum[N];
	uint64_t pointer[3];
	uint32_t count = N;
	void *context, *module, *function;
	void *values[] = {&pointer[0], &pointer[1], &pointer[2], &count};
	int device, bad;

	bad = cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device) ||
	      cuCtxSetCurrent(context) || cuModuleLoadData(&module, "anaros-sim-image\n") ||
	      cuModuleGetFunction(&function, module, "vector_add");
	for (int i = 0; i < N; i++) {
		a[i] = (float)i;
		b[i] = 2.0f * (float)i;
	}
	for (int i = 0; i < 3; i++)
		bad = bad || cuMemAlloc_v2(&pointer[i], sizeof(a));
	bad = bad || cuMemcpyHtoD_v2(pointer[0], a, sizeof(a)) ||
	      cuMemcpyHtoD_v2(pointer[1], b, sizeof(b)) ||
	      cuLaunchKernel(function, N / 256, 1, 1, 256, 1, 1, 0, NULL, values, NULL) ||
	      cuMemcpyDtoH_v2(sum, pointer[2], sizeof(sum));
	for (int i = 0; i < 3; i++)
		bad = bad || cuMemFree_v2(pointer[i]);
	for (int i = 0; i < N; i++)
		bad = bad || sum[i] != 3.0f * (float)i;
	return bad;
}

#ifdef PROGRAM
int main(void)
{
	return direct_run();
}
#endif
