// SPDX-License-Identifier: Apache-2.0
/* Where calls of dlsym and dlopen go: see dlsym.S. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda/runtime.h"
#include "core/device.h"
#include "opencl/opencl.h"
#include "core/rebind.h"

typedef void *(*dlsym_function)(void *handle, const char *name);
typedef void *(*dlopen_function)(const char *name, int flags);

dlsym_function anaros_dlsym_pick(void *handle, const char *name);
dlopen_function anaros_dlopen_pick(const char *name, int flags);

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

void *anaros_kept_dlsym;
void *anaros_kept_dlopen;

/* Both live in the C library from 2.34 on, and in libdl before. */
static void *versioned(const char *name, void **kept)
{
	static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.2.5", "GLIBC_2.17"};
	void *found = __atomic_load_n(kept, __ATOMIC_RELAXED);

	for (size_t i = 0; found == NULL && i < sizeof(versions) / sizeof(*versions); i++)
		found = dlvsym(RTLD_NEXT, name, versions[i]);
	__atomic_store_n(kept, found, __ATOMIC_RELAXED);
	return found;
}

static dlsym_function real_dlsym(void)
{
	void *found = versioned("dlsym", &anaros_kept_dlsym);

	return found != NULL ? (dlsym_function)(uintptr_t)found : no_dlsym;
}

static void *no_dlopen(const char *name, int flags)
{
	return NULL;
}

dlopen_function anaros_dlopen_pick(const char *name, int flags)
{
	void *found = versioned("dlopen", &anaros_kept_dlopen);

	if ((flags & RTLD_DEEPBIND) != 0 && (flags & RTLD_NOLOAD) == 0) {
		real_dlsym();
		anaros_deepbind_begins();
	}
	return found != NULL ? (dlopen_function)(uintptr_t)found : no_dlopen;
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
	const struct anaros_family *family = name != NULL ? anaros_device_family(name) : NULL;

	if (unlikely((anaros_thread.guard & ANAROS_GUARD_REBIND) != 0))
		anaros_may_record();
	if (name != NULL && name[0] == 'c' && name[1] == 'l' && anaros_opencl_wraps(name)) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_opencl_from_dlsym;
		return anaros_real_dlsym(RTLD_NEXT, name) != NULL ? real_dlsym() : not_there;
	}
	if (family != NULL) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_device_from_dlsym;
		return anaros_device_wraps(family, name) && !anaros_device_loaded(family)
			   ? not_there
			   : real_dlsym();
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
