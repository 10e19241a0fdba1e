// SPDX-License-Identifier: Apache-2.0
/* Kernels, host functions and graphs that are enqueued. */
#include "hip/hip.h"

static uint64_t threads_of(struct hip_dim3 grid, struct hip_dim3 block)
{
	return (uint64_t)grid.x * grid.y * grid.z * block.x * block.y * block.z;
}

#define LAUNCH(stream_, function, threads)                                                         \
	DEVICE_RECORD(.kind = ANAROS_KIND_GPU_LAUNCH,                                              \
		      .flags = HIP_FLAGS(stream_, ANAROS_FLAG_ASYNC),                              \
		      .object = HIP_STREAM(stream_), .address = (uintptr_t)(function),             \
		      .size_bytes = (threads))
/* By the address of a function in the program. */
#define LAUNCH_HOST(stream_, function, threads)                                                    \
	anaros_hip_name_launched(function);                                                        \
	LAUNCH(stream_, function, threads)

HIP_PAIR(hipLaunchKernel, LAUNCH_HOST(stream, function_address, threads_of(numBlocks, dimBlocks)))
HIP_PAIR(hipLaunchCooperativeKernel, LAUNCH_HOST(stream, f, threads_of(gridDim, blockDimX)))
HIP_WRAP(hipExtLaunchKernel,
	 LAUNCH_HOST(stream, function_address, threads_of(numBlocks, dimBlocks)))

/* Of the launch to come, which only names the kernel. */
static __thread struct {
	void *stream;
	uint64_t threads;
} configured __attribute__((tls_model("initial-exec")));

HIP_WRAP(hipConfigureCall, configured.stream = stream;
	 configured.threads = threads_of(gridDim, blockDim))
HIP_WRAP(hipLaunchByPtr, LAUNCH_HOST(configured.stream, func, configured.threads))

/* hipLaunchConfig_t, and HIP_LAUNCH_CONFIG below it. */
struct launch_config {
	struct hip_dim3 grid, block;
	size_t shared_bytes;
	void *stream;
};

struct module_config {
	struct hip_dim3 grid, block;
	unsigned int shared_bytes;
	void *stream;
};

_Static_assert(offsetof(struct launch_config, stream) == 32, "the runtime's");
_Static_assert(offsetof(struct module_config, stream) == 32, "the runtime's");

/* Nothing is behind a NULL config: the runtime refuses it. */
#define STREAM_OF(type) (config != NULL ? ((const struct type *)config)->stream : NULL)
#define THREADS_OF(type)                                                                           \
	(config != NULL ? threads_of(((const struct type *)config)->grid,                          \
				     ((const struct type *)config)->block)                         \
			: 0)

HIP_WRAP(hipLaunchKernelExC, LAUNCH_HOST(STREAM_OF(launch_config), fPtr, THREADS_OF(launch_config)))
HIP_WRAP(hipDrvLaunchKernelEx, LAUNCH(STREAM_OF(module_config), f, THREADS_OF(module_config)))

#define GRID_THREADS ((uint64_t)gridDimX * gridDimY * gridDimZ * blockDimX * blockDimY * blockDimZ)
/* The grid is told in threads here, not in blocks. */
#define WORK_ITEMS ((uint64_t)globalWorkSizeX * globalWorkSizeY * globalWorkSizeZ)

HIP_WRAP(hipModuleLaunchKernel, LAUNCH(stream, f, GRID_THREADS))
HIP_WRAP(hipModuleLaunchCooperativeKernel, LAUNCH(stream, f, GRID_THREADS))
HIP_WRAP(hipExtModuleLaunchKernel, LAUNCH(hStream, f, WORK_ITEMS))
HIP_WRAP(hipHccModuleLaunchKernel, LAUNCH(hStream, f, WORK_ITEMS))

/* hipLaunchParams and hipFunctionLaunchParams: one kernel for each device. */
struct launch_params {
	const void *function;
	struct hip_dim3 grid, block;
	void **arguments;
	size_t shared_bytes;
	void *stream;
};

struct module_params {
	const void *function;
	struct hip_dim3 grid, block;
	unsigned int shared_bytes;
	void *stream;
	void **arguments;
};

_Static_assert(sizeof(struct launch_params) == 56 && sizeof(struct module_params) == 56,
	       "the runtime's");

#define EACH_DEVICE(type, count, ...)                                                              \
	const struct type *list = launchParamsList;                                                \
                                                                                                   \
	for (unsigned int i = 0; list != NULL && i < (unsigned int)(count); i++) {                 \
		__VA_ARGS__;                                                                       \
	}
#define EACH_HOST                                                                                  \
	EACH_DEVICE(launch_params, numDevices,                                                     \
		    LAUNCH_HOST(list[i].stream, list[i].function,                                  \
				threads_of(list[i].grid, list[i].block)))

HIP_WRAP(hipLaunchCooperativeKernelMultiDevice, EACH_HOST)
HIP_WRAP(hipExtLaunchMultiKernelMultiDevice, EACH_HOST)
HIP_WRAP(hipModuleLaunchCooperativeKernelMultiDevice,
	 EACH_DEVICE(module_params, numDevices,
		     LAUNCH(list[i].stream, list[i].function,
			    threads_of(list[i].grid, list[i].block))))

#define HOST_CALL(name, function)                                                                  \
	HIP_PAIR_AROUND(name, const void *told = function;                                         \
			function = CUDA_CALLED(stream, function),                                  \
			DEVICE_RECORD(.kind = ANAROS_KIND_GPU_HOST_CALL,                           \
				      .flags = HIP_FLAGS(stream, ANAROS_FLAG_ASYNC),               \
				      .object = HIP_STREAM(stream), .address = (uintptr_t)told))

HOST_CALL(hipLaunchHostFunc, fn)
HOST_CALL(hipStreamAddCallback, callback)

HIP_PAIR(hipGraphLaunch,
	 DEVICE_RECORD(.kind = ANAROS_KIND_GPU_GRAPH, .flags = HIP_FLAGS(stream, ANAROS_FLAG_ASYNC),
		       .object = HIP_STREAM(stream), .address = (uintptr_t)graphExec))

#define INSTANTIATE(executable, graph)                                                             \
	DEVICE_NOTE(.kind = ANAROS_KIND_GPU_INSTANTIATE, .object = (uintptr_t)(executable),        \
		    .address = (uintptr_t)(graph))

HIP_WRAP(hipGraphInstantiate, INSTANTIATE(DEVICE_OUT(pGraphExec), graph))
HIP_WRAP(hipGraphInstantiateWithFlags, INSTANTIATE(DEVICE_OUT(pGraphExec), graph))
HIP_WRAP(hipGraphInstantiateWithParams, INSTANTIATE(DEVICE_OUT(pGraphExec), graph))
HIP_WRAP(hipGraphExecUpdate, INSTANTIATE(hGraphExec, hGraph))
HIP_WRAP(hipGraphExecDestroy, INSTANTIATE(graphExec, NULL))
