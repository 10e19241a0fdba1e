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

#include "opencl/opencl.h"
#include "core/sys.h"

#define LIBRARIES 8u
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

/* As programs see them, and as OpenCL libraries do. */
static struct cl_api libraries[LIBRARIES][2];
static unsigned int library_count;
/* What callers get that have no library in their scope. */
static const struct cl_api *preferred;
static uint32_t publishing;

static void *find(void *handle, const char *name)
{
	void *function = anaros_real_dlsym(handle, name);

	return function != (void *)(uintptr_t)clGetPlatformIDs ? function : NULL;
}

/* A handle that has the library's symbols; NULL: no library in this scope. */
static void *handle_of(const char *path)
{
	void *handle;

	if (path == NULL || path[0] == '\0')
		return NULL;
	handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (handle != NULL && find(handle, mark) != NULL)
		return handle; /* Kept: the functions must stay while we know them. */
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
	dl_iterate_phdr(add_path, &paths);
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

static void lock(void)
{
	while (__atomic_exchange_n(&publishing, 1, __ATOMIC_ACQUIRE))
		SYS3(SYS_sched_yield, 0, 0, 0);
}

static void unlock(void)
{
	__atomic_store_n(&publishing, 0, __ATOMIC_RELEASE);
}

/* One entry for each library, however many threads found it at once. */
static const struct cl_api *keep_library(const struct cl_api *api)
{
	const struct cl_api *kept = NULL;

	lock();
	for (unsigned int i = 0; kept == NULL && i < library_count; i++)
		if (libraries[i][0].clGetPlatformIDs == api->clGetPlatformIDs)
			kept = libraries[i];
	if (kept == NULL && library_count < LIBRARIES) {
		libraries[library_count][0] = libraries[library_count][1] = *api;
		libraries[library_count][1].passes = true;
		kept = libraries[library_count];
		library_count++;
		if (preferred == NULL)
			__atomic_store_n(&preferred, kept, __ATOMIC_RELEASE);
	}
	unlock();
	return kept;
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

/* `api` may be NULL: it was not needed yet. */
static void keep_site(const void *caller, const struct cl_api *api, bool passes)
{
	lock();
	for (unsigned int i = 0; i < PROBES; i++) {
		struct cl_site *site = site_at(caller, i);

		if (site->caller == NULL || site->caller == caller) {
			if (api != NULL)
				__atomic_store_n(&site->api, api, __ATOMIC_RELEASE);
			site->passes = passes;
			__atomic_store_n(&site->caller, caller, __ATOMIC_RELEASE);
			break;
		}
	}
	unlock();
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
	return keep_library(&api);
}

const struct cl_api *cl_library_slow(const void *caller)
{
	const struct cl_site *site = known_site(caller);
	const struct cl_api *api;
	int saved = errno;
	bool passes;

	if (site != NULL && site->api != NULL)
		return site->api;
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
