// SPDX-License-Identifier: Apache-2.0
/* Where calls of dlsym and dlopen go: see dlsym.S. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda/runtime.h"
#include "core/device.h"
#include "core/inject.h"
#include "cupti/cupti.h"
#include "opencl/opencl.h"
#include "core/rebind.h"

typedef void *(*dlsym_function)(void *handle, const char *name);
typedef void *(*dlopen_function)(const char *name, int flags);

dlsym_function anaros_dlsym_pick(void *handle, const char *name, const void *caller);
dlopen_function anaros_dlopen_pick(const char *name, int flags, const void *caller);

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
	static void *next;
	void *found = anaros_behind("dlsym", &next, &anaros_kept_dlsym);

	return found != NULL ? (dlsym_function)(uintptr_t)found : no_dlsym;
}

/*
 * For a name that the shim has, and a search of scopes. Without us it may meet
 * another preload before us, or what lies behind us, or nothing: a library
 * that was loaded in a local scope is not there for all.
 */
static dlsym_function in_scope(void *handle, const char *name, const void *caller)
{
	if (handle == RTLD_DEFAULT && !anaros_cuda_in_shim(anaros_real_dlsym(handle, name)))
		return real_dlsym();
	return anaros_scope_has(name, caller) ? real_dlsym() : not_there;
}

static void *no_dlopen(const char *name, int flags)
{
	return NULL;
}

dlopen_function anaros_dlopen_pick(const char *name, int flags, const void *caller)
{
	static void *next;
	void *found = anaros_behind("dlopen", &next, &anaros_kept_dlopen);

	anaros_forget_unloaded();
	if ((flags & RTLD_NOLOAD) == 0) {
		bool deep = (flags & RTLD_DEEPBIND) != 0 || anaros_injected != 0;

		if (deep) {
			anaros_versioned("dlsym", &anaros_kept_dlsym);
			anaros_versioned("dlopen", &anaros_kept_dlopen);
		}
		anaros_load_begins(deep);
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
dlsym_function anaros_dlsym_pick(void *handle, const char *name, const void *caller)
{
	const struct anaros_family *family = name != NULL ? anaros_device_family(name) : NULL;

	if (unlikely((anaros_thread.guard & ANAROS_GUARD_REBIND) != 0))
		anaros_may_record();
	if (name != NULL && anaros_opencl_may_have(name)) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_opencl_from_dlsym;
		if (anaros_opencl_exports(name))
			return in_scope(handle, name, caller);
		return handle == RTLD_DEFAULT ? anaros_opencl_from_dlsym : real_dlsym();
	}
	if (family != NULL) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_device_from_dlsym;
		return anaros_device_wraps(family, name) ? in_scope(handle, name, caller)
							 : real_dlsym();
	}
	if (name != NULL && is_of_runtime(name)) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_runtime_from_dlsym;
		return in_scope(handle, name, caller);
	}
	if (name == NULL || name[0] != 'c' || name[1] != 'u')
		return real_dlsym();
	if (strncmp(name, "cupti", 5) == 0 && anaros_cupti_wraps(name)) {
		if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
			return anaros_cupti_from_dlsym;
		return in_scope(handle, name, caller);
	}
	if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
		return anaros_cuda_may_have(name) ? anaros_cuda_from_dlsym : real_dlsym();
	return anaros_cuda_wraps(name) ? in_scope(handle, name, caller) : real_dlsym();
}
