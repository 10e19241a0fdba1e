// SPDX-License-Identifier: Apache-2.0
/*
 * Buffers for CUPTI, from a pool, and what comes back in them: work of the
 * device becomes records in device time. Whose work it is says the record of
 * the call with the same correlation: its thread, and when it was made. One
 * may come before the other.
 */
#include <pthread.h>
#include <string.h>

#include "cupti/cupti.h"
#include "core/shim.h"
#include "core/sys.h"

#define BUFFERS      32u
#define BUFFER_BYTES 262144u
#define CALLS        65536u
#define PENDING      4096u

struct call {
	uint32_t correlation; /* 0: none */
	uint32_t tid;
	uint64_t middle; /* of the call, in CUPTI's time */
};

struct work {
	struct anaros_fields fields;
	uint64_t start, end; /* in CUPTI's time */
	uint32_t correlation, other_correlation;
};

static struct {
	uint8_t *buffers;
	uint32_t taken; /* one bit for each buffer */
	struct call *calls;
	struct work *pending;
	uint32_t pending_count;
	pthread_mutex_t lock;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *map(size_t bytes)
{
	void *memory =
	    sys_mmap(NULL, bytes, 3 /* read, write */, 0x22 /* private, anonymous */, -1, 0);

	return sys_mmap_failed(memory) ? NULL : memory;
}

bool anaros_cupti_make_pool(void)
{
	pool.buffers = map((size_t)BUFFERS * BUFFER_BYTES);
	pool.calls = map(CALLS * sizeof(*pool.calls));
	pool.pending = map(PENDING * sizeof(*pool.pending));
	return pool.buffers != NULL && pool.calls != NULL && pool.pending != NULL;
}

/* Without a buffer CUPTI drops records, and counts them. */
void anaros_cupti_request(uint8_t **buffer, size_t *bytes, size_t *most_records)
{
	uint32_t taken = __atomic_load_n(&pool.taken, __ATOMIC_RELAXED);

	*buffer = NULL;
	*bytes = 0;
	*most_records = 0;
	while (taken != UINT32_MAX) {
		uint32_t free_bit = ~taken & (taken + 1);

		if (!__atomic_compare_exchange_n(&pool.taken, &taken, taken | free_bit, true,
						 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		*buffer = pool.buffers + (size_t)__builtin_ctz(free_bit) * BUFFER_BYTES;
		*bytes = BUFFER_BYTES;
		return;
	}
}

static void give_back(const uint8_t *buffer)
{
	size_t at = (size_t)(buffer - pool.buffers) / BUFFER_BYTES;

	if (buffer >= pool.buffers && at < BUFFERS)
		__atomic_fetch_and(&pool.taken, ~(1u << at), __ATOMIC_RELEASE);
}

static struct call *slot_of(uint32_t correlation)
{
	return &pool.calls[correlation % CALLS];
}

static const struct call *call_of(uint32_t correlation)
{
	const struct call *call = slot_of(correlation);

	return correlation != 0 && call->correlation == correlation ? call : NULL;
}

static void remember_call(const struct cupti_api *api)
{
	*slot_of(api->correlation) = (struct call){
	    .correlation = api->correlation,
	    .tid = api->tid,
	    .middle = api->start + (api->end - api->start) / 2,
	};
}

/* The record of work is that of the thread that made the call. */
static void emit(const struct work *work, const struct call *call)
{
	struct anaros_fields fields = work->fields;
	uint32_t tid = anaros_thread.tid;
	uint64_t start_ns = anaros_cupti_time(work->start);
	uint64_t end_ns = start_ns + (anaros_cupti_time(work->end) - start_ns);

	fields.flags |= ANAROS_FLAG_DEVICE_TIME;
	if (call != NULL) {
		uint64_t called_ns = anaros_cupti_time(call->middle);

		tid = call->tid;
		/* 0 is unknown: work that began in its call waited for 1 ns. */
		fields.context = called_ns < start_ns ? start_ns - called_ns : 1;
	}
	anaros_record_of(tid, start_ns, end_ns, &fields);
}

static bool emit_if_called(const struct work *work)
{
	const struct call *call = call_of(work->correlation);

	if (call == NULL)
		call = call_of(work->other_correlation);
	if (call != NULL)
		emit(work, call);
	return call != NULL;
}

/* Its call may be told in a later buffer. */
static void put(const struct work *work)
{
	if (work->start == 0 || work->end < work->start || emit_if_called(work))
		return;
	if (pool.pending_count == PENDING)
		emit(work, NULL);
	else
		pool.pending[pool.pending_count++] = *work;
}

static void try_pending(void)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < pool.pending_count; i++)
		if (!emit_if_called(&pool.pending[i]))
			pool.pending[kept++] = pool.pending[i];
	pool.pending_count = kept;
}

static uint64_t hash_of(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ull;
	return hash;
}

/* A number for both the device and its stream, as CUPTI counts them. */
static uint64_t stream_of(uint32_t device, uint32_t stream)
{
	return (uint64_t)(device + 1) << 32 | stream;
}

static void put_kernel(const struct cupti_kernel *kernel)
{
	struct work work = {
	    .fields = {.kind = ANAROS_KIND_GPU_EXECUTE,
		       .object = stream_of(kernel->device, kernel->stream)},
	    .start = kernel->start,
	    .end = kernel->end,
	    .correlation = kernel->correlation,
	};

	work.fields.size_bytes = (uint64_t)kernel->grid[0] * (uint64_t)kernel->grid[1] *
				 (uint64_t)kernel->grid[2] * (uint64_t)kernel->block[0] *
				 (uint64_t)kernel->block[1] * (uint64_t)kernel->block[2];
	if (kernel->name != NULL) {
		size_t length = strlen(kernel->name);
		uint64_t hash = hash_of(kernel->name, length);

		work.fields.address = hash;
		if (anaros_name_is_new(hash, hash))
			anaros_name(ANAROS_NAME_KERNEL, hash, kernel->name, length);
	}
	put(&work);
}

static void put_copy(const struct cupti_copy *copy)
{
	bool peer = copy->kind == CUPTI_MEMCPY_PEER;
	bool pinned = copy->from == CUPTI_PINNED || copy->to == CUPTI_PINNED;

	put(&(struct work){
	    .fields = {.kind = ANAROS_KIND_GPU_TRANSFER,
		       .flags = pinned ? ANAROS_FLAG_PINNED : 0,
		       .object = stream_of(copy->device, copy->stream),
		       .size_bytes = copy->bytes},
	    .start = copy->start,
	    .end = copy->end,
	    .correlation =
		peer ? ((const struct cupti_copy_peer *)copy)->correlation : copy->correlation,
	    .other_correlation = peer ? 0 : copy->runtime_correlation,
	});
}

static void put_fill(const struct cupti_fill *fill)
{
	put(&(struct work){
	    .fields = {.kind = ANAROS_KIND_GPU_TRANSFER,
		       .object = stream_of(fill->device, fill->stream),
		       .size_bytes = fill->bytes},
	    .start = fill->start,
	    .end = fill->end,
	    .correlation = fill->correlation,
	});
}

static void put_move(const struct cupti_move *move)
{
	struct work work = {
	    .fields = {.kind = ANAROS_KIND_GPU_MIGRATE,
		       .object = (uint64_t)(uint32_t)(move->to + 1),
		       .size_bytes = move->bytes,
		       .address = move->address},
	    .start = move->start,
	    .end = move->end,
	};

	if (work.start != 0 && work.end >= work.start &&
	    (move->counter == CUPTI_TO_DEVICE || move->counter == CUPTI_TO_HOST ||
	     move->counter == CUPTI_BETWEEN_DEVICES))
		emit(&work, NULL);
}

static void take(uint8_t *buffer, size_t valid, bool calls)
{
	uint8_t *record = NULL;

	while (anaros_cupti.ActivityGetNextRecord(buffer, valid, &record) == 0) {
		uint32_t kind = *(const uint32_t *)(const void *)record;

		if (calls != (kind == CUPTI_DRIVER || kind == CUPTI_RUNTIME))
			continue;
		switch (kind) {
		case CUPTI_DRIVER:
		case CUPTI_RUNTIME:
			remember_call((const void *)record);
			break;
		case CUPTI_KERNEL:
		case CUPTI_CONCURRENT_KERNEL:
			put_kernel((const void *)record);
			break;
		case CUPTI_MEMCPY:
		case CUPTI_MEMCPY_PEER:
			put_copy((const void *)record);
			break;
		case CUPTI_MEMSET:
			put_fill((const void *)record);
			break;
		case CUPTI_MANAGED:
			put_move((const void *)record);
			break;
		default:
			break;
		}
	}
}

/* A thread of CUPTI's calls, or ours, which is within CUPTI then. */
static bool begin_records(uint32_t *runtime)
{
	*runtime = anaros_thread.guard & ANAROS_GUARD_RUNTIME;
	anaros_thread.guard &= ~(uint32_t)ANAROS_GUARD_RUNTIME;
	return anaros_may_record();
}

void anaros_cupti_complete(void *context, uint32_t stream, uint8_t *buffer, size_t bytes,
			   size_t valid)
{
	int saved = errno;
	uint32_t runtime;

	if (begin_records(&runtime) && buffer != NULL && valid != 0) {
		anaros_cupti_sample_clock();
		pthread_mutex_lock(&pool.lock);
		take(buffer, valid, true);
		try_pending();
		take(buffer, valid, false);
		pthread_mutex_unlock(&pool.lock);
	}
	anaros_thread.guard |= runtime;
	give_back(buffer);
	errno = saved;
}

void anaros_cupti_end_pending(void)
{
	uint32_t runtime;

	if (begin_records(&runtime)) {
		pthread_mutex_lock(&pool.lock);
		for (uint32_t i = 0; i < pool.pending_count; i++)
			emit(&pool.pending[i], NULL);
		pool.pending_count = 0;
		pthread_mutex_unlock(&pool.lock);
	}
	anaros_thread.guard |= runtime;
}
