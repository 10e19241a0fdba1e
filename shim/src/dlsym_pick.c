// SPDX-License-Identifier: Apache-2.0
/* Where a call of dlsym goes: see dlsym.S. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda_runtime.h"
#include "opencl.h"

typedef void *(*dlsym_function)(void *handle, const char *name);

dlsym_function anaros_dlsym_pick(void *handle, const char *name);

static void *no_dlsym(void *handle, const char *name)
{
	return NULL;
}

/* Only the shim itself has such a name: fail as without it, with the message.
 */
static void *not_there(void *handle, const char *name)
{
	void *function = anaros_real_dlsym(RTLD_NEXT, name);

	/* A call, no jump: "next" is to mean behind the shim. */
	__asm__ volatile("" : "+r"(function));
	return function;
}

static dlsym_function real_dlsym(void)
{
	static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
	static dlsym_function real;
	dlsym_function found = __atomic_load_n(&real, __ATOMIC_RELAXED);

	for (size_t i = 0; found == NULL && i < sizeof(versions) / sizeof(*versions); i++)
		*(void **)(&found) = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
	__atomic_store_n(&real, found, __ATOMIC_RELAXED);
	return found != NULL ? found : no_dlsym;
}

static bool is_of_runtime(const char *name)
{
	const char *word = name[0] == '_' && name[1] == '_' ? name + 2 : name;

	return strncmp(word, "cuda", 4) == 0 && anaros_runtime_wraps(name);
}

/*
 * cublas, cudnn and curl begin with the same letters: they are left alone.
 * RTLD_NEXT is another interposer at work, and finds our exported function
 * or what lies behind, as the order of loading says.
 */
dlsym_function anaros_dlsym_pick(void *handle, const char *name)
{
	if (name != NULL && name[0] == 'c' && name[1] == 'l' && anaros_opencl_wraps(name)) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_opencl_from_dlsym;
		return anaros_real_dlsym(RTLD_NEXT, name) != NULL ? real_dlsym() : not_there;
	}
	if (name != NULL && is_of_runtime(name)) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_runtime_from_dlsym;
		return anaros_runtime_loaded(name) ? real_dlsym() : not_there;
	}
	if (name == NULL || name[0] != 'c' || name[1] != 'u')
		return real_dlsym();
	if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
		return anaros_cuda_may_have(name) ? anaros_cuda_from_dlsym : real_dlsym();
	return anaros_cuda_wraps(name) && !anaros_cuda_driver_loaded() ? not_there : real_dlsym();
}
