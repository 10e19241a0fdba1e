/* SPDX-License-Identifier: Apache-2.0 */
/* The stub of the CUDA runtime, as programs and tests see it. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#define RUNTIME_VERSION 13000

struct runtime_dim3 {
	unsigned int x, y, z;
};

struct runtime_facts {
	uint64_t calls;
	uint64_t answered; /* requests that the driver had a function for */
	uint64_t start_ns; /* of the thread's processor time, for all of them */
	int device;        /* the handle that was chosen last */
	void *kernel;      /* the handle that was launched last */
	int (*own_resolver)(const char *, void **, int, uint64_t, int *);
};

extern struct runtime_facts runtime_facts;

int cudaGetDeviceCount(int *count);
int cudaSetDevice(int ordinal);
int cudaMalloc(void **pointer, size_t bytes);
int cudaMemcpy(void *to, const void *from, size_t bytes, int direction);
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int direction, void *stream);
int cudaMemcpyAsync_ptsz(void *to, const void *from, size_t bytes, int direction, void *stream);
int cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
		      size_t height, int direction, void *stream);
void __cudaRegisterFunction(void **image, const char *host, char *device, const char *name,
			    int threads, void *tid, void *bid, void *block, void *grid, int *warp);
int __cudaGetKernel(void **kernel, const void *host);
int cudaGetFuncBySymbol(void **function, const void *host);
int cudaLaunchKernel(const void *what, struct runtime_dim3 grid, struct runtime_dim3 block,
		     void **values, size_t shared, void *stream);
int __cudaLaunchKernel(const void *what, struct runtime_dim3 grid, struct runtime_dim3 block,
		       void **values, size_t shared, void *stream);
int __cudaLaunchKernel_ptsz(const void *what, struct runtime_dim3 grid, struct runtime_dim3 block,
			    void **values, size_t shared, void *stream);
int cudaGetDriverEntryPoint(const char *name, void **function, uint64_t flags, int *status);
int cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned int version,
				     uint64_t flags, int *status);

#endif
