// SPDX-License-Identifier: Apache-2.0
/*
 * Description: the record of every recorded function has the kind, the object,
 * the address, the size and the sort of memory that the table of meanings
 * gives for it, and so has that of its twin.
 */
#include "cuda_test.h"

#include "cuda/hooks.h"
#include "cudart/echo.h"
#include "meanings.h"

#define ECHO  "cudart/build/echo/libcuda.so.1"
#define WORDS 12
#define SLOT  512
#define SOME  2 /* parts of a batch */

typedef int (*any)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
		   uint64_t, uint64_t, uint64_t, uint64_t);

#define TEXT(...)    #__VA_ARGS__
#define TEXT_OF(...) TEXT(__VA_ARGS__)

static struct hook {
	const char *symbol, *parameters;
	bool twin, asserted;
} hooks[] = {
#define ONE(symbol)      {#symbol, TEXT_OF(CUDA_ABI_##symbol), false, false},
#define TWO(symbol, end) ONE(symbol){#symbol #end, TEXT_OF(CUDA_ABI_##symbol), true, false},
    ANAROS_CUDA_HOOKS(ONE, TWO)
#undef ONE
#undef TWO
};

#define HOOKS (sizeof(hooks) / sizeof(*hooks))

static struct harness harness;
static void *driver;

/* The last part of a batch tells what its record should be. */
static const uint64_t ranges[] = {0x1000, 0x2000}, sizes[] = {10, 20}, words[] = {0x3000, 0x3001};
static const uint64_t buffer[] = {0, 1234};
static const uint64_t unpacked[SOME][8] = {{1, 2, 0, 3, 4}, {10, 40, 0, 0x100, 0x200}};
static const uint64_t fabric[SOME][8] = {{1}, {1, 0x100, 0, 2, 7, 64, 300, 0}};
static const uint64_t operations[SOME][6] = {{4, 0x3000}, {2, 0x4000}};
static const uint64_t volume[SOME][14] = {{1}, {1, 0x100, 0, 0, 0, 1, 0x200, 0, 0, 0, 4, 5, 6}};
static const uint64_t tiles[SOME][12] = {{[7] = 1}, {0, 0xa0, 0, 0, 0, 0, 0, 1, 0xb0}};

static const struct {
	unsigned int grid[3], block[3], shared;
	uint64_t stream, rest[2];
} config = {{1, 2, 3}, {4, 1, 1}, 0, 0, {0}};

static const struct {
	uint64_t function;
	unsigned int grid[3], block[3], shared;
	uint64_t stream, values;
} launches[SOME] = {
    {1, {1, 2, 3}, {4, 1, 1}, 0, 0x5000, 0},
    {2, {1, 1, 1}, {8, 1, 1}, 0, 0x5001, 0},
};

/*
 * From the host at 0x1000, from the fourth byte of the second row (of the
 * second plane), to the device: 7 by 11 (by 5). Word by word, in both ABIs.
 */
static const uint64_t flat[16] = {3, 1, 1, 0x1000, 0, 0, 512, 0, 0, 2, 0, 0x9000, 0, 0, 7, 11};
static const uint64_t deep[25] = {3, 1, 1, 0, 1, 0x1000, [9] = 512, 3, [15] = 2, [22] = 7, 11, 5};
static const unsigned int old_flat[24] = {
    3, 1, 1, [4] = 0x1000, [10] = 512, [13] = 2, [21] = 7, 11};
static const unsigned int old_deep[36] = {
    3, 1, 1, 0, 1, [6] = 0x1000, [14] = 512, 3, [20] = 2, [32] = 7, 11, 5};

/* 100 by 4 elements of 4 bytes, and 16 by 8 of 16. */
static const uint64_t array[] = {100, 4, 0x100000020ull}, cube[] = {16, 8, 0, 0x400000020ull, 0};
static const unsigned int old_array[] = {100, 4, 0x20, 1}, old_cube[] = {16, 8, 0, 0x20, 4, 0};

static const struct {
	const char *parameter, *part_of_symbol;
	const void *data;
	bool batch; /* a record for each part */
} given[] = {
    {"dsts", "", ranges, true},
    {"dptrs", "", ranges, true},
    {"sizes", "", sizes, false},
    {"extSemArray", "", words, true},
    {"bufferDesc", "", buffer, false},
    {"paramsArray", "Decompress", unpacked, true},
    {"opList", "Fabric", fabric, true},
    {"opList", "3D", volume, true},
    {"op", "3D", volume[1], false},
    {"paramArray", "BatchMemOp", operations, true},
    {"mapInfoList", "", tiles, true},
    {"config", "", &config, false},
    {"launchParamsList", "", launches, true},
    {"pCopy", "2D_v2", flat, false},
    {"pCopy", "2DAsync_v2", flat, false},
    {"pCopy", "2DUnaligned_v2", flat, false},
    {"pCopy", "2D", old_flat, false},
    {"pCopy", "3D_v2", deep, false},
    {"pCopy", "3DAsync_v2", deep, false},
    {"pCopy", "3DPeer", deep, false},
    {"pCopy", "3D", old_deep, false},
    {"pAllocateArray", "Array3DCreate_v2", cube, false},
    {"pAllocateArray", "Array3DCreate", old_cube, false},
    {"pAllocateArray", "ArrayCreate_v2", array, false},
    {"pAllocateArray", "ArrayCreate", old_array, false},
    {"pMipmappedArrayDesc", "", cube, false},
};

struct parameter {
	char name[40];
	bool pointer, batch;
	uint64_t word;
};

static uint64_t room[WORDS][SLOT / 8];

static uint64_t word_of(const char *symbol, struct parameter *parameter, unsigned int index)
{
	static const char *const counts[] = {"count", "numOps", "numExtSems", "numDevices"};

	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
		if (strcmp(given[i].parameter, parameter->name) == 0 &&
		    strstr(symbol, given[i].part_of_symbol) != NULL) {
			parameter->batch = given[i].batch;
			return (uintptr_t)given[i].data;
		}
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		if (strcmp(counts[i], parameter->name) == 0)
			return SOME;
	if (strcmp(parameter->name, "stream") == 0 || strcmp(parameter->name, "hStream") == 0)
		return 0;
	return parameter->pointer ? (uintptr_t)room[index] : 3 + index;
}

/* What is passed to a function, by the parameters that the header names. */
static unsigned int read_parameters(const struct hook *hook, struct parameter *list)
{
	unsigned int count = 0;

	for (const char *at = hook->parameters + 1; strncmp(at, "void)", 5) != 0; at++) {
		size_t length = strcspn(at, ",)");
		const char *name = at + length;

		while (name[-1] != ' ' && name[-1] != '*')
			name--;
		snprintf(list[count].name, sizeof(list[count].name), "%.*s",
			 (int)(at + length - name), name);
		list[count].pointer = memchr(at, '*', length) != NULL;
		list[count].batch = false;
		list[count].word = word_of(hook->symbol, &list[count], count);
		count++;
		at += length;
		if (*at == ')')
			break;
	}
	return count;
}

static uint64_t value_of(const struct hook *hook, const char *word, const struct parameter *list,
			 unsigned int count)
{
	bool behind = word[0] == '*', next = strstr(word, "+1") != NULL;
	size_t length = strcspn(word + behind, "+");

	if (strcmp(word, "stream") == 0)
		return hook->twin ? 2 : 1;
	if (word[0] >= '0' && word[0] <= '9')
		return strtoull(word, NULL, 10);
	for (unsigned int i = 0; i < count; i++)
		if (strncmp(list[i].name, word + behind, length) == 0 &&
		    list[i].name[length] == '\0')
			return (behind ? *(uint64_t *)(uintptr_t)list[i].word : list[i].word) +
			       next;
	fprintf(stderr, "%s has no %s\n", hook->symbol, word);
	exit(1);
}

/* A product. */
static uint64_t evaluate(const struct hook *hook, const char *text, const struct parameter *list,
			 unsigned int count)
{
	char copy[128], *rest = copy, *word;
	uint64_t value = 1;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((word = strsep(&rest, " ")) != NULL)
		value *= value_of(hook, word, list, count);
	return value;
}

struct seen {
	uint64_t count;
	struct anaros_record last;
};

static void see(const struct anaros_record *record, void *context)
{
	struct seen *seen = context;

	if (record->kind == ANAROS_KIND_META_NAME || record->pid != (uint32_t)getpid())
		return;
	seen->count++;
	if (record->start_ns >= seen->last.start_ns)
		seen->last = *record;
}

static struct seen look(void)
{
	struct seen seen = {.count = 0};

	harness_each(&harness, see, &seen);
	return seen;
}

static void compare(const struct hook *hook, const char *what, uint64_t told, uint64_t wanted)
{
	if (told == wanted)
		return;
	fprintf(stderr, "%s: its %s is %#lx, wanted %#lx\n", hook->symbol, what,
		(unsigned long)told, (unsigned long)wanted);
	exit(1);
}

static void check(struct hook *hook, const struct meaning *meaning)
{
	struct parameter list[WORDS];
	unsigned int count = read_parameters(hook, list), parts = meaning->kind != 0;
	uint64_t words[WORDS] = {0};
	struct seen before = look(), after;
	any function;

	for (unsigned int i = 0; i < WORDS; i++)
		room[i][0] = meaning->kind != 0 ? 0xd000 + i : 0;
	for (unsigned int i = 0; i < count; i++) {
		words[i] = list[i].word;
		parts *= list[i].batch ? SOME : 1;
	}
	*(void **)&function = cuda_symbol(driver, hook->symbol);
	OK(function(words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7],
		    words[8], words[9], words[10], words[11]));
	after = look();
	compare(hook, "number of records", after.count - before.count, parts);
	hook->asserted = true;
	if (meaning->kind == 0)
		return;
	compare(hook, "kind", after.last.kind, meaning->kind);
	compare(hook, "object", after.last.object, evaluate(hook, meaning->object, list, count));
	compare(hook, "address", after.last.address, evaluate(hook, meaning->address, list, count));
	compare(hook, "size", after.last.size_bytes, evaluate(hook, meaning->bytes, list, count));
	compare(hook, "flags", after.last.flags, meaning->flags);
	compare(hook, "status", (uint64_t)after.last.status, 0);
}

/* A function, and its twin behind it in the list. */
static void check_symbol(const char *symbol, const struct meaning *meaning)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (strcmp(hooks[i].symbol, symbol) == 0) {
			check(&hooks[i], meaning);
			if (i + 1 < HOOKS && hooks[i + 1].twin)
				check(&hooks[i + 1], meaning);
			return;
		}
	fprintf(stderr, "%s is not recorded\n", symbol);
	exit(1);
}

static void nothing_is_left_out(void)
{
	size_t asserted = 0, other = sizeof(elsewhere) / sizeof(*elsewhere);

	for (size_t i = 0; i < HOOKS; i++) {
		bool found = hooks[i].asserted;

		for (size_t at = 0; at < other; at++)
			found |= strcmp(elsewhere[at], hooks[i].symbol) == 0;
		asserted += hooks[i].asserted;
		if (!found) {
			fprintf(stderr, "%s: no meaning is asserted\n", hooks[i].symbol);
			exit(1);
		}
	}
	printf("%zu of %zu by the table, %zu elsewhere\n", asserted, HOOKS, other);
	CHECK_EQUAL(asserted + other, HOOKS);
}

int main(void)
{
	driver = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL);
	if (driver == NULL)
		harness_skip("the echo driver is not built");
	harness = harness_open();
	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++) {
		char copy[1024], *rest = copy, *symbol;

		snprintf(copy, sizeof(copy), "%s", meanings[i].symbols);
		while ((symbol = strsep(&rest, " ")) != NULL)
			check_symbol(symbol, &meanings[i]);
	}
	nothing_is_left_out();
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
