// SPDX-License-Identifier: Apache-2.0
/*
 * Code that is loaded, the names of its kernels, and the functions of HIP
 * that a program asks HIP for.
 *
 * A kernel that is written <<<...>>> is registered with its name before main,
 * and launched by the address of a function in the program: the name is sent
 * when it is launched, because most of what a library brings never is.
 */
#include <string.h>

#include "hip/hip.h"

#define LAUNCHED 4096u

/* The functions whose names went out, one for each slot. */
static const void *launched[LAUNCHED];

void anaros_hip_name_launched(const void *function)
{
	const void **slot = &launched[((uintptr_t)function * 0x9e3779b97f4a7c15ull) >> 52];

	if (likely(__atomic_load_n(slot, __ATOMIC_RELAXED) == function) || function == NULL)
		return;
	__atomic_store_n(slot, function, __ATOMIC_RELAXED);
	anaros_device_name((uintptr_t)function, anaros_cuda_function_name(function));
}

#define BUILD(object_) DEVICE_NOTE(.kind = ANAROS_KIND_GPU_BUILD, .object = (uintptr_t)(object_))

HIP_WRAP(hipModuleLoad, BUILD(DEVICE_OUT(module)))
HIP_WRAP(hipModuleLoadData, BUILD(DEVICE_OUT(module)))
HIP_WRAP(hipModuleLoadDataEx, BUILD(DEVICE_OUT(module)))
HIP_WRAP(hipModuleLoadFatBinary, BUILD(DEVICE_OUT(module)))
HIP_WRAP(hipLibraryLoadData, BUILD(DEVICE_OUT(library)))
HIP_WRAP(hipLibraryLoadFromFile, BUILD(DEVICE_OUT(library)))
/* Where code is compiled for the device, it is in these. */
HIP_WRAP(hipLinkAddData, BUILD(state))
HIP_WRAP(hipLinkAddFile, BUILD(state))
HIP_WRAP(hipLinkComplete, BUILD(state))

#define NAMED(out, name_) anaros_device_name((uintptr_t)DEVICE_OUT(out), name_)

HIP_WRAP(hipModuleGetFunction, NAMED(function, kname))
HIP_WRAP(hipLibraryGetKernel, NAMED(pKernel, name))
HIP_WRAP(hipGetFuncBySymbol, NAMED(functionPtr, anaros_cuda_function_name(symbolPtr)))

/* No records: but a HIP that stands on another library begins there, and frees there. */
#define UNRECORDED (void)0

HIP_WRAP(hipInit, UNRECORDED)
HIP_WRAP(hipGetDeviceCount, UNRECORDED)
HIP_WRAP(hipModuleUnload, UNRECORDED)

#define REGISTER(linkage, entry, real_function)                                                    \
	linkage void entry(void **modules, const void *function, char *device_function,            \
			   const char *name, unsigned int threads, void *tid, void *bid,           \
			   void *block, void *grid, int *warp);                                    \
	linkage void entry(void **modules, const void *function, char *device_function,            \
			   const char *name, unsigned int threads, void *tid, void *bid,           \
			   void *block, void *grid, int *warp)                                     \
	{                                                                                          \
		__typeof__(&entry) real = (__typeof__(&entry))(real_function);                     \
                                                                                                   \
		anaros_cuda_remember(function, name);                                              \
		if (likely(real != NULL))                                                          \
			real(modules, function, device_function, name, threads, tid, bid, block,   \
			     grid, warp);                                                          \
	}

REGISTER(EXPORT, __hipRegisterFunction, anaros_hip_real_next(ANAROS_HIP___hipRegisterFunction))
REGISTER(, anaros_found___hipRegisterFunction,
	 anaros_hip_real_found(ANAROS_HIP___hipRegisterFunction))

#define PER_THREAD_STREAM 2u
#define NAME_BYTES        96u

/* HIP answers first; only a function that it gave, and that we wrap, is exchanged. */
static void exchange(int result, const char *name, void **function, bool twin)
{
	char twin_name[NAME_BYTES];
	size_t length;

	if (result != HIP_SUCCESS || name == NULL || function == NULL || *function == NULL)
		return;
	length = strlen(name);
	if (!twin || length + sizeof("_spt") > sizeof(twin_name)) {
		*function = anaros_device_exchange(&anaros_hip, name, NULL, *function);
		return;
	}
	memcpy(twin_name, name, length);
	memcpy(twin_name + length, "_spt", sizeof("_spt"));
	*function = anaros_device_exchange(&anaros_hip, name, twin_name, *function);
}

#define TWIN(spt) (flags == PER_THREAD_STREAM || ((spt) && flags == 0))

#define RESOLVER(linkage, entry, real_function, parameters, arguments, out, spt)                   \
	linkage int entry parameters;                                                              \
	linkage int entry parameters                                                               \
	{                                                                                          \
		int(*real) parameters = (__typeof__(real))(real_function);                         \
		int result;                                                                        \
                                                                                                   \
		if (unlikely(real == NULL))                                                        \
			return HIP_SYMBOL_NOT_FOUND;                                               \
		result = real arguments;                                                           \
		exchange(result, symbol, out, TWIN(spt));                                          \
		return result;                                                                     \
	}
#define RESOLVERS(name, parameters, arguments, out, spt)                                           \
	RESOLVER(EXPORT, name, anaros_hip_real_next(ANAROS_HIP_##name), parameters, arguments,     \
		 out, spt)                                                                         \
	RESOLVER(, anaros_found_##name, anaros_hip_real_found(ANAROS_HIP_##name), parameters,      \
		 arguments, out, spt)
#define RESOLVERS_WITH_ABI(name, abi, out, spt) RESOLVERS(name, abi, out, spt)

RESOLVERS_WITH_ABI(hipGetProcAddress, HIP_ABI_hipGetProcAddress, pfn, false)
RESOLVERS_WITH_ABI(hipGetProcAddress_spt, HIP_ABI_hipGetProcAddress, pfn, true)
RESOLVERS_WITH_ABI(hipGetDriverEntryPoint, HIP_ABI_hipGetDriverEntryPoint, funcPtr, false)
RESOLVERS_WITH_ABI(hipGetDriverEntryPoint_spt, HIP_ABI_hipGetDriverEntryPoint, funcPtr, true)
