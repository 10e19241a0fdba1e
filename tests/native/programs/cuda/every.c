// SPDX-License-Identifier: Apache-2.0
/*
 * Description: every function of the driver, taken by name, by handle and from
 * the resolver, gets its arguments and gives its result unchanged, is entered
 * once for each call, and is recorded exactly if the table says so; where it
 * fails the records have its error, and what it would have made is in none.
 */
#include "cuda_test.h"

#include "cuda/abi.h"
#include "cuda/hooks.h"
#include "cudart/echo.h"

#define ECHO   "cudart/build/echo/libcuda.so.1"
#define ANSWER 719
#define ROOM   65536

typedef int (*any)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
		   uint64_t, uint64_t, uint64_t, uint64_t);

static const struct {
	const char *base, *symbol;
	int version, per_thread;
} rows[] = {
#define ROW(base, symbol, version, per_thread) {#base, #symbol, version, per_thread},
    ANAROS_CUDA_ABI(ROW)
#undef ROW
};

#define ROWS (sizeof(rows) / sizeof(*rows))

/* Only what is wrapped needs its parameters told apart. */
static const struct {
	const char *symbol, *parameters;
} hooks[] = {
#define TEXT(...)        #__VA_ARGS__
#define TEXT_OF(...)     TEXT(__VA_ARGS__)
#define ONE(symbol)      {#symbol, TEXT_OF(CUDA_ABI_##symbol)},
#define TWO(symbol, end) ONE(symbol){#symbol #end, TEXT_OF(CUDA_ABI_##symbol)},
    ANAROS_CUDA_HOOKS(ONE, TWO)};

#define HOOKS (sizeof(hooks) / sizeof(*hooks))

static struct harness harness;
static struct echo_seen *seen;
static int *answer;
static unsigned char *room; /* zeros that every pointer points into */

static const char *parameters_of(const char *symbol)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (strcmp(hooks[i].symbol, symbol) == 0)
			return hooks[i].parameters;
	return NULL;
}

/* Words to pass, and which bits of each are the argument. */
static unsigned int make_words(const char *parameters, uint64_t *words, uint64_t *masks)
{
	unsigned int count = 0;

	for (const char *at = parameters + 1; strncmp(at, "void)", 5) != 0; at++) {
		size_t length = strcspn(at, ",)");
		bool pointer = memchr(at, '*', length) != NULL;
		bool wide = pointer || strncmp(at, "size_t", 6) == 0 ||
			    strncmp(at, "uint64_t", 8) == 0 || strncmp(at, "struct", 6) == 0;

		words[count] = pointer ? (uintptr_t)(room + 64 * count) : count + 1;
		masks[count] = wide ? UINT64_MAX : UINT32_MAX;
		if (strncmp(at, "unsigned char", 13) == 0 || strncmp(at, "unsigned short", 14) == 0)
			masks[count] = 0xff;
		count++;
		at += length;
		if (*at == ')')
			break;
	}
	return count;
}

static void call(const char *symbol, void *function, int result)
{
	const char *parameters = parameters_of(symbol);
	uint64_t words[ECHO_WORDS] = {0}, masks[ECHO_WORDS] = {0}, before = seen->calls;
	unsigned int count = parameters != NULL ? make_words(parameters, words, masks) : 0;

	*answer = result;
	memset(room, 0, ROOM);
	seen->symbol = "none";
	if (((any)function)(words[0], words[1], words[2], words[3], words[4], words[5], words[6],
			    words[7], words[8], words[9], words[10], words[11]) != result ||
	    seen->calls != before + 1 || strcmp(seen->symbol, symbol) != 0) {
		fprintf(stderr, "%s: %s was entered\n", symbol, seen->symbol);
		exit(1);
	}
	for (unsigned int i = 0; i < count; i++)
		if (((seen->words[i] ^ words[i]) & masks[i]) != 0 &&
		    !harness_calls_back(symbol, i)) {
			fprintf(stderr, "%s: argument %u: %#lx became %#lx\n", symbol, i,
				(unsigned long)words[i], (unsigned long)seen->words[i]);
			exit(1);
		}
}

/*
 * They ask others, or take a structure of eight words, which lies on the
 * stack: no place for the words of call().
 */
static bool is_special(const char *symbol)
{
	return strncmp(symbol, "cuGetProcAddress", 16) == 0 ||
	       strncmp(symbol, "cuDeviceGet", 11) == 0 || strstr(symbol, "IpcOpenMem") != NULL;
}

/* They tell names, what a later record says of a graph, or when device times begin. */
static bool is_silent(const char *symbol)
{
	static const char *const parts[] = {
	    "cuInit",        "GetFunction",    "GetKernel",
	    "GetName",       "cuGraphAdd",     "cuGraphClone",
	    "cuGraphCreate", "cuGraphDestroy", "cuGraphNodeSetEnabled",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(symbol, parts[i]) != NULL)
			return true;
	return false;
}

struct told {
	uint64_t good, failed, other;
};

static void see(const struct anaros_record *record, void *context)
{
	struct told *told = context;

	if (record->kind == ANAROS_KIND_META_NAME || record->pid != (uint32_t)getpid())
		return;
	told->good += record->status == 0;
	told->failed += record->status == ANSWER;
	told->other += record->status != 0 && record->status != ANSWER;
}

static struct told told(void)
{
	struct told all = {0, 0, 0};

	harness_each(&harness, see, &all);
	return all;
}

static void every_way(const char *symbol, void *function)
{
	bool wrapped = parameters_of(symbol) != NULL, recorded = wrapped && !is_silent(symbol);
	struct told before = told(), failed, done;

	CHECK_EQUAL(lies_in(function, "libanaros"), wrapped);
	call(symbol, function, ANSWER);
	failed = told();
	call(symbol, function, 0);
	done = told();
	if (failed.good != before.good || (failed.failed > before.failed) != recorded ||
	    (done.good > failed.good) != recorded || done.failed != failed.failed ||
	    done.other != 0) {
		fprintf(stderr, "%s: recorded, or not, against the table\n", symbol);
		exit(1);
	}
}

int main(void)
{
	void *driver = dlopen(ECHO, RTLD_NOW | RTLD_GLOBAL), *function;
	cu_resolver_v2 resolver;
	unsigned int wrapped = 0;
	int status;

	if (driver == NULL)
		harness_skip("the echo driver is not built");
	harness = harness_open();
	seen = dlsym(driver, "echo_seen");
	answer = dlsym(driver, "echo_answer");
	room = malloc(ROOM);
	CHECK(seen != NULL && answer != NULL && room != NULL);
	resolver = (cu_resolver_v2)dlsym(driver, "cuGetProcAddress_v2");
	CHECK(lies_in((void *)resolver, "libanaros"));
	for (size_t i = 0; i < ROWS; i++) {
		if (is_special(rows[i].symbol))
			continue;
		wrapped += parameters_of(rows[i].symbol) != NULL;
		every_way(rows[i].symbol, dlsym(RTLD_DEFAULT, rows[i].symbol));
		every_way(rows[i].symbol, dlsym(driver, rows[i].symbol));
		OK(resolver(rows[i].base, &function, rows[i].version,
			    rows[i].per_thread ? PER_THREAD_STREAM : DEFAULT_STREAM, &status));
		every_way(rows[i].symbol, function);
	}
	CHECK(wrapped > 250);
	CHECK_EQUAL(harness.shared->unhooked, 0);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
