// SPDX-License-Identifier: Apache-2.0
/* A library that was linked with HIP, as a framework's is: it calls by name. */
#include <stddef.h>

struct dim3 {
	unsigned int x, y, z;
};

int hipMalloc(void **pointer, size_t bytes);
int hipFree(void *pointer);
int hipMemcpy(void *target, const void *source, size_t bytes, int kind);
int hipLaunchKernel(const void *function, struct dim3 grid, struct dim3 block, void **arguments,
		    size_t shared, void *stream);
void __hipRegisterFunction(void **modules, const void *function, char *device_function,
			   const char *name, unsigned int threads, void *tid, void *bid,
			   void *block, void *grid, int *warp);
void stub(void);
int direct(const float *a, const float *b, float *sum, unsigned int n);

void stub(void)
{
}

static __attribute__((constructor)) void start(void)
{
	__hipRegisterFunction(NULL, (const void *)stub, NULL, "vector_add", 0, NULL, NULL, NULL,
			      NULL, NULL);
}

/* sum = a + b on the device; the first result that is not 0. */
int direct(const float *a, const float *b, float *sum, unsigned int n)
{
	size_t bytes = n * sizeof(float);
	void *memory[3];
	void *values[] = {&memory[0], &memory[1], &memory[2], &n};
	int result = 0;

	for (int i = 0; i < 3; i++)
		result = result != 0 ? result : hipMalloc(&memory[i], bytes);
	result = result != 0 ? result : hipMemcpy(memory[0], a, bytes, 1);
	result = result != 0 ? result : hipMemcpy(memory[1], b, bytes, 1);
	result = result != 0 ? result
			     : hipLaunchKernel((const void *)stub, (struct dim3){n / 64, 1, 1},
					       (struct dim3){64, 1, 1}, values, 0, NULL);
	result = result != 0 ? result : hipMemcpy(sum, memory[2], bytes, 2);
	for (int i = 0; i < 3; i++)
		result = result != 0 ? result : hipFree(memory[i]);
	return result;
}
