// SPDX-License-Identifier: Apache-2.0
/*
 * Functions that a program has by their addresses: from dlsym, from OpenCL's
 * own resolvers, and from the tables that the handles of a driver begin with.
 * Several drivers have functions of one name, so each library gets entries of
 * its own, as long as there are any; what is left over passes, counted and
 * named. Nothing keeps a library loaded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "core/inject.h"
#include "core/lock.h"
#include "core/sys.h"
#include "cuda/cuda.h"
#include "opencl/dispatch.h"
#include "opencl/opencl.h"
#include "opencl/passed.h"

#define PLATFORMS  16u
#define READ_WRITE 3
#define READ_ONLY  1

struct cl_api cl_founds[CL_FOUND][2];

/* Where the library of each entry lies. */
static struct library {
	uintptr_t start; /* 0: none yet */
	uintptr_t size;
} libraries[CL_FOUND];

/* Addresses only: the prototypes are in opencl.h. */
static void *const wrappers[CL_FOUND][sizeof(struct cl_api) / sizeof(void *)] = {
#define NOTHING(type, name, arguments) NULL,
#define FOUND0(type, name, arguments)  (void *)(uintptr_t)anaros_found0_##name,
#define FOUND1(type, name, arguments)  (void *)(uintptr_t)anaros_found1_##name,
#define FOUND2(type, name, arguments)  (void *)(uintptr_t)anaros_found2_##name,
#define FOUND3(type, name, arguments)  (void *)(uintptr_t)anaros_found3_##name,
    {ANAROS_OPENCL(FOUND0, FOUND0, NOTHING)},
    {ANAROS_OPENCL(FOUND1, FOUND1, NOTHING)},
    {ANAROS_OPENCL(FOUND2, FOUND2, NOTHING)},
    {ANAROS_OPENCL(FOUND3, FOUND3, NOTHING)},
};

/* One text: nothing to relocate at start. */
static const char passed[] =
#define PASSED(reason, name) #name "\0"
    ANAROS_OPENCL_PASSED(PASSED);

static bool is_passed(const char *name)
{
	for (const char *at = passed; *at != '\0'; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

/* The count: it is not among them. */
static size_t function_of(const char *name)
{
	size_t i = 0;

	while (i < cl_function_count && strcmp(cl_functions[i].name, name) != 0)
		i++;
	return i;
}

bool anaros_opencl_wraps(const char *name)
{
	size_t i = function_of(name);

	return i < cl_function_count && cl_functions[i].wrapped;
}

bool anaros_opencl_exports(const char *name)
{
	size_t i = function_of(name);

	return i < cl_function_count && cl_functions[i].exported != NULL;
}

/* Loaders and drivers have at least one of them; some drivers have no other name. */
static bool is_library(const struct anaros_object *object)
{
	return anaros_object_find(object, "clGetExtensionFunctionAddress") != NULL ||
	       anaros_object_find(object, "clIcdGetPlatformIDsKHR") != NULL ||
	       anaros_object_find(object, "clGetPlatformIDs") != NULL;
}

struct query {
	const void *address;
	struct cl_api *api; /* NULL: its functions are not asked for */
	bool is_library;
};

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct query *query = data;
	struct anaros_object object;

	(void)size;
	if (!anaros_object_contains(info, query->address))
		return 0;
	if (!anaros_object_read(info, &object))
		return 1;
	query->is_library = is_library(&object);
	for (size_t i = 0; query->api != NULL && i < cl_function_count; i++)
		*cl_entry(query->api, i) = anaros_object_find(&object, cl_functions[i].name);
	return 1;
}

bool cl_in_library(const void *address)
{
	struct query query = {.address = address};

	/* A wrapper called a loader, and that one jumped. */
	if (anaros_cuda_in_shim(address))
		return true;
	anaros_objects(visit, &query);
	return query.is_library;
}

/* Which libraries are gone. Asks the loader, so no lock of ours is held. */
static unsigned int unloaded(void)
{
	unsigned int gone = 0;

	for (unsigned int i = 0; i < CL_FOUND; i++) {
		uintptr_t at = __atomic_load_n(&libraries[i].start, __ATOMIC_ACQUIRE);
		uintptr_t start, size;

		if (at != 0 && (!anaros_cuda_object_of((const void *)at, &start, &size) ||
				start != at || size != libraries[i].size))
			gone |= 1u << i;
	}
	return gone;
}

/* Before something is loaded: see unload.c. */
void cl_founds_forget(void)
{
	unsigned int gone = unloaded();

	for (unsigned int i = 0; i < CL_FOUND; i++)
		if ((gone & 1u << i) != 0) {
			cl_queues_forget(cl_founds[i]);
			__atomic_store_n(&libraries[i].start, 0, __ATOMIC_RELEASE);
		}
}

static bool fits(unsigned int way, const struct library *library, size_t i, const void *function)
{
	const void *held = *cl_entry(&cl_founds[way][0], i);

	return libraries[way].start == library->start && libraries[way].size == library->size &&
	       (held == NULL || held == function);
}

static void fill(unsigned int way, size_t i, void *function)
{
	for (int inside = 0; inside < 2; inside++)
		__atomic_store_n(cl_entry(&cl_founds[way][inside], i), function, __ATOMIC_RELEASE);
}

/* What the shim itself calls, where the library does not export it. */
static void complete(unsigned int way, const struct cl_api *caller)
{
	for (size_t i = 0; caller != NULL && i < cl_function_count; i++)
		if (*cl_entry(&cl_founds[way][0], i) == NULL)
			fill(way, i, *cl_entry((struct cl_api *)(uintptr_t)caller, i));
}

/* Instead of an entry. */
enum { NONE_LEFT = CL_FOUND, NOT_LOCKED };

/* Nowhere while it changes: a child of fork may find only half of it done. */
static void begin_entry(unsigned int way, const struct library *library,
			const struct cl_api *exported)
{
	__atomic_store_n(&libraries[way].start, 0, __ATOMIC_RELEASE);
	cl_founds[way][0] = cl_founds[way][1] = *exported;
	cl_founds[way][1].passes = true;
	libraries[way].size = library->size;
	__atomic_store_n(&libraries[way].start, library->start, __ATOMIC_RELEASE);
}

static unsigned int claim(const struct library *library, size_t i, void *function,
			  const struct cl_api *exported, unsigned int gone)
{
	uint32_t *lock = anaros_lock(ANAROS_LOCK_OPENCL_FOUND);
	unsigned int way = 0;

	anaros_given_out();
	if (lock == NULL)
		return NOT_LOCKED;
	while (way < CL_FOUND && !fits(way, library, i, function))
		way++;
	if (way == CL_FOUND) {
		way = 0;
		while (way < CL_FOUND && libraries[way].start != 0 && (gone & 1u << way) == 0)
			way++;
		if (way < CL_FOUND)
			begin_entry(way, library, exported);
	}
	if (way < CL_FOUND)
		fill(way, i, function);
	anaros_unlock(lock);
	return way;
}

static unsigned int way_of(size_t i, void *function)
{
	struct cl_api exported = {.passes = false};
	struct query query = {.address = function, .api = &exported};
	struct library library;

	if (!anaros_cuda_object_of(function, &library.start, &library.size))
		return NONE_LEFT;
	anaros_objects(visit, &query);
	return claim(&library, i, function, &exported, unloaded());
}

void *cl_exchange(const struct cl_api *api, enum anaros_way by, const char *name, void *function)
{
	size_t i = function_of(name);
	unsigned int way;

	if (anaros_cuda_in_shim(function))
		return function;
	if (i == cl_function_count)
		return is_passed(name) ? function : anaros_cuda_pass(name, by, 0, function);
	if (!cl_functions[i].wrapped)
		return function;
	way = way_of(i, function);
	if (way >= CL_FOUND)
		return anaros_cuda_pass(name, way == NONE_LEFT ? ANAROS_WAY_SECOND : by, 0,
					function);
	complete(way, api);
	return wrappers[way][i];
}

void *anaros_opencl_wrapper_of(const char *name, void *function)
{
	void *given =
	    cl_in_library(function) ? cl_exchange(NULL, ANAROS_WAY_SLOT, name, function) : function;

	return given != function ? given : NULL;
}

void *anaros_opencl_from_dlsym(void *handle, const char *name)
{
	const void *caller = __builtin_return_address(0);
	void *function = anaros_next_dlsym(handle, name);
	int saved = errno;

	/* Not found: dlerror has the program's own message. */
	if (function == NULL)
		return NULL;
	/* Ours, by the handle of the whole program: is there one without us? */
	if (anaros_cuda_in_shim(function))
		return anaros_real_dlsym(RTLD_NEXT, name) != NULL ? function : NULL;
	/* A loader that looks into a driver gets what the driver has. */
	if (cl_in_library(caller))
		return function;
	if (cl_in_library(function))
		function = cl_exchange(NULL, ANAROS_WAY_DLSYM, name, function);
	else if (anaros_opencl_wraps(name))
		function = anaros_cuda_pass(name, ANAROS_WAY_DLSYM, 0, function);
	errno = saved;
	return function;
}

static void *resolved(const struct cl_api *api, const char *name, void *function)
{
	int saved = errno;

	if (name != NULL && function != NULL && !api->passes)
		function = cl_exchange(api, ANAROS_WAY_RESOLVER, name, function);
	errno = saved;
	return function;
}

CL_HOOK(CL_RARE, void *, clGetExtensionFunctionAddress, (const char *name), (name))
{
	CL_REQUIRE(api, clGetExtensionFunctionAddress, NULL);
	return resolved(api, name, api->clGetExtensionFunctionAddress(name));
}

CL_HOOK(CL_RARE, void *, clGetExtensionFunctionAddressForPlatform,
	(cl_platform_id platform, const char *name), (platform, name))
{
	CL_REQUIRE(api, clGetExtensionFunctionAddressForPlatform, NULL);
	return resolved(api, name, api->clGetExtensionFunctionAddressForPlatform(platform, name));
}

/* Where a table lies; writable false: in no data of an object. */
struct place {
	void **table;
	bool writable;
	uintptr_t sealed_start; /* read-only since the object was relocated */
	uintptr_t sealed_bytes;
};

static int visit_place(struct dl_phdr_info *info, size_t size, void *data)
{
	struct place *place = data;

	(void)size;
	if (!anaros_object_contains(info, place->table))
		return 0;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && (header->p_flags & PF_W) != 0 &&
		    (uintptr_t)place->table - start < header->p_memsz)
			place->writable = true;
		if (header->p_type == PT_GNU_RELRO) {
			place->sealed_start = start & ~(uintptr_t)(ANAROS_PAGE - 1);
			place->sealed_bytes =
			    (start + header->p_memsz - place->sealed_start) & ~(ANAROS_PAGE - 1);
		}
	}
	return 1;
}

static bool change(const struct place *place, void **slot, void *function)
{
	uintptr_t page = (uintptr_t)slot & ~(uintptr_t)(ANAROS_PAGE - 1);
	bool sealed = (uintptr_t)slot - place->sealed_start < place->sealed_bytes;

	if (sealed && SYS3(SYS_mprotect, page, ANAROS_PAGE, READ_WRITE) != 0)
		return false;
	__atomic_store_n(slot, function, __ATOMIC_RELEASE);
	if (sealed)
		SYS3(SYS_mprotect, page, ANAROS_PAGE, READ_ONLY);
	return true;
}

/* Names of the table's entries, and from which version on they are there. */
static const struct {
	const char *name;
	unsigned int version;
} entries[] = {
#define ENTRY(name, version) {#name, version},
    ANAROS_OPENCL_DISPATCH(ENTRY)};

#define ENTRIES (sizeof(entries) / sizeof(*entries))

/* What the driver promises, 30 for 3.0: so long is its table. 0: not told. */
static unsigned int version_of(const struct cl_api *api, void **table, cl_platform_id platform)
{
	__typeof__(api->clGetPlatformInfo) ask = (__typeof__(ask))(uintptr_t)table[1];
	char text[128] = "";
	size_t size = 0;

	if (ask == NULL || anaros_cuda_in_shim((const void *)(uintptr_t)ask) ||
	    ask(platform, CL_PLATFORM_VERSION, sizeof(text), text, &size) != CL_SUCCESS ||
	    size < sizeof("OpenCL 1.0") || memcmp(text, "OpenCL ", 7) != 0 || text[8] != '.')
		return 0;
	return (unsigned int)(text[7] - '0') * 10 + (unsigned int)(text[9] - '0');
}

/*
 * Who asks a driver itself for its platforms is a loader, and mostly one that
 * is linked into the program: its calls go through the table that each of the
 * driver's handles begins with, so the wrappers are put in there. What other
 * loaders of the process call by it passes, as it comes from a library.
 */
static void adopt(const struct cl_api *api, cl_platform_id platform)
{
	struct place place = {.table = *(void ***)platform};
	unsigned int version = version_of(api, place.table, platform);

	anaros_objects(visit_place, &place);
	if (version == 0 || !place.writable) {
		anaros_cuda_pass("clIcdGetPlatformIDsKHR", ANAROS_WAY_SEALED, 0, NULL);
		return;
	}
	for (size_t i = 0; i < ENTRIES; i++) {
		void *held = entries[i].version <= version ? place.table[i] : NULL;
		size_t function = function_of(entries[i].name);
		void *wrapper;

		if (held == NULL || function == cl_function_count || anaros_cuda_in_shim(held))
			continue;
		if (!cl_functions[function].wrapped) {
			way_of(function, held); /* Kept for the shim's own calls. */
			continue;
		}
		wrapper = cl_exchange(NULL, ANAROS_WAY_RESOLVER, entries[i].name, held);
		if (wrapper != held && !change(&place, &place.table[i], wrapper))
			anaros_cuda_pass(entries[i].name, ANAROS_WAY_SEALED, 0, NULL);
	}
}

CL_EXTENSION(CL_RARE, cl_int, clIcdGetPlatformIDsKHR,
	     (cl_uint room, cl_platform_id *platforms, cl_uint *count), (room, platforms, count))
{
	cl_uint own = 0;
	cl_int result;
	bool within;
	int saved;

	CL_REQUIRE(api, clIcdGetPlatformIDsKHR, CL_PLATFORM_NOT_FOUND_KHR);
	if (api->passes)
		return api->clIcdGetPlatformIDsKHR(room, platforms, count);
	within = cl_within(api);
	count = platforms == NULL || count != NULL ? count : &own;
	result = api->clIcdGetPlatformIDsKHR(room, platforms, count);
	saved = errno;
	for (cl_uint i = 0;
	     platforms != NULL && result == CL_SUCCESS && i < room && i < *count && i < PLATFORMS;
	     i++)
		adopt(api, platforms[i]);
	if (within)
		cl_leave();
	errno = saved;
	return result;
}
