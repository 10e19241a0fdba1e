// SPDX-License-Identifier: Apache-2.0
/*
 * Code that is loaded, and the names of its kernels. A name is sent when a
 * program asks for the kernel, which it must do before it can launch it.
 */
#include <string.h>

#include "cuda/cuda.h"

#define KERNELS    1024u
#define NAME_BYTES 1008u

/* Names of kernels that belong to a library, until a function is made of one.
 */
static struct kernel {
	uint64_t handle;
	uint32_t length;
	char name[NAME_BYTES];
} kernels[KERNELS];
static uint32_t kernels_lock;

uint64_t anaros_cuda_named[CUDA_NAMED];

static struct kernel *kernel_slot(uint64_t handle)
{
	return &kernels[(handle * 0x9e3779b97f4a7c15ull) >> 54];
}

/* Never waits: a name that is being written or read is left out. */
static bool try_lock_kernels(void)
{
	return __atomic_exchange_n(&kernels_lock, 1, __ATOMIC_ACQUIRE) == 0;
}

static void unlock_kernels(void)
{
	__atomic_store_n(&kernels_lock, 0, __ATOMIC_RELEASE);
}

static void send_name(uint64_t handle, const char *name, size_t length)
{
	uint64_t hash = 14695981039346656037ull;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 1099511628211ull;
	if (anaros_name_is_new(handle, hash))
		anaros_name(ANAROS_NAME_KERNEL, handle, name, length);
}

static void name_kernel(int result, uint64_t handle, const char *name)
{
	struct kernel *slot = kernel_slot(handle);
	size_t length;

	if (result != CUDA_SUCCESS || handle == 0 || name == NULL)
		return;
	length = strlen(name);
	__atomic_store_n(anaros_cuda_named_slot(handle), handle, __ATOMIC_RELAXED);
	send_name(handle, name, length);
	if (!try_lock_kernels())
		return;
	slot->handle = handle;
	slot->length = (uint32_t)(length < NAME_BYTES ? length : NAME_BYTES);
	memcpy(slot->name, name, slot->length);
	unlock_kernels();
}

void anaros_cuda_name_launched(const void *kernel)
{
	const char *name = anaros_cuda_function_name(anaros_cuda_hint.function);
	uint64_t handle = (uintptr_t)kernel;

	/* Also where the program never said what it is called: asked once. */
	__atomic_store_n(anaros_cuda_named_slot(handle), handle, __ATOMIC_RELAXED);
	name_kernel(CUDA_SUCCESS, handle, name);
}

void anaros_cuda_name_function(const void *handle, const char *name)
{
	name_kernel(CUDA_SUCCESS, (uintptr_t)handle, name);
}

static void name_function_of(int result, void *const *out, void *kernel)
{
	uint64_t handle = (uintptr_t)CUDA_OUT(out);
	const struct kernel *slot = kernel_slot((uintptr_t)kernel);
	struct kernel copy = {.handle = 0};

	if (handle == 0 || !try_lock_kernels())
		return;
	if (slot->handle == (uintptr_t)kernel)
		copy = *slot;
	unlock_kernels();
	if (copy.handle == 0)
		return;
	__atomic_store_n(anaros_cuda_named_slot(handle), handle, __ATOMIC_RELAXED);
	send_name(handle, copy.name, copy.length);
}

#define BUILD(object_) CUDA_NOTE(.kind = ANAROS_KIND_GPU_BUILD, .object = (uintptr_t)(object_))

CUDA_WRAP(cuModuleLoad, BUILD(CUDA_OUT(module)))
CUDA_WRAP(cuModuleLoadData, BUILD(CUDA_OUT(module)))
CUDA_WRAP(cuModuleLoadDataEx, BUILD(CUDA_OUT(module)))
CUDA_WRAP(cuModuleLoadFatBinary, BUILD(CUDA_OUT(module)))
CUDA_WRAP(cuLibraryLoadData, BUILD(CUDA_OUT(library)))
CUDA_WRAP(cuLibraryLoadFromFile, BUILD(CUDA_OUT(library)))
/* Where code is compiled for the device, it is in these. */
CUDA_WRAP(cuLinkAddData, BUILD(state))
CUDA_WRAP(cuLinkAddData_v2, BUILD(state))
CUDA_WRAP(cuLinkAddFile, BUILD(state))
CUDA_WRAP(cuLinkAddFile_v2, BUILD(state))
CUDA_WRAP(cuLinkComplete, BUILD(state))

CUDA_WRAP(cuModuleGetFunction, name_kernel(result, (uintptr_t)CUDA_OUT(hfunc), name))
CUDA_WRAP(cuLibraryGetKernel, name_kernel(result, (uintptr_t)CUDA_OUT(pKernel), name))
CUDA_WRAP(cuKernelGetFunction, name_function_of(result, pFunc, kernel))
/* The other way round: the program asks what a kernel is called. */
CUDA_WRAP(cuFuncGetName, name_kernel(result, (uintptr_t)hfunc, CUDA_OUT(name)))
CUDA_WRAP(cuKernelGetName, name_kernel(result, (uintptr_t)hfunc, CUDA_OUT(name)))
