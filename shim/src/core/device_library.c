// SPDX-License-Identifier: Apache-2.0
/*
 * Which loaded object is a family's library, and which wrapper stands for
 * which of its functions. As with CUDA a file name does not tell, and the
 * library may lie in a local scope: the objects' own tables are read.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda/cuda.h"
#include "core/device.h"
#include "core/inject.h"

struct query {
	const struct anaros_family *family;
	const void *address; /* NULL: anywhere */
	bool found;
	struct anaros_object library;
};

/* The shim exports the same names: it is no library of them. */
static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct query *query = data;
	struct anaros_object object;

	(void)size;
	if (query->address != NULL && !anaros_object_contains(info, query->address))
		return 0;
	if (!anaros_object_contains(info, &anaros_hip) && anaros_object_read(info, &object) &&
	    anaros_object_find(&object, query->family->mark[0]) != NULL &&
	    anaros_object_find(&object, query->family->mark[1]) != NULL) {
		query->found = true;
		query->library = object;
	}
	return query->found || query->address != NULL;
}

static bool library_of(const struct anaros_family *family, const void *address,
		       struct anaros_object *library)
{
	struct query query = {.family = family, .address = address};

	anaros_objects(visit, &query);
	*library = query.library;
	return query.found;
}

struct export
{
	const void *address;
	const char *name;
	bool found;
};

static int visit_export(struct dl_phdr_info *info, size_t size, void *data)
{
	struct anaros_object object;
	struct export *wanted = data;

	(void)size;
	if (!anaros_object_contains(info, wanted->address))
		return 0;
	wanted->found =
	    anaros_object_read(info, &object) && anaros_object_find(&object, wanted->name) != NULL;
	return 1;
}

bool anaros_device_exports(const void *address, const char *name)
{
	struct export wanted = {.address = address, .name = name};

	anaros_objects(visit_export, &wanted);
	return wanted.found;
}

const struct anaros_family *anaros_device_family(const char *name)
{
	const char *word = name[0] == '_' && name[1] == '_' ? name + 2 : name;

	/* hipblas, hiprtc and the like are other libraries'. */
	if (word[0] == 'h' && word[1] == 'i' && word[2] == 'p' && word[3] >= 'A' && word[3] <= 'Z')
		return &anaros_hip;
	/* zel, zes and zet are the loader's, the system's and the tools' interface. */
	if (name[0] == 'z' && name[1] == 'e' && name[2] >= 'A' && name[2] <= 'Z')
		return &anaros_level_zero;
	return NULL;
}

static const char *name_at(const struct anaros_family *family, size_t row)
{
	return family->names + family->offsets[row];
}

/* Where a name is in the table; `count`: it is not known. */
static size_t row_of(const struct anaros_family *family, const char *name)
{
	size_t low = 0, high = family->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(name_at(family, middle), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < family->count && strcmp(name_at(family, low), name) == 0 ? low : family->count;
}

bool anaros_device_wraps(const struct anaros_family *family, const char *name)
{
	size_t row = row_of(family, name);

	return row < family->count && family->hooks[row] < family->hook_count;
}

bool anaros_device_claim(void **slot, void *function)
{
	uintptr_t start, size;
	void *held = NULL;

	anaros_given_out();
	if (__atomic_compare_exchange_n(slot, &held, function, false, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED) ||
	    held == function)
		return true;
	return !anaros_cuda_object_of(held, &start, &size) &&
	       __atomic_compare_exchange_n(slot, &held, function, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

/* The wrapper, once its slot holds this very function. */
static void *claim(const struct anaros_family *family, size_t row, void *function)
{
	unsigned int hook = family->hooks[row];
	void *wrapper = (void *)(uintptr_t)family->wrappers[hook];

	if (wrapper == NULL)
		return function;
	if (anaros_device_claim(&family->found[hook], function))
		return wrapper;
	return anaros_cuda_pass(name_at(family, row), ANAROS_WAY_SECOND, 0, function);
}

static void *stand_in(const struct anaros_family *family, size_t row, enum anaros_way way,
		      const char *name, void *function)
{
	if (row == family->count)
		return anaros_cuda_pass(name, way, 0, function);
	return family->hooks[row] < family->hook_count ? claim(family, row, function) : function;
}

/* Jumped to: the return address is the program's, or that of the library at its own work. */
void *anaros_device_from_dlsym(void *handle, const char *name)
{
	const struct anaros_family *family = anaros_device_family(name);
	const void *caller = __builtin_return_address(0);
	void *function = anaros_next_dlsym(handle, name);
	struct anaros_object library;
	size_t row;

	if (function == NULL)
		return NULL;
	/* The global scope, and it met the shim first: is there one without it? */
	if (anaros_cuda_in_shim(function))
		return anaros_real_dlsym(RTLD_NEXT, name) != NULL ? function : NULL;
	if (anaros_device_exports(caller, family->mark[1]))
		return function;
	row = row_of(family, name);
	if (library_of(family, function, &library))
		return stand_in(family, row, ANAROS_WAY_DLSYM, name, function);
	return row < family->count && family->hooks[row] < family->hook_count
		   ? anaros_cuda_pass(name, ANAROS_WAY_DLSYM, 0, function)
		   : function;
}

void *anaros_device_wrapper_of(const struct anaros_family *family, const char *name, void *function)
{
	struct anaros_object library;
	size_t row = row_of(family, name);

	if (row == family->count || !library_of(family, function, &library))
		return NULL;
	if (function == NULL)
		function = anaros_object_find(&library, name);
	return function != NULL ? claim(family, row, function) : NULL;
}

bool anaros_device_is_library(const struct anaros_object *object)
{
	return anaros_object_find(object, anaros_hip.mark[1]) != NULL ||
	       anaros_object_find(object, anaros_level_zero.mark[1]) != NULL;
}

void *anaros_device_exchange(const struct anaros_family *family, const char *name, const char *twin,
			     void *function)
{
	struct anaros_object library;
	int saved = errno;

	if (function == NULL || anaros_cuda_in_shim(function))
		return function;
	/* Mostly it is one of the exported functions: then it is sure. */
	if (twin != NULL && row_of(family, twin) < family->count &&
	    (!library_of(family, function, &library) ||
	     anaros_object_find(&library, name) != function))
		name = twin;
	function = stand_in(family, row_of(family, name), ANAROS_WAY_RESOLVER, name, function);
	errno = saved;
	return function;
}

/* The function behind an exported name that the program called directly. */
void *anaros_device_resolve(const struct anaros_family *family, unsigned int hook)
{
	int saved = errno;
	struct anaros_object library;
	const char *name;
	void *function;
	size_t row = 0;

	while (family->hooks[row] != hook)
		row++;
	name = name_at(family, row);
	function = anaros_real_dlsym(RTLD_NEXT, name);
	if (function == NULL) {
		/* Loaded in a local scope; and the miss left a message. */
		dlerror();
		if (library_of(family, NULL, &library))
			function = anaros_object_find(&library, name);
	}
	__atomic_store_n(&family->next[hook], function, __ATOMIC_RELAXED);
	errno = saved;
	return function;
}

void anaros_device_name(uint64_t handle, const char *name)
{
	uint64_t hash = 14695981039346656037ull;
	size_t length;

	if (handle == 0 || name == NULL)
		return;
	length = strlen(name);
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 1099511628211ull;
	if (anaros_name_is_new(handle, hash))
		anaros_name(ANAROS_NAME_KERNEL, handle, name, length);
}

void anaros_device_note(const struct anaros_call *call, const struct anaros_fields *fields)
{
	anaros_record(call, fields);
}
