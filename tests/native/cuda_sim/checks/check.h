/* SPDX-License-Identifier: Apache-2.0 */
/* For the checks of the simulated driver: called by name, as its ABI is. */
#ifndef ANAROS_SIM_CHECK_H
#define ANAROS_SIM_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layouts.h"

#define EQUAL(value, wanted)                                                                       \
	do {                                                                                       \
		long long check_value = (long long)(value), check_wanted = (long long)(wanted);    \
		if (check_value != check_wanted) {                                                 \
			fprintf(stderr, "%s:%d: %s is %lld, wanted %lld\n", __FILE__, __LINE__,    \
				#value, check_value, check_wanted);                                \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)
#define OK(call)    EQUAL(call, 0)
#define CHECK(what) EQUAL(!!(what), 1)

extern uint64_t anaros_sim_total(const char *group, const char *name);
extern uint64_t anaros_sim_calls(const char *symbol);
extern int anaros_sim_faults(const char *text);

extern int cuInit(unsigned int flags);
extern int cuDevicePrimaryCtxRetain(void **context, int device);
extern int cuDevicePrimaryCtxRelease_v2(int device);
extern int cuCtxSetCurrent(void *context);
extern int cuCtxCreate_v4(void **context, void *params, unsigned int flags, int device);
extern int cuCtxDestroy_v2(void *context);
extern int cuCtxSynchronize(void);
extern int cuModuleLoadData(void **module, const void *image);
extern int cuModuleUnload(void *module);
extern int cuModuleGetFunction(void **function, void *module, const char *name);
extern int cuLaunchKernel(void *function, unsigned int gx, unsigned int gy, unsigned int gz,
			  unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			  void *stream, void **params, void **extra);
extern int cuLaunchHostFunc(void *stream, void (*call)(void *), void *argument);
extern int cuStreamCreate(void **stream, unsigned int flags);
extern int cuStreamDestroy_v2(void *stream);
extern int cuStreamSynchronize(void *stream);
extern int cuStreamQuery(void *stream);
extern int cuStreamWaitEvent(void *stream, void *event, unsigned int flags);
extern int cuStreamBeginCapture_v2(void *stream, int mode);
extern int cuStreamBeginCaptureToGraph(void *stream, void *graph, void **depends, void *edges,
				       size_t count, int mode);
extern int cuStreamEndCapture(void *stream, void **graph);
extern int cuStreamGetCaptureInfo_v2(void *stream, int *status, uint64_t *id, void **graph,
				     void ***depends, size_t *count);
extern int cuStreamUpdateCaptureDependencies(void *stream, void **nodes, size_t count,
					     unsigned int flags);
extern int cuThreadExchangeStreamCaptureMode(int *mode);
extern int cuStreamWaitValue32_v2(void *stream, uint64_t address, uint32_t value,
				  unsigned int flags);
extern int cuStreamWriteValue32_v2(void *stream, uint64_t address, uint32_t value,
				   unsigned int flags);
extern int cuStreamBatchMemOp_v2(void *stream, unsigned int count, void *ops, unsigned int flags);
extern int cuEventCreate(void **event, unsigned int flags);
extern int cuEventDestroy_v2(void *event);
extern int cuEventRecord(void *event, void *stream);
extern int cuEventRecordWithFlags(void *event, void *stream, unsigned int flags);
extern int cuEventQuery(void *event);
extern int cuEventSynchronize(void *event);
extern int cuMemAlloc_v2(uint64_t *address, size_t bytes);
extern int cuMemFree_v2(uint64_t address);
extern int cuMemAllocHost_v2(void **memory, size_t bytes);
extern int cuMemFreeHost(void *memory);
extern int cuMemHostRegister_v2(void *memory, size_t bytes, unsigned int flags);
extern int cuMemHostUnregister(void *memory);
extern int cuMemAllocManaged(uint64_t *address, size_t bytes, unsigned int flags);
extern int cuMemAllocAsync(uint64_t *address, size_t bytes, void *stream);
extern int cuMemFreeAsync(uint64_t address, void *stream);
extern int cuMemGetInfo_v2(size_t *unused, size_t *total);
extern int cuMemcpyHtoD_v2(uint64_t dst, const void *src, size_t bytes);
extern int cuMemcpyDtoH_v2(void *dst, uint64_t src, size_t bytes);
extern int cuMemcpyDtoDAsync_v2(uint64_t dst, uint64_t src, size_t bytes, void *stream);
extern int cuMemcpyHtoDAsync_v2(uint64_t dst, const void *src, size_t bytes, void *stream);
extern int cuMemcpyDtoHAsync_v2(void *dst, uint64_t src, size_t bytes, void *stream);
extern int cuMemcpyPeer(uint64_t dst, void *to, uint64_t src, void *from, size_t bytes);
extern int cuMemcpy3D_v2(const struct sim_copy_3d *copy);
extern int cuMemcpyAtoH_v2(void *dst, void *array, size_t offset, size_t bytes);
extern int cuMemcpyHtoA_v2(void *array, size_t offset, const void *src, size_t bytes);
extern int cuMemcpyBatchAsync(uint64_t *dst, uint64_t *src, size_t *bytes, size_t count,
			      struct sim_copy_attributes *attributes, size_t *indices,
			      size_t attribute_count, size_t *failed, void *stream);
extern int cuMemcpy3DBatchAsync_v2(size_t count, struct sim_copy_3d_batch *ops,
				   unsigned long long flags, void *stream);
extern int cuMemsetD8Async(uint64_t dst, unsigned char value, size_t count, void *stream);
extern int cuMemsetD32_v2(uint64_t dst, unsigned int value, size_t count);
extern int cuArray3DCreate_v2(void **array, const void *what);
extern int cuArrayDestroy(void *array);
extern int cuMemPrefetchAsync(uint64_t address, size_t bytes, int device, void *stream);
extern int cuMemPrefetchAsync_v2(uint64_t address, size_t bytes, struct sim_location location,
				 unsigned int flags, void *stream);
extern int cuMemDiscardBatchAsync(uint64_t *addresses, size_t *bytes, size_t count,
				  unsigned long long flags, void *stream);
extern int cuMemAdvise(uint64_t address, size_t bytes, int advice, int device);
extern int cuMemRangeGetAttribute(void *out, size_t size, int attribute, uint64_t address,
				  size_t bytes);
extern int cuPointerGetAttribute(void *out, int attribute, uint64_t address);
extern int cuMemPoolCreate(void **pool, const struct sim_pool_properties *properties);
extern int cuMemPoolDestroy(void *pool);
extern int cuMemPoolSetAttribute(void *pool, int attribute, void *value);
extern int cuMemPoolGetAttribute(void *pool, int attribute, void *value);
extern int cuMemPoolTrimTo(void *pool, size_t bytes);
extern int cuMemAllocFromPoolAsync(uint64_t *address, size_t bytes, void *pool, void *stream);
extern int cuMemPoolExportToShareableHandle(void *out, void *pool, int type,
					    unsigned long long flags);
extern int cuMemPoolImportFromShareableHandle(void **out, void *handle, int type,
					      unsigned long long flags);
extern int cuMemPoolExportPointer(void *out, uint64_t address);
extern int cuMemPoolImportPointer(uint64_t *address, void *pool, void *data);
extern int cuMemAddressReserve(uint64_t *address, size_t bytes, size_t alignment, uint64_t hint,
			       unsigned long long flags);
extern int cuMemAddressFree(uint64_t address, size_t bytes);
extern int cuMemCreate(uint64_t *handle, size_t bytes, const struct sim_allocation *properties,
		       unsigned long long flags);
extern int cuMemRelease(uint64_t handle);
extern int cuMemMap(uint64_t address, size_t bytes, size_t offset, uint64_t handle,
		    unsigned long long flags);
extern int cuMemUnmap(uint64_t address, size_t bytes);
extern int cuMemSetAccess(uint64_t address, size_t bytes, const struct sim_access *access,
			  size_t count);
extern int cuMemExportToShareableHandle(void *out, uint64_t handle, int type,
					unsigned long long flags);
extern int cuMemImportFromShareableHandle(uint64_t *handle, void *os_handle, int type);
extern int cuMulticastCreate(uint64_t *handle, const struct sim_multicast *properties);
extern int cuMulticastAddDevice(uint64_t handle, int device);
extern int cuMulticastBindMem(uint64_t handle, size_t offset, uint64_t memory, size_t memory_offset,
			      size_t bytes, unsigned long long flags);
struct check_handle {
	char bytes[64];
};
extern int cuIpcGetMemHandle(struct check_handle *handle, uint64_t address);
extern int cuIpcOpenMemHandle_v2(uint64_t *address, struct check_handle handle, unsigned int flags);
extern int cuIpcCloseMemHandle(uint64_t address);
extern int cuIpcGetEventHandle(struct check_handle *handle, void *event);
extern int cuIpcOpenEventHandle(void **event, struct check_handle handle);
extern int cuDeviceGetGraphMemAttribute(int device, int attribute, void *value);
extern int cuGraphCreate(void **graph, unsigned int flags);
extern int cuGraphDestroy(void *graph);
extern int cuGraphClone(void **copy, void *graph);
extern int cuGraphGetNodes(void *graph, void **nodes, size_t *count);
extern int cuGraphGetEdges(void *graph, void **from, void **to, size_t *count);
extern int cuGraphAddKernelNode_v2(void **node, void *graph, void **depends, size_t count,
				   const struct sim_kernel_params *params);
extern int cuGraphAddMemsetNode(void **node, void *graph, void **depends, size_t count,
				const struct sim_fill_params *params, void *context);
extern int cuGraphAddMemcpyNode(void **node, void *graph, void **depends, size_t count,
				const struct sim_copy_3d *params, void *context);
extern int cuGraphAddHostNode(void **node, void *graph, void **depends, size_t count,
			      const struct sim_host_params *params);
extern int cuGraphAddChildGraphNode(void **node, void *graph, void **depends, size_t count,
				    void *child);
extern int cuGraphAddEventRecordNode(void **node, void *graph, void **depends, size_t count,
				     void *event);
extern int cuGraphAddMemAllocNode(void **node, void *graph, void **depends, size_t count,
				  struct sim_alloc_params *params);
extern int cuGraphAddDependencies(void *graph, void **from, void **to, size_t count);
extern int cuGraphKernelNodeGetParams_v2(void *node, struct sim_kernel_params *params);
extern int cuGraphNodeGetType(void *node, int *type);
extern int cuGraphDestroyNode(void *node);
extern int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags);
extern int cuGraphExecDestroy(void *exec);
extern int cuGraphExecUpdate_v2(void *exec, void *graph, struct sim_update_result *result);
extern int cuGraphExecMemsetNodeSetParams(void *exec, void *node,
					  const struct sim_fill_params *params, void *context);
extern int cuGraphNodeSetEnabled(void *exec, void *node, unsigned int enabled);
extern int cuGraphLaunch(void *exec, void *stream);
extern int cuUserObjectCreate(void **object, void *value, void (*destroy)(void *),
			      unsigned int count, unsigned int flags);
extern int cuGraphRetainUserObject(void *graph, void *object, unsigned int count,
				   unsigned int flags);
extern int cuDeviceGetDevResource(int device, struct sim_resource *out, int type);
extern int cuDevSmResourceSplitByCount(struct sim_resource *groups, unsigned int *count,
				       const struct sim_resource *from, struct sim_resource *rest,
				       unsigned int flags, unsigned int least);
extern int cuDevResourceGenerateDesc(void **out, struct sim_resource *resources,
				     unsigned int count);
extern int cuGreenCtxCreate(void **green, void *descriptor, int device, unsigned int flags);
extern int cuGreenCtxDestroy(void *green);
extern int cuGreenCtxStreamCreate(void **stream, void *green, unsigned int flags, int priority);
extern int cuCtxFromGreenCtx(void **context, void *green);
extern int cuGetExportTable(const void **table, const void *id);

/* Device 0 current; the names of its kernels known. */
static inline void *check_start(void)
{
	void *context, *module;

	OK(cuInit(0));
	OK(cuDevicePrimaryCtxRetain(&context, 0));
	OK(cuCtxSetCurrent(context));
	OK(cuModuleLoadData(&module, "anaros-sim-image\n"));
	return module;
}

static inline void *check_kernel(void *module, const char *name)
{
	void *function;

	OK(cuModuleGetFunction(&function, module, name));
	return function;
}

static inline void check_launch(void *function, void *stream, void **params)
{
	OK(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, params, NULL));
}

static inline uint8_t check_byte(uint64_t address)
{
	uint8_t value;

	OK(cuMemcpyDtoH_v2(&value, address, 1));
	return value;
}

#endif
