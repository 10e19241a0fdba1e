/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every name that the library exports: the Makefile expands this file and
 * makes the version script from it. A family with its own list adds it here.
 */
#include "libc/hooks.h"

#define ANAROS_NAME(name) ANAROS_EXPORT_##name
ANAROS_HOOKS(ANAROS_NAME, ANAROS_NAME)
ANAROS_HOOKS_WITHOUT_REAL(ANAROS_NAME)

#include "opencl/hooks.h"

#define ANAROS_NAME_OPENCL(type, name, arguments) ANAROS_EXPORT_##name
#define ANAROS_NAME_NONE(type, name, arguments)
ANAROS_OPENCL(ANAROS_NAME_OPENCL, ANAROS_NAME_NONE, ANAROS_NAME_NONE)

#include "cuda/hooks.h"

#define ANAROS_NAME_CUDA(symbol)          ANAROS_EXPORT_##symbol
#define ANAROS_NAME_CUDA_TWO(symbol, end) ANAROS_EXPORT_##symbol ANAROS_EXPORT_##symbol##end
ANAROS_CUDA_HOOKS(ANAROS_NAME_CUDA, ANAROS_NAME_CUDA_TWO)

#include "hip/hooks.h"

#define ANAROS_NAME_PASSED(reason, name)
ANAROS_HIP(ANAROS_NAME, ANAROS_NAME_PASSED)

#include "level_zero/hooks.h"

ANAROS_LEVEL_ZERO(ANAROS_NAME, ANAROS_NAME, ANAROS_NAME_PASSED)

#include "cuda/runtime_hooks.h"
#include "cupti/hooks.h"

ANAROS_CUDA_RUNTIME(ANAROS_NAME)
ANAROS_CUPTI(ANAROS_NAME)

/* NCCL asks for these by name, one for each version of its interface. */
/* clang-format off */
ANAROS_EXPORT_ncclProfiler_v1 ANAROS_EXPORT_ncclProfiler_v2 ANAROS_EXPORT_ncclProfiler_v3
ANAROS_EXPORT_ncclProfiler_v4 ANAROS_EXPORT_ncclProfiler_v5 ANAROS_EXPORT_ncclProfiler_v6
ANAROS_EXPORT_ncclProfiler_v7
ANAROS_EXPORT_dlsym ANAROS_EXPORT_dlopen
ANAROS_EXPORT_anaros_inject ANAROS_EXPORT_anaros_eject
