// SPDX-License-Identifier: Apache-2.0
/* Graphs that are made ready to run, and run. */
#include "cuda/cuda.h"

CUDA_PAIR(cuGraphLaunch, _ptsz,
	  CUDA_RECORD(.kind = ANAROS_KIND_GPU_GRAPH,
		      .flags = CUDA_FLAGS(hStream, ANAROS_FLAG_ASYNC),
		      .object = CUDA_STREAM(hStream), .address = (uintptr_t)hGraph))

#define INSTANTIATE(executable, graph)                                                             \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_INSTANTIATE, .object = (uintptr_t)(executable),          \
		  .address = (uintptr_t)(graph))

CUDA_WRAP(cuGraphInstantiate, INSTANTIATE(CUDA_OUT(phGraphExec), hGraph))
CUDA_WRAP(cuGraphInstantiate_v2, INSTANTIATE(CUDA_OUT(phGraphExec), hGraph))
CUDA_WRAP(cuGraphInstantiateWithFlags, INSTANTIATE(CUDA_OUT(phGraphExec), hGraph))
CUDA_PAIR(cuGraphInstantiateWithParams, _ptsz, INSTANTIATE(CUDA_OUT(phGraphExec), hGraph))
CUDA_WRAP(cuGraphExecUpdate, INSTANTIATE(hGraphExec, hGraph))
CUDA_WRAP(cuGraphExecUpdate_v2, INSTANTIATE(hGraphExec, hGraph))
CUDA_WRAP(cuGraphExecDestroy, INSTANTIATE(hGraphExec, NULL))
