// SPDX-License-Identifier: Apache-2.0
/*
 * Wrappers of the CUDA runtime. None of them records: see runtime.h.
 *
 * A kernel that is written <<<...>>> is registered with its name before main,
 * and launched by the address of a function in the program (from CUDA 13 on,
 * by a handle that was asked for with that address).
 */
#include "cuda/runtime.h"

#define CUDA_RUNTIME_NOT_FOUND 302

/* Said here too: else the compiler calls for its address, and keeps all arguments meanwhile. */
__thread struct anaros_cuda_hint anaros_cuda_hint
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

void *anaros_runtime_found[ANAROS_RUNTIME_COUNT];

/* What is launched, by its address or handle, and its name, which lies in the program. */
#define FUNCTIONS 32768u
#define PROBES    16u

static struct function {
	const void *address;
	const char *name;
} functions[FUNCTIONS];

static struct function *slot_of(const void *address, bool fresh)
{
	unsigned int start = (unsigned int)(((uintptr_t)address * 0x9e3779b97f4a7c15ull) >> 49);

	for (unsigned int i = 0; i < PROBES; i++) {
		struct function *slot = &functions[(start + i) % FUNCTIONS];
		const void *held = __atomic_load_n(&slot->address, __ATOMIC_ACQUIRE);

		if (held == NULL && fresh &&
		    __atomic_compare_exchange_n(&slot->address, &held, address, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return slot;
		if (held == address)
			return slot;
		if (held == NULL && !fresh)
			return NULL;
	}
	return NULL;
}

/* Where there is no room the name is missing, nothing else. */
void anaros_cuda_remember(const void *address, const char *name)
{
	struct function *slot = address != NULL && name != NULL ? slot_of(address, true) : NULL;

	if (slot != NULL)
		__atomic_store_n(&slot->name, name, __ATOMIC_RELEASE);
}

/*
 * The name of what the program launches. It can be read: the runtime found
 * that function, so the object that registered it is loaded.
 */
const char *anaros_cuda_function_name(const void *address)
{
	const struct function *slot = slot_of(address, false);

	return slot != NULL ? __atomic_load_n(&slot->name, __ATOMIC_ACQUIRE) : NULL;
}

#define RUNTIME_ENTRY(linkage, type, entry, real_function, parameters, failure, ...)               \
	linkage type entry parameters;                                                             \
	linkage type entry parameters                                                              \
	{                                                                                          \
		type(*real) parameters = (__typeof__(real))(real_function);                        \
                                                                                                   \
		if (unlikely(real == NULL))                                                        \
			return failure;                                                            \
		__VA_ARGS__                                                                        \
	}

/* One that a program reached by name, and one that dlsym gave out. */
#define RUNTIME(type, name, parameters, failure, ...)                                              \
	RUNTIME_ENTRY(EXPORT, type, name,                                                          \
		      anaros_runtime_real(ANAROS_RUNTIME_##name, __builtin_return_address(0)),     \
		      parameters, failure, __VA_ARGS__)                                            \
	RUNTIME_ENTRY(                                                                             \
	    , type, anaros_found_##name,                                                           \
	    __atomic_load_n(&anaros_runtime_found[ANAROS_RUNTIME_##name], __ATOMIC_RELAXED),       \
	    parameters, failure, __VA_ARGS__)

/*
 * The hint stands for the time of the call; a callback in it may set another.
 * One of its fields is enough for each call: the other is for other calls.
 */
#define HINTED_BODY(field, hint, arguments)                                                        \
	__typeof__(anaros_cuda_hint.field) outer = anaros_cuda_hint.field;                         \
	int result;                                                                                \
                                                                                                   \
	anaros_cuda_hint.field = (hint);                                                           \
	result = real arguments;                                                                   \
	anaros_cuda_hint.field = outer;                                                            \
	return result;

/*
 * A call that is frequent: what looks up its function is apart, and is jumped
 * to, so that no argument has to be kept while it looks.
 */
#define HINTED(name, parameters, arguments, field, hint)                                           \
	static int COLD look_up_##name parameters                                                  \
	{                                                                                          \
		int(*real) parameters = (__typeof__(real))anaros_runtime_real(                     \
		    ANAROS_RUNTIME_##name, anaros_cuda_hint.caller);                               \
                                                                                                   \
		if (real == NULL)                                                                  \
			return CUDA_RUNTIME_NOT_FOUND;                                             \
		HINTED_BODY(field, hint, arguments)                                                \
	}                                                                                          \
	EXPORT int name parameters;                                                                \
	EXPORT int name parameters                                                                 \
	{                                                                                          \
		int(*real) parameters = (__typeof__(real))anaros_runtime_quick(                    \
		    ANAROS_RUNTIME_##name, __builtin_return_address(0));                           \
                                                                                                   \
		if (unlikely(real == NULL)) {                                                      \
			anaros_cuda_hint.caller = __builtin_return_address(0);                     \
			return look_up_##name arguments;                                           \
		}                                                                                  \
		HINTED_BODY(field, hint, arguments)                                                \
	}                                                                                          \
	RUNTIME_ENTRY(                                                                             \
	    , int, anaros_found_##name,                                                            \
	    __atomic_load_n(&anaros_runtime_found[ANAROS_RUNTIME_##name], __ATOMIC_RELAXED),       \
	    parameters, CUDA_RUNTIME_NOT_FOUND, HINTED_BODY(field, hint, arguments))

static uint16_t copy_kind(int direction)
{
	static const uint16_t kinds[] = {
	    [1] = ANAROS_KIND_GPU_COPY_H2D,
	    [2] = ANAROS_KIND_GPU_COPY_D2H,
	    [3] = ANAROS_KIND_GPU_COPY_D2D,
	};

	return direction >= 0 && direction < 4 ? kinds[direction] : 0;
}

#define COPY(name)                                                                                 \
	HINTED(name, (void *dst, const void *src, size_t bytes, int direction),                    \
	       (dst, src, bytes, direction), copy_kind, copy_kind(direction))
#define COPY_ASYNC(name)                                                                           \
	HINTED(name, (void *dst, const void *src, size_t bytes, int direction, void *stream),      \
	       (dst, src, bytes, direction, stream), copy_kind, copy_kind(direction))

COPY(cudaMemcpy)
COPY(cudaMemcpy_ptds)
COPY_ASYNC(cudaMemcpyAsync)
COPY_ASYNC(cudaMemcpyAsync_ptsz)

#define COPY_2D(name)                                                                              \
	HINTED(name,                                                                               \
	       (void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t width,      \
		size_t height, int direction),                                                     \
	       (dst, dst_pitch, src, src_pitch, width, height, direction), copy_kind,              \
	       copy_kind(direction))
#define COPY_2D_ASYNC(name)                                                                        \
	HINTED(name,                                                                               \
	       (void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t width,      \
		size_t height, int direction, void *stream),                                       \
	       (dst, dst_pitch, src, src_pitch, width, height, direction, stream), copy_kind,      \
	       copy_kind(direction))

COPY_2D(cudaMemcpy2D)
COPY_2D(cudaMemcpy2D_ptds)
COPY_2D_ASYNC(cudaMemcpy2DAsync)
COPY_2D_ASYNC(cudaMemcpy2DAsync_ptsz)

/*
 * Three numbers in a structure are passed as these two would be, in registers
 * on x86-64 and aarch64; as two they need not be put together and taken apart.
 */
#define LAUNCH(name)                                                                               \
	HINTED(name,                                                                               \
	       (const void *function, uint64_t grid_xy, unsigned int grid_z, uint64_t block_xy,    \
		unsigned int block_z, void **values, size_t shared, void *stream),                 \
	       (function, grid_xy, grid_z, block_xy, block_z, values, shared, stream), function,   \
	       function)
#define LAUNCH_CONFIG(name)                                                                        \
	HINTED(name, (const void *config, const void *function, void **values),                    \
	       (config, function, values), function, function)

LAUNCH(cudaLaunchKernel)
LAUNCH(cudaLaunchKernel_ptsz)
LAUNCH(__cudaLaunchKernel)
LAUNCH(__cudaLaunchKernel_ptsz)
LAUNCH(cudaLaunchCooperativeKernel)
LAUNCH(cudaLaunchCooperativeKernel_ptsz)
LAUNCH_CONFIG(cudaLaunchKernelExC)
LAUNCH_CONFIG(cudaLaunchKernelExC_ptsz)

RUNTIME(void, __cudaRegisterFunction,
	(void **image, const char *function, char *device_function, const char *name, int threads,
	 void *tid, void *bid, void *block, void *grid, int *warp),
	, anaros_cuda_remember(function, name);
	real(image, function, device_function, name, threads, tid, bid, block, grid, warp);)

/* A handle in place of the address, which the runtime launches, or the driver too. */
#define HANDLE(symbol, also)                                                                       \
	RUNTIME(                                                                                   \
	    int, symbol, (void **handle, const void *function), CUDA_RUNTIME_NOT_FOUND,            \
	    int result = real(handle, function);                                                   \
                                                                                                   \
	    if (result == CUDA_SUCCESS && handle != NULL) {                                        \
		    const char *name = anaros_cuda_function_name(function);                        \
                                                                                                   \
		    anaros_cuda_remember(*handle, name);                                           \
		    also;                                                                          \
	    } return result;)
#define NAMED                                                                                      \
	if (anaros_may_record())                                                                   \
	anaros_cuda_name_function(*handle, name)

HANDLE(__cudaGetKernel, (void)0)
HANDLE(cudaGetKernel, NAMED)
HANDLE(cudaGetFuncBySymbol, NAMED)

#define ENTRY_POINT(name, twin, parameters, arguments, version)                                    \
	RUNTIME(int, name, parameters, CUDA_RUNTIME_NOT_FOUND, int result = real arguments;        \
                                                                                                   \
		anaros_cuda_exchange(result, symbol, function, version, flags, twin);              \
		return result;)
#define ENTRY_POINTS(name, twin)                                                                   \
	ENTRY_POINT(name, twin,                                                                    \
		    (const char *symbol, void **function, uint64_t flags, int *status),            \
		    (symbol, function, flags, status), ANAROS_CUDA_VERSION_UNTOLD)
#define ENTRY_POINTS_BY_VERSION(name, twin)                                                        \
	ENTRY_POINT(name, twin,                                                                    \
		    (const char *symbol, void **function, unsigned int version, uint64_t flags,    \
		     int *status),                                                                 \
		    (symbol, function, version, flags, status), (int)version)

ENTRY_POINTS(cudaGetDriverEntryPoint, false)
ENTRY_POINTS(cudaGetDriverEntryPoint_ptsz, true)
ENTRY_POINTS_BY_VERSION(cudaGetDriverEntryPointByVersion, false)
ENTRY_POINTS_BY_VERSION(cudaGetDriverEntryPointByVersion_ptsz, true)
