// SPDX-License-Identifier: Apache-2.0
/* Columns in shared memory: rows are appended here, and read from here. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "native.h"
#include "segment.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE 4096ull

const uint8_t segment_widths[SEGMENT_COLUMNS] = {8, 8, 4, 4, 2, 2, 4, 8, 8, 8, 8};

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

uint64_t anaros_segment_bytes(uint32_t capacity, uint64_t names_capacity)
{
	uint64_t bytes = PAGE;

	for (int i = 0; i < SEGMENT_COLUMNS; i++)
		bytes += page_up((uint64_t)capacity * segment_widths[i]);
	return bytes + page_up(names_capacity);
}

static struct segment *map_segment(int fd, uint64_t bytes, bool writable, int *error)
{
	struct segment *segment = calloc(1, sizeof(*segment));

	if (segment == NULL) {
		*error = ENOMEM;
		return NULL;
	}
	segment->bytes = bytes;
	segment->base =
	    mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (segment->base == MAP_FAILED) {
		*error = errno;
		free(segment);
		return NULL;
	}
	segment->header = (struct segment_header *)segment->base;
	return segment;
}

static void lay_out(struct segment *segment)
{
	char *at = segment->base + PAGE;

	for (int i = 0; i < SEGMENT_COLUMNS; i++) {
		segment->columns[i] = at;
		at += page_up((uint64_t)segment->header->capacity * segment_widths[i]);
	}
	segment->names = at;
}

struct segment *anaros_segment_create(const char *path, uint32_t capacity, uint64_t names_capacity,
				      int *error)
{
	uint64_t bytes = anaros_segment_bytes(capacity, names_capacity);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct segment *segment = NULL;

	if (fd < 0) {
		*error = errno;
		return NULL;
	}
	*error = posix_fallocate(fd, 0, (off_t)PAGE);
	if (*error == 0 && ftruncate(fd, (off_t)bytes) != 0)
		*error = errno;
	if (*error == 0)
		segment = map_segment(fd, bytes, true, error);
	close(fd);
	if (segment == NULL) {
		unlink(path);
		return NULL;
	}
	segment->header->version = SEGMENT_VERSION;
	segment->header->capacity = capacity;
	segment->header->names_capacity = names_capacity;
	segment->header->magic = SEGMENT_MAGIC;
	lay_out(segment);
	return segment;
}

struct segment *anaros_segment_open(const char *path, bool writable, int *error)
{
	int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
	struct segment *segment;
	struct stat status;

	if (fd < 0) {
		*error = errno;
		return NULL;
	}
	if (fstat(fd, &status) != 0 || (uint64_t)status.st_size < PAGE) {
		*error = EINVAL;
		close(fd);
		return NULL;
	}
	segment = map_segment(fd, (uint64_t)status.st_size, writable, error);
	close(fd);
	if (segment == NULL)
		return NULL;
	if (segment->header->magic != SEGMENT_MAGIC ||
	    segment->header->version != SEGMENT_VERSION ||
	    segment->bytes !=
		anaros_segment_bytes(segment->header->capacity, segment->header->names_capacity) ||
	    segment->header->count > segment->header->capacity ||
	    segment->header->names_bytes > segment->header->names_capacity) {
		*error = EINVAL;
		anaros_segment_close(segment);
		return NULL;
	}
	lay_out(segment);
	return segment;
}

void anaros_segment_close(struct segment *segment)
{
	munmap(segment->base, segment->bytes);
	free(segment);
}

void anaros_segment_reset(struct segment *segment, uint64_t sequence)
{
	struct segment_header *header = segment->header;

	__atomic_store_n(&header->count, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&header->names_bytes, 0, __ATOMIC_RELEASE);
	header->opened_ns = 0;
	header->sequence = sequence;
}

static bool present(char *from, uint64_t bytes)
{
	char *page = (char *)((uintptr_t)from & ~(PAGE - 1));

	while (madvise(page, (size_t)(from - page) + bytes, MADV_POPULATE_WRITE) != 0) {
		if (errno == EINTR || errno == EAGAIN)
			continue;
		return errno == EINVAL; /* Linux before 5.14: take the risk */
	}
	return true;
}

bool anaros_segment_room(struct segment *segment, uint32_t rows)
{
	uint64_t wanted = segment->header->count + rows;

	if (wanted > segment->header->capacity)
		return false;
	while (segment->populated < wanted) {
		uint32_t step = segment->header->capacity - segment->populated;

		if (step > SEGMENT_STEP)
			step = SEGMENT_STEP;
		for (int i = 0; i < SEGMENT_COLUMNS; i++) {
			uint64_t width = segment_widths[i];

			if (!present(segment->columns[i] + segment->populated * width,
				     step * width))
				return false;
		}
		segment->populated += step;
	}
	return true;
}

bool segment_put_name(struct segment *segment, uint64_t *at, const struct anaros_record *record,
		      const char *text, uint32_t size)
{
	uint64_t bytes = (sizeof(struct name_entry) + size + 7) & ~7ull;
	struct name_entry entry = {
	    .object = record->object,
	    .start_ns = record->start_ns,
	    .pid = record->pid,
	    .name_class = (uint16_t)record->status,
	    .size = (uint16_t)size,
	};

	if (*at + bytes > segment->header->names_capacity)
		return false;
	while (segment->names_populated < *at + bytes) {
		uint64_t step = segment->header->names_capacity - segment->names_populated;

		if (step > 65536)
			step = 65536;
		if (!present(segment->names + segment->names_populated, step))
			return false;
		segment->names_populated += step;
	}
	memcpy(segment->names + *at, &entry, sizeof(entry));
	memcpy(segment->names + *at + sizeof(entry), text, size);
	*at += bytes;
	return true;
}

/* What the kernel plane hands over: a name, or as many records as `size` tells. */
int anaros_segment_sample(void *context, void *data, size_t size)
{
	struct segment *segment = *(struct segment **)context;
	const struct anaros_record *record = data;
	uint32_t rows = (uint32_t)(size / sizeof(*record));

	if (rows == 0)
		return 0;
	if (record->kind == ANAROS_KIND_META_NAME) {
		uint64_t names = segment->header->names_bytes;
		uint64_t length = record->size_bytes;

		if (length > size - sizeof(*record))
			length = size - sizeof(*record);
		if (segment_put_name(segment, &names, record, (const char *)(record + 1),
				     (uint32_t)length))
			__atomic_store_n(&segment->header->names_bytes, names, __ATOMIC_RELEASE);
		else
			segment->lost++;
		return 0;
	}
	if (!anaros_segment_room(segment, rows)) {
		segment->lost += rows;
		return 0;
	}
	segment_put_rows(segment, segment->header->count, record, rows);
	if (segment->header->opened_ns == 0)
		segment->header->opened_ns = record->start_ns;
	__atomic_store_n(&segment->header->count, segment->header->count + rows, __ATOMIC_RELEASE);
	return 0;
}

#define GATHER(type)                                                                               \
	do {                                                                                       \
		const type *from = (const type *)segment->columns[column];                         \
		type *to = out[column];                                                            \
		for (uint64_t i = 0; i < count; i++)                                               \
			to[i] = from[order[i]];                                                    \
	} while (0)

/* Copies every column in the given order: out[column][i] = row order[i]. */
void anaros_segment_gather(const struct segment *segment, const uint32_t *order, uint64_t count,
			   void *const *out)
{
	for (int column = 0; column < SEGMENT_COLUMNS; column++) {
		if (segment_widths[column] == 8)
			GATHER(uint64_t);
		else if (segment_widths[column] == 4)
			GATHER(uint32_t);
		else
			GATHER(uint16_t);
	}
}

#define RADIX_BITS 11
#define RADIX      (1u << RADIX_BITS)

/* to = from, stably reordered by 16 bits of each row's key. */
#define COUNTING_PASS(key_of)                                                                      \
	do {                                                                                       \
		uint32_t sum = 0;                                                                  \
                                                                                                   \
		memset(buckets, 0, BUCKETS * sizeof(*buckets));                                    \
		for (uint64_t i = 0; i < count; i++)                                               \
			buckets[key_of(from[i])]++;                                                \
		for (uint32_t i = 0; i < BUCKETS; i++) {                                           \
			uint32_t here = buckets[i];                                                \
                                                                                                   \
			buckets[i] = sum;                                                          \
			sum += here;                                                               \
		}                                                                                  \
		for (uint64_t i = 0; i < count; i++)                                               \
			to[buckets[key_of(from[i])]++] = from[i];                                  \
	} while (0)

/*
 * The order in which rows are stored: blocks of `block` rows that follow
 * each other in time, and inside a block by kind, then thread, then time, so
 * that like stands by like and compresses. `order` holds the order of time
 * and receives the result; `scratch` has room for as many. Returns 0, or
 * -ENOMEM.
 */
int anaros_segment_cluster(const struct segment *segment, uint64_t count, uint32_t block,
			   uint32_t *order, uint32_t *scratch)
{
	enum { BUCKETS = 65536 };
	const uint16_t *kinds = (const uint16_t *)segment->columns[4];
	const uint32_t *tids = (const uint32_t *)segment->columns[3];
	uint32_t *buckets = malloc(BUCKETS * sizeof(*buckets));
	uint64_t whole = count;

	if (buckets == NULL)
		return -ENOMEM;
	for (uint64_t at = 0; at < whole; at += block) {
		uint32_t *from = order + at, *to = scratch + at;

		count = whole - at < block ? whole - at : block;
#define TID_OF(row)  (tids[row] & 0xffff)
#define KIND_OF(row) (kinds[row])
		COUNTING_PASS(TID_OF);
		from = scratch + at;
		to = order + at;
		COUNTING_PASS(KIND_OF);
	}
	free(buckets);
	return 0;
}

/*
 * order = positions that sort keys, stable. A radix sort over the digits in
 * which keys differ: the rows of one segment span seconds, so three or four
 * passes. `scratch` has room for `count` words. Returns 0, or -ENOMEM.
 */
int anaros_argsort(const uint64_t *keys, uint64_t count, uint32_t *order, uint32_t *scratch)
{
	uint64_t low = UINT64_MAX, high = 0;
	uint32_t *from = order, *to = scratch;
	bool sorted = true;
	uint32_t *buckets;

	for (uint64_t i = 0; i < count; i++) {
		low = keys[i] < low ? keys[i] : low;
		high = keys[i] > high ? keys[i] : high;
		sorted &= i == 0 || keys[i - 1] <= keys[i];
		order[i] = (uint32_t)i;
	}
	if (sorted)
		return 0;
	buckets = malloc(RADIX * sizeof(*buckets));
	if (buckets == NULL)
		return -ENOMEM;
	for (unsigned int shift = 0; shift < 64 && (high - low) >> shift != 0;
	     shift += RADIX_BITS) {
		uint32_t sum = 0, *swap = from;

		memset(buckets, 0, RADIX * sizeof(*buckets));
		for (uint64_t i = 0; i < count; i++)
			buckets[((keys[i] - low) >> shift) & (RADIX - 1)]++;
		for (uint32_t i = 0; i < RADIX; i++) {
			uint32_t here = buckets[i];

			buckets[i] = sum;
			sum += here;
		}
		for (uint64_t i = 0; i < count; i++) {
			uint32_t row = from[i];

			to[buckets[((keys[row] - low) >> shift) & (RADIX - 1)]++] = row;
		}
		from = to;
		to = swap;
	}
	if (from != order)
		memcpy(order, from, count * sizeof(*order));
	free(buckets);
	return 0;
}
