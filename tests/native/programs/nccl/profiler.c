// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what NCCL tells its profiler plugin is recorded, in each of
 * the seven versions of that interface, and changes nothing for NCCL.
 *
 * Plays NCCL's side: opens the library that NCCL_PROFILER_PLUGIN names, asks
 * for the structure of a version and calls as NCCL does. Events are laid out
 * by the offsets of NCCL's own headers, not by the shim's.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "harness.h"

enum { COLL = 2, P2P = 4, OP = 8, STEP = 16, COLL_CALL = 512, P2P_CALL = 1024, COPY = 4096 };

struct place {
	uint8_t communicator, function, count, datatype, algorithm, protocol;
};

/* Where NCCL puts things; 0: the version has no such field. */
static const struct version {
	struct place coll, p2p;
	uint8_t p2p_peer;
	bool codes;
	int mask;
} versions[] = {
    [1] = {{32, 48, 72, 84, 106, 107}, {32, 40, 64, 56, 0, 0}, 72, true, 30},
    [2] = {{32, 48, 72, 88, 112, 120}, {32, 40, 64, 56, 0, 0}, 72, false, 30},
    [3] = {{32, 48, 72, 88, 104, 112}, {32, 40, 64, 56, 0, 0}, 72, false, 30},
    [4] = {{0, 32, 56, 72, 88, 96}, {0, 24, 48, 40, 0, 0}, 56, false, 30},
    [5] = {{0, 32, 56, 72, 88, 96}, {0, 24, 48, 40, 0, 0}, 56, false, 30},
    [6] = {{0, 32, 56, 72, 88, 96}, {0, 24, 48, 40, 0, 0}, 56, false, 30 | COPY},
    [7] = {{0, 32, 56, 72, 88, 96}, {0, 24, 48, 40, 0, 0}, 56, false, 30 | COPY},
};

/* The operation's fields lie alike in all versions. */
enum { PID = 24, OP_PEER = 32, SENDS = 44, NUMBER = 24 };

struct plugin {
	const char *name;
	void *init;
	int (*start)(void *context, void **handle, void *event);
	int (*stop)(void *handle);
	int (*state)(void *handle, int state, void *arguments);
	int (*finalize)(void *context);
};

static const struct plugin *plugin;
static int version;
static uint64_t communicator;

struct event {
	char bytes[160];
};

#define PUT(event, offset, type, value)                                                            \
	memcpy((event)->bytes + (offset), &(type){(type)(value)}, sizeof(type))

static struct event event_of(int type, void *parent)
{
	struct event event;

	memset(&event, 0, sizeof(event));
	if (version < 5)
		PUT(&event, 0, uint8_t, type);
	else
		PUT(&event, 0, uint64_t, type);
	PUT(&event, 8, void *, parent);
	return event;
}

static void *start(void *context, struct event event)
{
	void *handle = &handle; /* NCCL does not clear it */

	CHECK_EQUAL(plugin->start(context, &handle, &event), 0);
	CHECK(handle != &handle);
	return handle;
}

static void word(struct event *event, uint8_t offset, int code, const char *text)
{
	if (versions[version].codes)
		PUT(event, offset, uint8_t, code);
	else
		PUT(event, offset, const char *, text);
}

static void *start_all_reduce(void *context, void *call, size_t count)
{
	const struct place *place = &versions[version].coll;
	struct event event = event_of(COLL, call);

	if (place->communicator != 0)
		PUT(&event, place->communicator, uint64_t, communicator);
	word(&event, place->function, 4, "AllReduce");
	word(&event, place->datatype, 7, "ncclFloat32");
	word(&event, place->algorithm, 1, "RING");
	word(&event, place->protocol, 1, "LL128");
	PUT(&event, place->count, size_t, count);
	return start(context, event);
}

static void *start_send(void *context, size_t count, int peer)
{
	const struct place *place = &versions[version].p2p;
	struct event event = event_of(P2P, NULL);

	if (place->communicator != 0)
		PUT(&event, place->communicator, uint64_t, communicator);
	word(&event, place->function, 6, "Send");
	word(&event, place->datatype, 9, "ncclBfloat16");
	PUT(&event, place->count, size_t, count);
	PUT(&event, versions[version].p2p_peer, int, peer);
	return start(context, event);
}

static void *start_operation(void *context, int pid, int peer, int sends)
{
	struct event event = event_of(OP, NULL);

	PUT(&event, PID, int, pid);
	PUT(&event, OP_PEER, int, peer);
	PUT(&event, SENDS, int, sends);
	return start(context, event);
}

static void *start_step(void *context, void *operation, int number)
{
	struct event event = event_of(STEP, operation);

	PUT(&event, NUMBER, int, number);
	return start(context, event);
}

static void *start_call(void *context, int type, bool captured)
{
	struct event event = event_of(type, NULL);

	PUT(&event, type == COLL_CALL ? 64 : 56, bool, captured);
	return start(context, event);
}

static void *init(void)
{
	void *context = NULL;
	int mask = -1;

	if (version < 4)
		CHECK_EQUAL(((int (*)(void **, int *))plugin->init)(&context, &mask), 0);
	else if (version == 4)
		CHECK_EQUAL(((int (*)(void **, int *, const char *, uint64_t, int, int, int,
				      void *))plugin->init)(&context, &mask, "tp", communicator, 1,
							    8, 3, NULL),
			    0);
	else
		CHECK_EQUAL(((int (*)(void **, uint64_t, int *, const char *, int, int, int,
				      void *))plugin->init)(&context, communicator, &mask, "tp", 1,
							    8, 3, NULL),
			    0);
	CHECK_EQUAL(mask, versions[version].mask);
	CHECK(context != NULL);
	return context;
}

/* The record whose name is `text`, of this version's communicator. */
struct search {
	const char *text;
	uint16_t name_class;
	uint64_t object;
};

static void see(const struct anaros_record *record, void *context)
{
	struct search *search = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->status == search->name_class &&
	    record->size_bytes == strlen(search->text) &&
	    memcmp(record + 1, search->text, record->size_bytes) == 0)
		search->object = record->object;
}

static uint64_t object_named(const struct harness *harness, uint16_t name_class, const char *text)
{
	struct search search = {text, name_class, 0};

	harness_each(harness, see, &search);
	return search.object;
}

static struct harness_search found(const struct harness *harness, uint64_t of, const char *text)
{
	uint64_t name = object_named(harness, ANAROS_NAME_KERNEL, text);
	struct wanted wanted = {.kind = ANAROS_KIND_GPU_COLLECTIVE,
				.object = of,
				.address = name,
				.pid = (uint32_t)getpid()};

	if (name == 0)
		return (struct harness_search){.count = 0};
	return harness_find(harness, wanted);
}

static void rest(void)
{
	struct timespec time = {0, 100000};

	nanosleep(&time, NULL);
}

static void check_work(const struct harness *harness, void *context)
{
	void *handle = start_all_reduce(context, NULL, 1000), *sent = start_send(context, 500, 7);
	struct harness_search search;

	CHECK(handle != NULL && sent != NULL && handle != sent);
	CHECK_EQUAL(plugin->stop(handle), 0);
	CHECK_EQUAL(plugin->stop(sent), 0);
	search = found(harness, communicator, "AllReduce RING LL128 Float32");
	CHECK_EQUAL(search.count, 1);
	CHECK_EQUAL(search.bytes, 4000);
	CHECK_EQUAL(search.last.status, 0);
	CHECK_EQUAL(search.last.flags, ANAROS_FLAG_ASYNC);
	search = found(harness, communicator, "Send Bfloat16 peer 7");
	CHECK_EQUAL(search.count, 1);
	CHECK_EQUAL(search.bytes, 1000);
	if (version >= 4)
		CHECK_EQUAL(object_named(harness, ANAROS_NAME_STREAM, "NCCL tp rank 3 of 8"),
			    communicator);
}

/* A send in two steps: the GPU is late, then the network. */
static void check_transfer(const struct harness *harness, void *context)
{
	void *operation = start_operation(context, getpid(), 5, 1);
	void *first = start_step(context, operation, 0),
	     *second = start_step(context, operation, 1);
	size_t bytes = 4096;
	struct harness_search whole, gpu, network;

	CHECK(operation != NULL && first != NULL && second != NULL && first != second);
	plugin->state(first, 8, version >= 4 ? &bytes : NULL);
	rest();
	plugin->state(first, 9, version >= 4 ? &bytes : NULL);
	rest();
	plugin->state(second, 9, version >= 4 ? &bytes : NULL);
	plugin->stop(first);
	rest();
	plugin->stop(second);
	bytes = 8192;
	if (version < 4)
		plugin->state(operation, 2, &bytes);
	CHECK_EQUAL(plugin->stop(operation), 0);
	whole = found(harness, communicator, "network send peer 5");
	gpu = found(harness, communicator, "send waits for GPU");
	network = found(harness, communicator, "send waits for network");
	CHECK_EQUAL(whole.count, 1);
	CHECK_EQUAL(whole.bytes, 8192);
	CHECK_EQUAL(gpu.count, 1);
	CHECK_EQUAL(network.count, 1);
	CHECK(gpu.last.duration_ns >= 100000 && network.last.duration_ns >= 200000);
	CHECK(gpu.last.start_ns + gpu.last.duration_ns <= network.last.start_ns);
	CHECK(gpu.last.duration_ns + network.last.duration_ns <= whole.last.duration_ns);
}

/* NCCL passes the context of another process where it works for one. */
static void check_other_process(const struct harness *harness)
{
	void *operation = start_operation((void *)16, getpid() + 1, 2, 0);

	CHECK(operation != NULL);
	plugin->stop(start_step(NULL, operation, 3));
	plugin->stop(operation);
	CHECK(found(harness, 0, "network receive peer 2").count >= 1);
}

static void check_captured(const struct harness *harness, void *context)
{
	struct wanted wanted = {.kind = ANAROS_KIND_GPU_COLLECTIVE,
				.object = communicator,
				.flags = ANAROS_FLAG_CAPTURE};
	void *call = start_call(context, COLL_CALL, true), *handle;

	CHECK(call != NULL);
	CHECK(start_call(context, COLL_CALL, false) == NULL);
	CHECK(start_call(context, P2P_CALL, false) == NULL);
	handle = start_all_reduce(context, call, 1);
	plugin->stop(call);
	plugin->stop(handle);
	CHECK_EQUAL(harness_count(harness, wanted), 1);
}

static void check_copy_engine(const struct harness *harness, void *context)
{
	struct event event = event_of(COPY, NULL);
	struct harness_search search;

	PUT(&event, 32, const char *, "AllGather");
	PUT(&event, 56, size_t, 64);
	PUT(&event, 72, const char *, "ncclInt8");
	plugin->stop(start(context, event));
	search = found(harness, communicator, "AllGather copy engine Int8");
	CHECK_EQUAL(search.count, 1);
	CHECK_EQUAL(search.bytes, 64);
}

/* Handles are NULL and counted where there are no more; then all come back. */
static void check_overflow(const struct harness *harness, void *context)
{
	uint64_t drops = harness_drops(harness);
	static void *handles[5000];
	unsigned int held = 0;

	for (unsigned int i = 0; i < 5000; i++)
		held += (handles[i] = start_all_reduce(context, NULL, 1)) != NULL;
	CHECK(held >= 4000 && held < 5000);
	CHECK_EQUAL(harness_drops(harness) - drops, 5000 - held);
	for (unsigned int i = 0; i < 5000; i++)
		CHECK_EQUAL(plugin->stop(handles[i]), 0);
	CHECK_EQUAL(plugin->state(NULL, 9, NULL), 0);
	handles[0] = start_all_reduce(context, NULL, 1);
	CHECK(handles[0] != NULL);
	plugin->stop(handles[0]);
}

static void *hammer(void *context)
{
	for (int i = 0; i < 20000; i++) {
		void *handle = start_all_reduce(context, NULL, 1);

		CHECK(handle != NULL);
		plugin->stop(handle);
	}
	return NULL;
}

static void check_threads(const struct harness *harness, void *context)
{
	uint64_t before = found(harness, communicator, "AllReduce RING LL128 Float32").count;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, hammer, context) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQUAL(found(harness, communicator, "AllReduce RING LL128 Float32").count - before +
			harness_drops(harness),
		    80000 + 904);
}

int main(void)
{
	struct harness harness = harness_open();
	const char *path = getenv("LD_PRELOAD");
	void *library, *context = NULL;

	for (version = 7; version >= 1; version--) {
		char symbol[32];

		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		CHECK(library != NULL);
		snprintf(symbol, sizeof(symbol), "ncclProfiler_v%d", version);
		plugin = dlsym(library, symbol);
		CHECK(plugin != NULL);
		CHECK(strcmp(plugin->name, "anaros") == 0);
		communicator = 0xc0ffee0000ull + (uint64_t)version;
		context = init();
		check_work(&harness, context);
		check_transfer(&harness, context);
		check_other_process(&harness);
		if (version >= 5)
			check_captured(&harness, context);
		if (version >= 6)
			check_copy_engine(&harness, context);
		/* A communicator that breaks down stops nothing. */
		for (int i = 0; i < 1000; i++)
			CHECK(start_all_reduce(context, NULL, 1) != NULL);
		CHECK_EQUAL(plugin->finalize(context), 0);
		CHECK_EQUAL(dlclose(library), 0);
	}
	version = 1;
	context = init();
	check_overflow(&harness, context);
	check_threads(&harness, context);
	CHECK_EQUAL(plugin->finalize(context), 0);
	CHECK_EQUAL(plugin->finalize(NULL), 0);
	return 0;
}
