// SPDX-License-Identifier: Apache-2.0
/*
 * Description: a program that keeps device memory in a cache of its own, as
 * frameworks do: segments from the driver, split into blocks, joined again when
 * these are given back, and freed only when the driver refuses more; then it
 * asks again. Each call to the driver is recorded, and no block is.
 *
 * With the word "told" it prints what it knows of its memory, for a test that
 * reads the same from the report.
 */
#include "cuda_test.h"

#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define GIB (1ull << 30)

#define OUT_OF_MEMORY 2
#define BLOCKS        256
#define SIZES         32
#define FAILURES      10

enum sort { SEGMENT, ORDERED, SORTS };

static const char *const sort_names[SORTS] = {"device", "stream_ordered"};

/* Its own books, of what the driver gave and was given back. */
static struct {
	uint64_t held, high_water, freed, allocations, frees, allocated;
	uint64_t sort_held[SORTS], sort_high_water[SORTS];
	struct {
		enum sort sort;
		uint64_t bytes, count, live, most;
	} sizes[SIZES];
	struct {
		uint64_t asked, held, freed_before, freed;
		bool over;
	} failures[FAILURES];
	int size_count, failure_count;
} books;

static int size_of(enum sort sort, uint64_t bytes)
{
	int i = 0;

	while (i < books.size_count &&
	       (books.sizes[i].sort != sort || books.sizes[i].bytes != bytes))
		i++;
	CHECK(i < SIZES);
	if (i == books.size_count) {
		books.sizes[i].sort = sort;
		books.sizes[i].bytes = bytes;
		books.size_count++;
	}
	return i;
}

static void book_refused(uint64_t bytes)
{
	CHECK(books.failure_count < FAILURES);
	books.failures[books.failure_count].asked = bytes;
	books.failures[books.failure_count].held = books.held;
	books.failures[books.failure_count++].freed_before = books.freed;
}

static void book_given(enum sort sort, uint64_t bytes)
{
	int size = size_of(sort, bytes);

	for (int i = 0; i < books.failure_count; i++)
		if (!books.failures[i].over && books.failures[i].asked == bytes) {
			books.failures[i].over = true;
			books.failures[i].freed = books.freed - books.failures[i].freed_before;
		}
	books.allocations++;
	books.allocated += bytes;
	books.held += bytes;
	books.sort_held[sort] += bytes;
	if (books.held > books.high_water)
		books.high_water = books.held;
	if (books.sort_held[sort] > books.sort_high_water[sort])
		books.sort_high_water[sort] = books.sort_held[sort];
	books.sizes[size].count++;
	if (++books.sizes[size].live > books.sizes[size].most)
		books.sizes[size].most = books.sizes[size].live;
}

static void book_freed(enum sort sort, uint64_t bytes)
{
	books.frees++;
	books.freed += bytes;
	books.held -= bytes;
	books.sort_held[sort] -= bytes;
	books.sizes[size_of(sort, bytes)].live--;
}

static void *driver, *stream;

/* A segment is a row of blocks; one without neighbours can go back to the driver. */
static struct block {
	uint64_t address, bytes; /* 0 bytes: this one stands for none */
	struct block *before, *after;
	bool used;
} blocks[BLOCKS];

static struct block *new_block(uint64_t address, uint64_t bytes)
{
	struct block *block = blocks;

	while (block < blocks + BLOCKS && block->bytes != 0)
		block++;
	CHECK(block < blocks + BLOCKS);
	*block = (struct block){.address = address, .bytes = bytes};
	return block;
}

static uint64_t segment_bytes(uint64_t bytes)
{
	if (bytes <= MIB)
		return 2 * MIB;
	return bytes < 10 * MIB ? 20 * MIB : (bytes + 2 * MIB - 1) & ~(2 * MIB - 1);
}

static struct block *new_segment(uint64_t bytes)
{
	uint64_t address = 0;
	int result = CUDA(driver, cuMemAlloc_v2, uint64_t *, size_t)(&address, bytes);

	if (result != 0) {
		CHECK_EQUAL(result, OUT_OF_MEMORY);
		book_refused(bytes);
		return NULL;
	}
	book_given(SEGMENT, bytes);
	return new_block(address, bytes);
}

/* Frees whole segments: the first that is large enough, or all. */
static void release(uint64_t at_least, bool all)
{
	OK(CUDA(driver, cuCtxSynchronize, void)());
	for (struct block *block = blocks; block < blocks + BLOCKS; block++) {
		if (block->used || block->bytes == 0 || block->before != NULL ||
		    block->after != NULL || block->bytes < at_least)
			continue;
		OK(CUDA(driver, cuMemFree_v2, uint64_t)(block->address));
		book_freed(SEGMENT, block->bytes);
		block->bytes = 0;
		if (!all)
			return;
	}
}

static void split(struct block *block, uint64_t bytes)
{
	struct block *rest;

	if (block->bytes - bytes < (bytes <= MIB ? 512 : MIB + 1))
		return;
	rest = new_block(block->address + bytes, block->bytes - bytes);
	rest->before = block;
	rest->after = block->after;
	if (rest->after != NULL)
		rest->after->before = rest;
	block->after = rest;
	block->bytes = bytes;
}

/* NULL: the driver has no more, and all that could be given back was. */
static struct block *take(uint64_t asked)
{
	uint64_t bytes = (asked + 511) & ~511ull, segment = segment_bytes(bytes);
	struct block *best = NULL;

	for (struct block *block = blocks; block < blocks + BLOCKS; block++)
		if (!block->used && block->bytes >= bytes &&
		    (best == NULL || block->bytes < best->bytes))
			best = block;
	if (best == NULL)
		best = new_segment(segment);
	if (best == NULL) {
		release(GIB, false);
		best = new_segment(segment);
	}
	if (best == NULL) {
		release(0, true);
		best = new_segment(segment);
	}
	if (best == NULL)
		return NULL;
	split(best, bytes);
	best->used = true;
	return best;
}

static void join(struct block *first, struct block *second)
{
	if (first == NULL || second == NULL || first->used || second->used)
		return;
	first->bytes += second->bytes;
	first->after = second->after;
	if (first->after != NULL)
		first->after->before = first;
	second->bytes = 0;
}

static void give(struct block *block)
{
	struct block *before = block->before;

	block->used = false;
	join(block, block->after);
	join(before, block);
}

/* The first fills the cache, and the driver is not asked again. */
static void steps(void)
{
	static const uint64_t sizes[] = {300 * KIB, 3 * MIB, 700 * KIB, 12 * MIB,
					 64 * MIB,  9 * MIB, 100};
	enum { COUNT = sizeof(sizes) / sizeof(*sizes) };
	struct block *held[COUNT];
	uint64_t calls = 0;

	for (int step = 0; step < 20; step++) {
		for (int i = 0; i < COUNT; i++)
			CHECK((held[i] = take(sizes[i])) != NULL);
		for (int i = 0; i < COUNT; i++)
			give(held[(i * 3) % COUNT]);
		if (step == 0)
			calls = books.allocations;
	}
	CHECK(calls > 0 && books.allocations == calls && books.frees == 0);
}

/* Blocks of one size and of another in turn: neither has room for the other. */
static void pressure(void)
{
	struct block *weights = take(2 * GIB), *parts[5], *whole;

	CHECK(weights != NULL);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++)
			CHECK((parts[i] = take(GIB)) != NULL);
		for (int i = 0; i < 5; i++)
			give(parts[i]);
		/* Refused, and again after the first of the five went. */
		CHECK((whole = take(5 * GIB)) != NULL);
		give(whole);
		release(0, true);
	}
	/* More than there is: asked for three times, and nothing helps. */
	CHECK(take(9 * GIB) == NULL);
	give(weights);
}

static uint64_t take_ordered(uint64_t bytes)
{
	uint64_t address = 0;
	int result =
	    CUDA(driver, cuMemAllocAsync, uint64_t *, size_t, void *)(&address, bytes, stream);

	if (result != 0) {
		CHECK_EQUAL(result, OUT_OF_MEMORY);
		book_refused(bytes);
		return 0;
	}
	book_given(ORDERED, bytes);
	return address;
}

/* What the cache keeps is in the way of the pool. */
static void pool(void)
{
	struct block *block = take(6 * GIB);
	uint64_t address;

	CHECK(block != NULL);
	give(block);
	CHECK_EQUAL(take_ordered(4 * GIB), 0);
	release(0, true);
	for (int i = 0; i < 4; i++) {
		CHECK((address = take_ordered(4 * GIB)) != 0);
		OK(CUDA(driver, cuMemFreeAsync, uint64_t, void *)(address, stream));
		book_freed(ORDERED, 4 * GIB);
		OK(CUDA(driver, cuStreamSynchronize, void *)(stream));
	}
	CHECK(take(GIB) != NULL);
}

static void tell(void)
{
	const char *comma = "";

	printf("{\"high_water\": %lu, \"in_use\": %lu, \"sorts\": {", books.high_water, books.held);
	for (int i = 0; i < SORTS; i++)
		printf("%s\"%s\": [%lu, %lu]", i > 0 ? ", " : "", sort_names[i],
		       books.sort_high_water[i], books.sort_held[i]);
	printf("}, \"churn\": [");
	for (int i = 0; i < books.size_count; i++)
		if (books.sizes[i].count > books.sizes[i].most) {
			printf("%s[\"%s\", %lu, %lu]", comma, sort_names[books.sizes[i].sort],
			       books.sizes[i].bytes, books.sizes[i].count - books.sizes[i].most);
			comma = ", ";
		}
	printf("], \"failures\": [");
	for (int i = 0; i < books.failure_count; i++) {
		printf("%s[%lu, %lu, ", i > 0 ? ", " : "", books.failures[i].asked,
		       books.failures[i].held);
		printf(books.failures[i].over ? "%lu]" : "null]", books.failures[i].freed);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	bool told = argc > 1 && strcmp(argv[1], "told") == 0;
	struct harness harness;

	if (!told)
		harness = harness_open();
	driver = cuda_open();
	cuda_start(driver);
	OK(CUDA(driver, cuStreamCreate, void **, unsigned int)(&stream, 1));
	steps();
	pressure();
	pool();
	CHECK_EQUAL(books.failure_count, FAILURES);
	if (told) {
		tell();
		return 0;
	}
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_ALLOC),
		    books.allocations + (uint64_t)books.failure_count);
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_FREE), books.frees);
	CHECK_EQUAL(sim_calls(driver, "cuMemAlloc_v2") + sim_calls(driver, "cuMemAllocAsync"),
		    books.allocations + (uint64_t)books.failure_count);
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
