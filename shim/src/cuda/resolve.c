// SPDX-License-Identifier: Apache-2.0
/*
 * cuGetProcAddress in both ABIs. The driver answers first, and its result,
 * its status word and its refusals stay as they are: only a function that it
 * did give, and that we wrap, is exchanged.
 */
#include "cuda/cuda.h"

#define PER_THREAD_STREAM 2u
#define DEFAULT_STREAM    0u

void anaros_cuda_exchange(int result, const char *name, void **function, int version,
			  uint64_t flags, bool twin)
{
	int saved = errno;

	/* An empty name is a probe of the runtime's. */
	if (result != CUDA_SUCCESS || name == NULL || name[0] == '\0' || function == NULL ||
	    *function == NULL)
		return;
	*function = anaros_cuda_from_resolver(name, *function, version,
					      flags == PER_THREAD_STREAM ||
						  (twin && flags == DEFAULT_STREAM));
	errno = saved;
}

#define RESOLVER(linkage, entry, real_of, hook, twin, parameters, arguments)                       \
	linkage int entry parameters;                                                              \
	linkage int entry parameters                                                               \
	{                                                                                          \
		int(*real) parameters = (__typeof__(real))real_of(ANAROS_CUDA_##hook);             \
		int result;                                                                        \
                                                                                                   \
		if (unlikely(real == NULL))                                                        \
			return CUDA_ERROR_SHARED_OBJECT_NO_SYMBOL;                                 \
		result = real arguments;                                                           \
		anaros_cuda_exchange(result, symbol, pfn, cudaVersion, flags, twin);               \
		return result;                                                                     \
	}

#define RESOLVERS(hook, twin, parameters, arguments)                                               \
	RESOLVER(EXPORT, hook, anaros_cuda_real_next, hook, twin, parameters, arguments)           \
	RESOLVER(, anaros_found_##hook, anaros_cuda_real_found, hook, twin, parameters, arguments)
#define RESOLVERS_WITH_ABI(hook, twin, abi) RESOLVERS(hook, twin, abi)

RESOLVERS_WITH_ABI(cuGetProcAddress, false, CUDA_ABI_cuGetProcAddress)
RESOLVERS_WITH_ABI(cuGetProcAddress_ptsz, true, CUDA_ABI_cuGetProcAddress)
RESOLVERS_WITH_ABI(cuGetProcAddress_v2, false, CUDA_ABI_cuGetProcAddress_v2)
RESOLVERS_WITH_ABI(cuGetProcAddress_v2_ptsz, true, CUDA_ABI_cuGetProcAddress_v2)
