// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program of the CUDA runtime, linked with the shared one or
 * with the static one. With ENTRY_POINT it takes the driver's functions from
 * the runtime, as NCCL and PyTorch do; with TRAMPOLINE it takes the runtime's
 * by dlsym, as XLA does. Without a GPU it is C, over a stub of the runtime.
 */
#include <dlfcn.h>

#include "tally.h"

#ifdef SIMULATED
#include "runtime.h"
enum { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
typedef int cudaError_t;
typedef int cudaMemcpyKind;
static void saxpy(void)
{
}
#else
#include <cuda_runtime.h>
__global__ void saxpy(float factor, const float *x, float *y, unsigned int count)
{
	unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < count)
		y[i] += factor * x[i];
}
#endif

#define COUNT  65536u
#define BYTES  (COUNT * sizeof(float))
#define ROUNDS 40

static struct tally tally;
static float host[COUNT];
static float *x, *y;

typedef cudaError_t (*copy_function)(void *, const void *, size_t, cudaMemcpyKind);
typedef int (*driver_launch)(void *, unsigned int, unsigned int, unsigned int, unsigned int,
			     unsigned int, unsigned int, unsigned int, void *, void **, void **);
typedef int (*driver_copy)(uint64_t, const void *, size_t, void *);

static copy_function copy = cudaMemcpy;

static void copied(uint64_t bytes)
{
	tally.copies++;
	tally.copy_bytes += bytes;
	tally.transfers++;
}

static void enroll(void)
{
#ifdef SIMULATED
	static void *image;

	__cudaRegisterFunction(&image, (const char *)(void *)saxpy, (char *)"saxpy", "saxpy", -1,
			       NULL, NULL, NULL, NULL, NULL);
#endif
}

static void counted_launch(void)
{
	tally.launches++;
	tally.kernels++;
}

static void launch(float factor)
{
	unsigned int count = COUNT;
#ifdef SIMULATED
	struct runtime_dim3 grid = {COUNT / 256, 1, 1}, block = {256, 1, 1};
	void *values[] = {&factor, &x, &y, &count};

	expect("cudaLaunchKernel",
	       cudaLaunchKernel((const void *)saxpy, grid, block, values, 0, NULL));
#else
	saxpy<<<COUNT / 256, 256>>>(factor, x, y, count);
	expect("<<<>>>", (int)cudaGetLastError());
#endif
	counted_launch();
}

#ifdef ENTRY_POINT
static void *driver_function(const char *name, unsigned int version)
{
	void *function = NULL;
#if defined(SIMULATED)
	int status;

	expect(name, cudaGetDriverEntryPointByVersion(name, &function, version, 0, &status));
#elif CUDART_VERSION >= 12050
	cudaDriverEntryPointQueryResult status;

	expect(name, (int)cudaGetDriverEntryPointByVersion(name, &function, version,
							   cudaEnableDefault, &status));
#else
	(void)version;
	expect(name, (int)cudaGetDriverEntryPoint(name, &function, cudaEnableDefault));
#endif
	expect(name, function == NULL);
	return function;
}

static void *driver_kernel(void)
{
#ifdef SIMULATED
	return runtime_facts.kernel;
#else
	cudaFunction_t function = NULL;

	expect("cudaGetFuncBySymbol", (int)cudaGetFuncBySymbol(&function, (const void *)saxpy));
	return function;
#endif
}

static void by_the_driver(void)
{
	driver_launch enqueue = (driver_launch)driver_function("cuLaunchKernel", 4000);
	driver_copy to_device = (driver_copy)driver_function("cuMemcpyHtoDAsync", 3020);
	void *kernel = driver_kernel();
	unsigned int count = COUNT;
	float factor = 0.25f;
	void *values[] = {&factor, &x, &y, &count};

	for (int i = 0; i < ROUNDS; i++) {
		expect("cuLaunchKernel",
		       enqueue(kernel, COUNT / 256, 1, 1, 256, 1, 1, 0, NULL, values, NULL));
		counted_launch();
		expect("cuMemcpyHtoDAsync", to_device((uintptr_t)x, host, 2048, NULL));
		copied(2048);
	}
}
#endif

#ifdef TRAMPOLINE
static void take_by_name(void)
{
	void *library = dlopen(TRAMPOLINE, RTLD_NOW);

	if (library == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&copy = dlsym(library, "cudaMemcpy");
	expect("dlsym", copy == NULL);
}
#endif

static void transfer(void *to, const void *from, size_t bytes, cudaMemcpyKind direction)
{
	expect("cudaMemcpy", (int)copy(to, from, bytes, direction));
	copied(bytes);
}

int main(void)
{
	enroll();
	for (unsigned int i = 0; i < COUNT; i++)
		host[i] = (float)(i % 1021) / 7;
#ifdef TRAMPOLINE
	take_by_name();
#endif
	expect("cudaSetDevice", (int)cudaSetDevice(0));
	expect("cudaMalloc", (int)cudaMalloc((void **)&x, BYTES));
	expect("cudaMalloc", (int)cudaMalloc((void **)&y, BYTES));
	transfer(x, host, BYTES, cudaMemcpyHostToDevice);
	transfer(y, host, BYTES, cudaMemcpyHostToDevice);
	for (int i = 0; i < ROUNDS; i++) {
		launch(1.0f / (float)(i + 1));
		transfer(x, y, 1024u * (size_t)(i + 1), cudaMemcpyDeviceToDevice);
		expect("cudaMemcpyAsync", (int)cudaMemcpyAsync(y, host, 512, cudaMemcpyHostToDevice,
							       NULL));
		copied(512);
	}
#ifdef ENTRY_POINT
	by_the_driver();
#endif
	transfer(host, y, BYTES, cudaMemcpyDeviceToHost);
	tally_digest(&tally, host, BYTES);
	tally_print(&tally);
	return 0;
}
