// SPDX-License-Identifier: Apache-2.0
/* Which wrapper stands for which driver function. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda/cuda.h"
#include "cuda/passed.h"

void *anaros_cuda_next[ANAROS_CUDA_COUNT];
void *anaros_cuda_found[ANAROS_CUDA_COUNT];

/* Addresses only: the prototypes are where the wrappers are. */
#define ANAROS_CUDA_ONE(symbol)                                                                    \
	extern int anaros_found_##symbol(void) __attribute__((visibility("hidde"                   \
									 "n")));
#define ANAROS_CUDA_TWO(symbol, end)                                                               \
	ANAROS_CUDA_ONE(symbol)                                                                    \
	ANAROS_CUDA_ONE(symbol##end)
ANAROS_CUDA_HOOKS(ANAROS_CUDA_ONE, ANAROS_CUDA_TWO)
#undef ANAROS_CUDA_ONE
#undef ANAROS_CUDA_TWO

static int (*const wrappers[ANAROS_CUDA_COUNT])(void) = {
#define ANAROS_CUDA_ONE(symbol)      anaros_found_##symbol,
#define ANAROS_CUDA_TWO(symbol, end) anaros_found_##symbol, anaros_found_##symbol##end,
    ANAROS_CUDA_HOOKS(ANAROS_CUDA_ONE, ANAROS_CUDA_TWO)
#undef ANAROS_CUDA_ONE
#undef ANAROS_CUDA_TWO
};

/* The numbers go on behind the hooks: a number from here on has no wrapper. */
enum {
	PASSED_BEFORE = ANAROS_CUDA_COUNT - 1,
#define ANAROS_CUDA_ONE(reason, symbol)      ANAROS_CUDA_##symbol,
#define ANAROS_CUDA_TWO(reason, symbol, end) ANAROS_CUDA_##symbol, ANAROS_CUDA_##symbol##end,
	ANAROS_CUDA_PASSED(ANAROS_CUDA_ONE, ANAROS_CUDA_TWO)
#undef ANAROS_CUDA_ONE
#undef ANAROS_CUDA_TWO
	    ANAROS_CUDA_ALL
};

/* One text without pointers: nothing to relocate when a program starts. */
static const struct {
#define ANAROS_CUDA_ROW(base, symbol, version, per_thread) char name_##symbol[sizeof(#symbol)];
	ANAROS_CUDA_ABI(ANAROS_CUDA_ROW)
#undef ANAROS_CUDA_ROW
} names = {
#define ANAROS_CUDA_ROW(base, symbol, version, per_thread) #symbol,
    ANAROS_CUDA_ABI(ANAROS_CUDA_ROW)
#undef ANAROS_CUDA_ROW
};

struct row {
	int32_t version;
	uint16_t name;
	uint16_t hook;
	uint8_t base_length; /* a symbol begins with its base name */
	bool per_thread;
};

static const struct row rows[] = {
#define ANAROS_CUDA_ROW(base, symbol, version, per_thread)                                         \
	{version, offsetof(__typeof__(names), name_##symbol), ANAROS_CUDA_##symbol,                \
	 sizeof(#base) - 1, per_thread},
    ANAROS_CUDA_ABI(ANAROS_CUDA_ROW)
#undef ANAROS_CUDA_ROW
};

#define ROWS (sizeof(rows) / sizeof(*rows))

_Static_assert(ROWS == ANAROS_CUDA_ALL, "every function is in one list");
_Static_assert(sizeof(names) <= UINT16_MAX, "offsets of 16 bits");

static const char *symbol_of(const struct row *row)
{
	return (const char *)&names + row->name;
}

static int compare(const struct row *row, const char *base, size_t length)
{
	size_t shorter = row->base_length < length ? row->base_length : length;
	int order = memcmp(symbol_of(row), base, shorter);

	return order != 0 ? order : (int)row->base_length - (int)length;
}

/* The first row of a base name that is `length` long; NULL: none. */
static const struct row *first_of_base(const char *base, size_t length)
{
	size_t low = 0, high = ROWS;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare(&rows[middle], base, length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ROWS && compare(&rows[low], base, length) == 0 ? &rows[low] : NULL;
}

static bool same_base(const struct row *row, const struct row *first)
{
	return row < rows + ROWS && compare(row, symbol_of(first), first->base_length) == 0;
}

static bool ends_with(const char *text, size_t length, const char *end, size_t end_length)
{
	return length > end_length && memcmp(text + length - end_length, end, end_length) == 0;
}

/* Length of a symbol without _ptsz, _ptds and _v2 at its end. */
static size_t base_length(const char *symbol)
{
	size_t length = strlen(symbol);

	if (ends_with(symbol, length, "_ptsz", 5) || ends_with(symbol, length, "_ptds", 5))
		length -= 5;
	if (length > 3 && symbol[length - 3] == '_' && symbol[length - 2] == 'v' &&
	    symbol[length - 1] >= '2' && symbol[length - 1] <= '9')
		length -= 3;
	return length;
}

static const struct row *row_of(const char *symbol)
{
	const struct row *first;

	if (symbol[0] != 'c' || symbol[1] != 'u')
		return NULL;
	first = first_of_base(symbol, base_length(symbol));
	for (const struct row *row = first; row != NULL && same_base(row, first); row++)
		if (strcmp(symbol_of(row), symbol) == 0)
			return row;
	return NULL;
}

/*
 * A function or an ABI that came after this release, or a way past it: the
 * program gets what the driver gave, and the report names it.
 */
void *anaros_cuda_pass(const char *name, enum anaros_way way, int version, void *function)
{
	struct anaros_fields fields = {.kind = ANAROS_KIND_GPU_UNKNOWN};
	uint64_t hash = 14695981039346656037ull, now_ns;
	size_t length = strlen(name);

	if (anaros_shared != NULL)
		__atomic_fetch_add(&anaros_shared->unhooked, 1, __ATOMIC_RELAXED);
	if (!anaros_may_record())
		return function;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 1099511628211ull;
	if (anaros_name_is_new(hash, hash))
		anaros_name(ANAROS_NAME_FUNCTION, hash, name, length);
	now_ns = anaros_now_ns();
	fields.object = hash;
	fields.size_bytes = version > 0 ? (uint64_t)version : 0;
	fields.address = way;
	anaros_record_at(now_ns, now_ns, &fields);
	return function;
}

bool anaros_cuda_wraps(const char *symbol)
{
	const struct row *row = row_of(symbol);

	return row != NULL && row->hook < ANAROS_CUDA_COUNT;
}

/* Of a driver's form, which cublas, cudnn and curl are not: wrapped, or not
 * known. */
bool anaros_cuda_may_have(const char *symbol)
{
	const struct row *row;

	if (symbol[2] < 'A' || symbol[2] > 'Z')
		return false;
	row = row_of(symbol);
	return row == NULL || row->hook < ANAROS_CUDA_COUNT;
}

/* The wrapper, once its slot holds this very function. */
static void *claim(const struct row *row, void *function)
{
	if (anaros_device_claim(&anaros_cuda_found[row->hook], function))
		return (void *)(uintptr_t)wrappers[row->hook];
	return anaros_cuda_pass(symbol_of(row), ANAROS_WAY_SECOND, row->version, function);
}

/* Ends of the shim, from the linker: dladdr would look through all of its symbols. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

bool anaros_cuda_in_shim(const void *function)
{
	return (uintptr_t)function - (uintptr_t)__ehdr_start <
	       (uintptr_t)_end - (uintptr_t)__ehdr_start;
}

/* Whether another interposer's dlsym, behind ours, gave its own for the driver's. */
static bool stands_before_driver(void *handle, const char *symbol, const void *function)
{
	void *own = anaros_real_dlsym(handle, symbol);
	struct anaros_object driver;

	return own != NULL && own != function && anaros_cuda_driver_of(own, &driver);
}

/* dlsym with a handle of the program's own, for a name that may be a driver's.
 */
void *anaros_cuda_from_dlsym(void *handle, const char *symbol)
{
	void *function = anaros_next_dlsym(handle, symbol);
	const struct row *row = row_of(symbol);
	struct anaros_object driver;

	if (function == NULL)
		return NULL;
	if (anaros_cuda_driver_of(function, &driver))
		return row != NULL ? claim(row, function)
				   : anaros_cuda_pass(symbol, ANAROS_WAY_DLSYM, 0, function);
	if (row == NULL)
		return function;
	if (!anaros_cuda_in_shim(function))
		return stands_before_driver(handle, symbol, function)
			   ? claim(row, function)
			   : anaros_cuda_pass(symbol, ANAROS_WAY_DLSYM, row->version, function);
	/*
	 * A search of the global scope, and it met the shim first. Without the
	 * shim it would have found what lies behind it, or nothing.
	 */
	return anaros_real_dlsym(RTLD_NEXT, symbol) != NULL ? function : NULL;
}

void *anaros_cuda_wrapper_of(const char *symbol, void *function)
{
	const struct row *row = row_of(symbol);
	struct anaros_object driver;

	if (row == NULL || row->hook >= ANAROS_CUDA_COUNT)
		return NULL;
	if (function == NULL)
		function = anaros_cuda_driver_symbol(symbol);
	else if (!anaros_cuda_driver_of(function, &driver))
		return NULL;
	return function != NULL ? claim(row, function) : NULL;
}

/* The ABI that was chosen for this request; NULL: none that we know. */
static const struct row *row_of_request(const struct row *first, const void *function, int version,
					bool per_thread)
{
	const struct row *best = NULL;
	struct anaros_object driver;

	/*
	 * Mostly the answer is one of the driver's exported functions: then it
	 * is sure. Else it is another interposer's, and of the ABI that was
	 * asked for.
	 */
	if (anaros_cuda_driver_of(function, &driver))
		for (const struct row *row = first; same_base(row, first); row++)
			if (anaros_object_find(&driver, symbol_of(row)) == function)
				return row;
	if (version > ANAROS_CUDA_KNOWN)
		return NULL;
	/* Where the caller cannot tell, it is sure only if there is one. */
	if (version == ANAROS_CUDA_VERSION_UNTOLD)
		return same_base(first + 1, first) ? NULL : first;
	for (const struct row *row = first; same_base(row, first); row++) {
		if (row->version > version || (row->per_thread && !per_thread))
			continue;
		if (best == NULL || row->per_thread > best->per_thread ||
		    (row->per_thread == best->per_thread && row->version > best->version))
			best = row;
	}
	return best;
}

/* What to give out in place of the resolver's answer. */
void *anaros_cuda_from_resolver(const char *base, void *function, int version, bool per_thread)
{
	const struct row *first = first_of_base(base, strlen(base)), *row = NULL;

	if (first != NULL && first->hook >= ANAROS_CUDA_COUNT && !same_base(first + 1, first))
		return function;
	if (anaros_cuda_in_shim(function))
		return function;
	if (first != NULL)
		row = row_of_request(first, function, version, per_thread);
	if (row == NULL)
		return anaros_cuda_pass(base, ANAROS_WAY_RESOLVER, version, function);
	return row->hook < ANAROS_CUDA_COUNT ? claim(row, function) : function;
}

/* The function behind an exported name that the program called directly. */
void *anaros_cuda_resolve(enum anaros_cuda_hook hook)
{
	int saved = errno;
	const struct row *row = rows;
	void *function;

	while (row->hook != hook)
		row++;
	function = anaros_real_dlsym(RTLD_NEXT, symbol_of(row));
	if (function == NULL) {
		/* Loaded in a local scope; and the miss left a message. */
		dlerror();
		function = anaros_cuda_driver_symbol(symbol_of(row));
	}
	__atomic_store_n(&anaros_cuda_next[hook], function, __ATOMIC_RELAXED);
	errno = saved;
	return function;
}

void anaros_cuda_note(const struct anaros_call *call, const struct anaros_fields *fields)
{
	anaros_record(call, fields);
}
