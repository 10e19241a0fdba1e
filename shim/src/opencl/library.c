// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the OpenCL library behind a call. Wheels carry renamed copies of it
 * and load them in a local scope, so RTLD_NEXT need not see any, and one
 * process may hold two, with different platforms. Therefore the library is
 * looked up for each call site, the way the loader would have: the global
 * scope behind the shim, then the scope of the calling object. Callers that
 * have neither (a pointer taken with dlsym, generated code) get a library
 * that is known already, or the first loaded object that exports OpenCL.
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

static const struct {
	const char *name;
	size_t offset;
	void *wrapper; /* NULL: not wrapped */
} functions[] = {
#define ANAROS_CL(type, name, arguments)                                                           \
	{#name, offsetof(struct cl_api, name), (void *)(uintptr_t)name},
#define ANAROS_CL_USED(type, name, arguments) {#name, offsetof(struct cl_api, name), NULL},
    ANAROS_OPENCL(ANAROS_CL, ANAROS_CL_USED)
#undef ANAROS_CL
#undef ANAROS_CL_USED
};

#define FUNCTIONS (sizeof(functions) / sizeof(*functions))

struct cl_site cl_sites[CL_SITES];

static struct cl_api libraries[LIBRARIES];
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
	for (size_t i = 0; i < FUNCTIONS; i++) {
		void *function = find(handle, functions[i].name);

		memcpy((char *)api + functions[i].offset, &function, sizeof(function));
	}
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
		if (libraries[i].clGetPlatformIDs == api->clGetPlatformIDs)
			kept = &libraries[i];
	if (kept == NULL && library_count < LIBRARIES) {
		libraries[library_count] = *api;
		kept = &libraries[library_count];
		library_count++;
		if (preferred == NULL)
			__atomic_store_n(&preferred, kept, __ATOMIC_RELEASE);
	}
	unlock();
	return kept;
}

static void keep_site(const void *caller, const struct cl_api *api)
{
	lock();
	for (unsigned int i = 0; i < PROBES; i++) {
		struct cl_site *site = &cl_sites[(cl_site_of(caller) + i) % CL_SITES];

		if (site->caller == NULL) {
			site->api = api;
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
	int saved = errno;
	const struct cl_api *api;

	for (unsigned int i = 1; i < PROBES; i++) {
		const struct cl_site *site = &cl_sites[(cl_site_of(caller) + i) % CL_SITES];

		if (__atomic_load_n(&site->caller, __ATOMIC_ACQUIRE) == caller)
			return site->api;
	}
	/* No lock is held: the loader may run a constructor that calls OpenCL. */
	api = search(caller);
	/* What was not found left a message that is not the program's. */
	dlerror();
	if (api != NULL)
		keep_site(caller, api);
	errno = saved;
	return api;
}

bool anaros_opencl_wraps(const char *name)
{
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (functions[i].wrapper != NULL && strcmp(functions[i].name, name) == 0)
			return true;
	return false;
}

/* A loader that looks into a driver must get what the driver has. */
static bool is_library(const void *caller)
{
	Dl_info of_caller, of_mark;
	void *handle;
	bool is;

	if (dladdr(caller, &of_caller) == 0 || (handle = handle_of(of_caller.dli_fname)) == NULL)
		return false;
	is = dladdr(find(handle, mark), &of_mark) != 0 && of_mark.dli_fbase == of_caller.dli_fbase;
	dlclose(handle);
	return is;
}

/* Our wrapper for what dlsym found, if the library behind it is known then. */
static void *wrapper_of(const void *caller, const char *name, void *real)
{
	const struct cl_api *api;
	struct cl_api found;
	Dl_info info;
	void *handle;

	if (is_library(caller) || dladdr(real, &info) == 0 ||
	    (handle = handle_of(info.dli_fname)) == NULL)
		return real;
	fill(&found, handle);
	api = keep_library(&found);
	for (size_t i = 0; api != NULL && i < FUNCTIONS; i++)
		if (strcmp(functions[i].name, name) == 0 &&
		    memcmp((const char *)api + functions[i].offset, &real, sizeof(real)) == 0) {
			__atomic_store_n(&preferred, api, __ATOMIC_RELEASE);
			return functions[i].wrapper;
		}
	return real;
}

static bool is_wrapper(const void *function)
{
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (functions[i].wrapper == function)
			return true;
	return false;
}

void *anaros_opencl_from_dlsym(void *handle, const char *name)
{
	const void *caller = __builtin_return_address(0);
	void *real = anaros_next_dlsym(handle, name);
	int saved = errno;

	/* Not found: dlerror has the program's own message. */
	if (real == NULL)
		return NULL;
	/* Ours, by the handle of the whole program: is there one without us? */
	if (is_wrapper(real))
		return anaros_real_dlsym(RTLD_NEXT, name) != NULL ? real : NULL;
	real = wrapper_of(caller, name, real);
	dlerror();
	errno = saved;
	return real;
}
