// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the OpenCL library behind a call. Wheels carry renamed copies of it
 * and load them in a local scope, so RTLD_NEXT need not see any, and one
 * process may hold two, with different platforms. Therefore the library is
 * looked up for each call site, the way the loader would have: the global
 * scope behind the shim, then the scope of the calling object. Callers that
 * have neither, generated code for one, get a library that is known already,
 * or the first loaded object that exports OpenCL.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "core/lock.h"
#include "core/sys.h"
#include "cuda/cuda.h"
#include "opencl/opencl.h"

#define LIBRARIES 32u
#define PROBES    8u

/* Every OpenCL library has it, and none shares it with another. */
static const char mark[] = "clGetPlatformIDs";

const struct cl_function cl_functions[] = {
#define ANAROS_CL(type, name, arguments)                                                           \
	{#name, offsetof(struct cl_api, name), (void *)(uintptr_t)name, true},
#define ANAROS_CL_EXTENSION(type, name, arguments)                                                 \
	{#name, offsetof(struct cl_api, name), NULL, true},
#define ANAROS_CL_USED(type, name, arguments) {#name, offsetof(struct cl_api, name), NULL, false},
    ANAROS_OPENCL(ANAROS_CL, ANAROS_CL_EXTENSION, ANAROS_CL_USED)
#undef ANAROS_CL
#undef ANAROS_CL_EXTENSION
#undef ANAROS_CL_USED
};

const size_t cl_function_count = sizeof(cl_functions) / sizeof(*cl_functions);

struct cl_site cl_sites[CL_SITES];

static struct library {
	void *mark;          /* its function of that name; NULL: free */
	uintptr_t start;     /* where it lies */
	uintptr_t size;      /* 0: not filled in yet */
	struct cl_api as[2]; /* as programs see it, and as OpenCL libraries do */
} libraries[LIBRARIES];
/* What callers get that have no library in their scope. */
static const struct cl_api *preferred;

static void *find(void *handle, const char *name)
{
	void *function = anaros_real_dlsym(handle, name);

	return function != (void *)(uintptr_t)clGetPlatformIDs ? function : NULL;
}

/* To be closed: a handle that has the library's symbols; NULL: no library in this scope. */
static void *handle_of(const char *path)
{
	void *handle;

	if (path == NULL || path[0] == '\0')
		return NULL;
	handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (handle != NULL && find(handle, mark) != NULL)
		return handle;
	if (handle != NULL)
		dlclose(handle);
	return NULL;
}

#define PATHS_BYTES (256u * 1024u)

struct paths {
	char *text; /* NUL-separated */
	size_t used;
};

static int add_path(struct dl_phdr_info *info, size_t size, void *data)
{
	struct paths *paths = data;
	size_t length = strlen(info->dlpi_name) + 1;

	(void)size;
	if (length > 1 && length <= PATHS_BYTES - paths->used) {
		memcpy(paths->text + paths->used, info->dlpi_name, length);
		paths->used += length;
	}
	return 0;
}

/* dl_iterate_phdr holds the loader's lock: dlopen comes after it, not in it. */
static void *scan_loaded_objects(void)
{
	struct paths paths = {.used = 0};
	void *handle = NULL;

	paths.text = sys_mmap(NULL, PATHS_BYTES, 3 /* read, write */, 0x22 /* private */, -1, 0);
	if (sys_mmap_failed(paths.text))
		return NULL;
	anaros_objects(add_path, &paths);
	for (size_t at = 0; handle == NULL && at < paths.used; at += strlen(paths.text + at) + 1)
		handle = handle_of(paths.text + at);
	sys_munmap(paths.text, PATHS_BYTES);
	return handle;
}

static void fill(struct cl_api *api, void *handle)
{
	memset(api, 0, sizeof(*api));
	for (size_t i = 0; i < cl_function_count; i++)
		*cl_entry(api, i) = find(handle, cl_functions[i].name);
}

/* NULL: there are more libraries than entries. */
static struct library *entry_of(void *function)
{
	for (unsigned int i = 0; i < LIBRARIES; i++)
		if (__atomic_load_n(&libraries[i].mark, __ATOMIC_ACQUIRE) == function)
			return &libraries[i];
	for (unsigned int i = 0; i < LIBRARIES; i++) {
		void *held = NULL;

		if (__atomic_compare_exchange_n(&libraries[i].mark, &held, function, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
		    held == function)
			return &libraries[i];
	}
	return NULL;
}

/*
 * One entry for each library. Without a lock, so that nobody has to wait:
 * threads that find a library at once all write the same.
 */
static const struct cl_api *keep_library(const struct cl_api *api)
{
	void *function = (void *)(uintptr_t)api->clGetPlatformIDs;
	uintptr_t start, size;
	struct library *library =
	    anaros_cuda_object_of(function, &start, &size) ? entry_of(function) : NULL;
	struct cl_api copy = *api;
	const struct cl_api *none = NULL;

	if (library == NULL)
		return NULL;
	if (__atomic_load_n(&library->size, __ATOMIC_ACQUIRE) == 0) {
		library->as[0] = copy;
		copy.passes = true;
		library->as[1] = copy;
		library->start = start;
		__atomic_store_n(&library->size, size, __ATOMIC_RELEASE);
	}
	__atomic_compare_exchange_n(&preferred, &none, library->as, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
	return library->as;
}

static struct cl_site *site_at(const void *caller, unsigned int probe)
{
	return &cl_sites[(cl_site_of(caller) + probe) % CL_SITES];
}

/* NULL: not known yet. */
static const struct cl_site *known_site(const void *caller)
{
	for (unsigned int i = 0; i < PROBES; i++)
		if (__atomic_load_n(&site_at(caller, i)->caller, __ATOMIC_ACQUIRE) == caller)
			return site_at(caller, i);
	return NULL;
}

/* `api` may be NULL: it was not needed yet. What is not kept is looked up again. */
static void keep_site(const void *caller, const struct cl_api *api, bool passes)
{
	uint32_t *lock = anaros_lock(ANAROS_LOCK_OPENCL_SITES);

	for (unsigned int i = 0; lock != NULL && i < PROBES; i++) {
		struct cl_site *site = site_at(caller, i);

		if (site->caller == NULL || site->caller == caller) {
			if (api != NULL)
				__atomic_store_n(&site->api, api, __ATOMIC_RELEASE);
			site->passes = passes;
			__atomic_store_n(&site->caller, caller, __ATOMIC_RELEASE);
			break;
		}
	}
	if (lock != NULL)
		anaros_unlock(lock);
}

static const struct cl_api *search(const void *caller)
{
	struct cl_api api;
	Dl_info info;
	void *handle = NULL;

	if (find(RTLD_NEXT, mark) != NULL)
		handle = RTLD_NEXT;
	else if (dladdr(caller, &info) != 0)
		handle = handle_of(info.dli_fname);
	if (handle == NULL && __atomic_load_n(&preferred, __ATOMIC_ACQUIRE) != NULL)
		return __atomic_load_n(&preferred, __ATOMIC_ACQUIRE);
	if (handle == NULL)
		handle = scan_loaded_objects();
	if (handle == NULL)
		return NULL;
	fill(&api, handle);
	/* The program alone says how long it is loaded. */
	if (handle != RTLD_NEXT)
		dlclose(handle);
	return keep_library(&api);
}

const struct cl_api *cl_library_slow(const void *caller)
{
	const struct cl_site *site = known_site(caller);
	const struct cl_api *api =
	    site != NULL ? __atomic_load_n(&site->api, __ATOMIC_ACQUIRE) : NULL;
	int saved = errno;
	bool passes;

	if (api != NULL)
		return api;
	/* No lock is held: the loader may run a constructor that calls OpenCL. */
	passes = cl_in_library(caller);
	api = search(caller);
	/* What was not found left a message that is not the program's. */
	dlerror();
	if (api != NULL) {
		api += passes;
		keep_site(caller, api, passes);
	}
	errno = saved;
	return api;
}

bool cl_is_inside_slow(const void *caller)
{
	const struct cl_site *site = known_site(caller);
	int saved = errno;
	bool passes;

	if (site != NULL)
		return site->passes;
	passes = cl_in_library(caller);
	keep_site(caller, NULL, passes);
	errno = saved;
	return passes;
}

static bool is_loaded(const struct library *library)
{
	uintptr_t start, size;

	return anaros_cuda_object_of(library->mark, &start, &size) && start == library->start &&
	       size == library->size;
}

/* An object that is still there. */
struct extent {
	uintptr_t start, size;
};

static bool is_gone(const struct cl_site *site, struct extent *last)
{
	uintptr_t caller = (uintptr_t)site->caller;

	if (caller - last->start < last->size)
		return false;
	return !anaros_cuda_object_of(site->caller, &last->start, &last->size);
}

static bool leads_to(const struct cl_site *site, unsigned int gone)
{
	for (unsigned int i = 0; i < LIBRARIES; i++)
		if ((gone & 1u << i) != 0 &&
		    (uintptr_t)site->api - (uintptr_t)libraries[i].as < sizeof(libraries[i].as))
			return true;
	return false;
}

/* Generated code lies in no object: where it called from is found again. */
static void forget_sites(unsigned int gone)
{
	struct extent last = {0, 0};

	for (unsigned int i = 0; i < CL_SITES; i++) {
		struct cl_site *site = &cl_sites[i];

		if (site->caller == NULL)
			continue;
		if (is_gone(site, &last)) {
			__atomic_store_n(&site->caller, NULL, __ATOMIC_RELEASE);
			__atomic_store_n(&site->api, NULL, __ATOMIC_RELEASE);
		} else if (leads_to(site, gone)) {
			__atomic_store_n(&site->api, NULL, __ATOMIC_RELEASE);
		}
	}
}

void cl_libraries_forget(void)
{
	const struct cl_api *other = NULL;
	unsigned int gone = 0;

	for (unsigned int i = 0; i < LIBRARIES; i++) {
		if (__atomic_load_n(&libraries[i].size, __ATOMIC_ACQUIRE) == 0)
			continue;
		if (!is_loaded(&libraries[i]))
			gone |= 1u << i;
		else if (other == NULL)
			other = libraries[i].as;
	}
	forget_sites(gone);
	for (unsigned int i = 0; i < LIBRARIES; i++) {
		const struct cl_api *held = libraries[i].as;

		if ((gone & 1u << i) == 0)
			continue;
		__atomic_compare_exchange_n(&preferred, &held, other, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED);
		cl_queues_forget(libraries[i].as);
		/* Last the mark: who finds another library then may take the entry. */
		__atomic_store_n(&libraries[i].size, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&libraries[i].mark, NULL, __ATOMIC_RELEASE);
	}
}
