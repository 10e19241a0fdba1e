// SPDX-License-Identifier: Apache-2.0
/* Which wrapper stands for which driver function. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cuda.h"

void *anaros_cuda_next[ANAROS_CUDA_COUNT];
void *anaros_cuda_found[ANAROS_CUDA_COUNT];

/* Addresses only: the prototypes are where the wrappers are. */
#define ANAROS_CUDA_ROW(base, symbol, version, per_thread)                                         \
	extern int anaros_found_##symbol(void) __attribute__((visibility("hidden")));
ANAROS_CUDA(ANAROS_CUDA_ROW)
#undef ANAROS_CUDA_ROW

struct row {
	const char *base;
	const char *symbol;
	int (*wrapper)(void);
	int version;
	bool per_thread;
};

static const struct row rows[ANAROS_CUDA_COUNT] = {
#define ANAROS_CUDA_ROW(base, symbol, version, per_thread)                                         \
	{#base, #symbol, anaros_found_##symbol, version, per_thread},
    ANAROS_CUDA(ANAROS_CUDA_ROW)
#undef ANAROS_CUDA_ROW
};

/* Index of the first row of a base name that is `length` long, or COUNT. */
static unsigned int first_of_base(const char *base, size_t length)
{
	unsigned int low = 0, high = ANAROS_CUDA_COUNT;

	while (low < high) {
		unsigned int middle = (low + high) / 2;
		int order = strncmp(rows[middle].base, base, length);

		/* Equal so far but longer: it comes after. */
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < ANAROS_CUDA_COUNT && strncmp(rows[low].base, base, length) == 0 &&
	    rows[low].base[length] == '\0')
		return low;
	return ANAROS_CUDA_COUNT;
}

static bool same_base(unsigned int index, unsigned int first)
{
	return index < ANAROS_CUDA_COUNT && strcmp(rows[index].base, rows[first].base) == 0;
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
	unsigned int first;

	if (symbol[0] != 'c' || symbol[1] != 'u')
		return NULL;
	first = first_of_base(symbol, base_length(symbol));
	if (first == ANAROS_CUDA_COUNT)
		return NULL;
	for (unsigned int i = first; same_base(i, first); i++)
		if (strcmp(rows[i].symbol, symbol) == 0)
			return &rows[i];
	return NULL;
}

bool anaros_cuda_wraps(const char *symbol)
{
	return row_of(symbol) != NULL;
}

/*
 * The wrapper, once its slot holds this very function. A slot that holds
 * another one keeps it as long as that is loaded: two answers for one name
 * mean a second interposer, and each keeps its own way.
 */
static void *claim(const struct row *row, void *function)
{
	void **slot = &anaros_cuda_found[row - rows];
	void *held = NULL;

	if (!anaros_cuda_in_driver(function))
		goto unhooked;
	if (__atomic_compare_exchange_n(slot, &held, function, false, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED) ||
	    held == function)
		return (void *)(uintptr_t)row->wrapper;
	if (!anaros_cuda_in_driver(held) &&
	    __atomic_compare_exchange_n(slot, &held, function, false, __ATOMIC_RELEASE,
					__ATOMIC_RELAXED))
		return (void *)(uintptr_t)row->wrapper;
unhooked:
	if (anaros_shared != NULL)
		__atomic_fetch_add(&anaros_shared->unhooked, 1, __ATOMIC_RELAXED);
	return function;
}

static bool in_shim(const void *function)
{
	Dl_info info, own;

	return dladdr(function, &info) != 0 && dladdr(&anaros_cuda_next, &own) != 0 &&
	       info.dli_fbase == own.dli_fbase;
}

/* dlsym with a handle of the program's own, for a name that we wrap. */
void *anaros_cuda_from_dlsym(void *handle, const char *symbol)
{
	void *function = anaros_real_dlsym(handle, symbol);
	const struct row *row = row_of(symbol);

	if (function == NULL || row == NULL)
		return function;
	if (!in_shim(function))
		return claim(row, function);
	/*
	 * A search of the global scope, and it met the shim first. Without the
	 * shim it would have found what lies behind it, or nothing.
	 */
	return anaros_real_dlsym(RTLD_NEXT, symbol) != NULL ? function : NULL;
}

/* The ABI that the driver chose for this request; NULL: none that we know. */
static const struct row *row_of_request(unsigned int first, const void *function, int version,
					bool per_thread)
{
	const struct row *best = NULL;

	/* Mostly the answer is one of the exported functions: then it is sure. */
	for (unsigned int i = first; same_base(i, first); i++)
		if (anaros_cuda_driver_symbol(rows[i].symbol) == function)
			return &rows[i];
	if (version > ANAROS_CUDA_KNOWN)
		return NULL;
	for (unsigned int i = first; same_base(i, first); i++) {
		if (rows[i].version > version || (rows[i].per_thread && !per_thread))
			continue;
		if (best == NULL || rows[i].per_thread > best->per_thread ||
		    (rows[i].per_thread == best->per_thread && rows[i].version > best->version))
			best = &rows[i];
	}
	return best;
}

/* What to give out in place of the resolver's answer. */
void *anaros_cuda_from_resolver(const char *base, void *function, int version, bool per_thread)
{
	unsigned int first = first_of_base(base, strlen(base));
	const struct row *row;

	if (first == ANAROS_CUDA_COUNT)
		return function;
	row = row_of_request(first, function, version, per_thread);
	return row != NULL ? claim(row, function) : function;
}

/* The function behind an exported name that the program called directly. */
void *anaros_cuda_resolve(enum anaros_cuda_hook hook)
{
	int saved = errno;
	void *function = anaros_real_dlsym(RTLD_NEXT, rows[hook].symbol);

	if (function == NULL) {
		/* Loaded in a local scope; and the miss left a message. */
		dlerror();
		function = anaros_cuda_driver_symbol(rows[hook].symbol);
	}
	__atomic_store_n(&anaros_cuda_next[hook], function, __ATOMIC_RELAXED);
	errno = saved;
	return function;
}
