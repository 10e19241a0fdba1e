// SPDX-License-Identifier: Apache-2.0
/*
 * Description: what each family of driver calls says in its record: kind,
 * what was acted on, where, how much, and which sort of memory.
 */
#include "cuda_test.h"

#include "cudart/echo.h"

#define ECHO "cudart/build/echo/libcuda.so.1"

typedef int (*any)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
		   uint64_t, uint64_t);

static struct harness harness;
static void *driver;

/* What to pass: a number, or where something lies. */
#define AT(thing) ((uint64_t)(uintptr_t)(thing))

struct record {
	uint64_t object, address, bytes;
	uint16_t flags;
};

struct found {
	uint16_t kind;
	uint64_t count;
	struct record last[4]; /* newest first */
};

static void see(const struct anaros_record *record, void *context)
{
	struct found *found = context;

	if (record->kind != found->kind)
		return;
	memmove(&found->last[1], &found->last[0], 3 * sizeof(found->last[0]));
	found->last[0] =
	    (struct record){record->object, record->address, record->size_bytes, record->flags};
	found->count++;
}

static struct found of(uint16_t kind)
{
	struct found found = {.kind = kind};

	harness_each(&harness, see, &found);
	return found;
}

static void check(const char *call, const struct record *seen, struct record wanted)
{
	if (seen->object == wanted.object && seen->address == wanted.address &&
	    seen->bytes == wanted.bytes && seen->flags == wanted.flags)
		return;
	fprintf(stderr, "%s: %#lx %#lx %lu %#x, wanted %#lx %#lx %lu %#x\n", call,
		(unsigned long)seen->object, (unsigned long)seen->address,
		(unsigned long)seen->bytes, seen->flags, (unsigned long)wanted.object,
		(unsigned long)wanted.address, (unsigned long)wanted.bytes, wanted.flags);
	exit(1);
}

static void call(const char *name, const uint64_t *words)
{
	OK(((any)cuda_symbol(driver, name))(words[0], words[1], words[2], words[3], words[4],
					    words[5], words[6], words[7], words[8], words[9]));
}

#define WORDS(...) ((uint64_t[10]){__VA_ARGS__})

/* One call makes one record of this kind: object, address, bytes, flags. */
#define SAYS(kind_, name, words, ...)                                                              \
	do {                                                                                       \
		uint64_t before = of(ANAROS_KIND_GPU_##kind_).count;                               \
		struct found found;                                                                \
                                                                                                   \
		call(name, words);                                                                 \
		found = of(ANAROS_KIND_GPU_##kind_);                                               \
		CHECK_EQUAL(found.count, before + 1);                                              \
		check(name, &found.last[0], (struct record){__VA_ARGS__});                         \
	} while (0)

#define S      0x5000u /* a stream */
#define ASYNC  ANAROS_FLAG_ASYNC
#define PINNED ANAROS_FLAG_PINNED

static uint64_t out[2] = {0xd000, 512};

static void memory(void)
{
	SAYS(ALLOC, "cuMemAllocManaged", WORDS(AT(out), 64, 1), 0xd000, 0xd000, 64,
	     ANAROS_MEMORY_MANAGED);
	SAYS(ALLOC, "cuMemAllocPitch_v2", WORDS(AT(out), AT(&out[1]), 500, 3, 4), 0xd000, 0,
	     512 * 3, ANAROS_MEMORY_DEVICE);
	SAYS(ALLOC, "cuMemHostRegister_v2", WORDS(0x7000, 4096, 0), 0x7000, 0x7000, 4096,
	     PINNED | ANAROS_MEMORY_REGISTERED);
	SAYS(FREE, "cuMemHostUnregister", WORDS(0x7000), 0x7000, 0, 0,
	     PINNED | ANAROS_MEMORY_REGISTERED);
	SAYS(ALLOC, "cuMemAllocAsync_ptsz", WORDS(AT(out), 64, 0), 0xd000, 2, 64,
	     ASYNC | ANAROS_MEMORY_STREAM_ORDERED);
	SAYS(ALLOC, "cuMemAllocFromPoolAsync", WORDS(AT(out), 64, 0x9000, S), 0xd000, 0x9000, 64,
	     ASYNC | ANAROS_MEMORY_STREAM_ORDERED);
	SAYS(FREE, "cuMemFreeAsync", WORDS(0xd000, S), 0xd000, S, 0,
	     ASYNC | ANAROS_MEMORY_STREAM_ORDERED);
	SAYS(POOL, "cuMemPoolCreate", WORDS(AT(out), 0), 0xd000, 1, 0, 0);
	SAYS(POOL, "cuMemPoolTrimTo", WORDS(0x9000, 77), 0x9000, 4, 77, 0);
	SAYS(POOL, "cuMemPoolDestroy", WORDS(0x9000), 0x9000, 0, 0, 0);
	SAYS(ALLOC, "cuMemPoolImportPointer", WORDS(AT(out), 0x9000, 0), 0xd000, 0, 0,
	     ANAROS_MEMORY_IMPORTED);
	SAYS(ALLOC, "cuExternalMemoryGetMappedBuffer",
	     WORDS(AT(out), 0x9100, AT(((uint64_t[]){0, 1234}))), 0xd000, 0, 1234,
	     ANAROS_MEMORY_IMPORTED);
}

/* The handle lies on the stack, between two arguments in registers. */
static void handle_by_value(void)
{
	struct handle {
		uint64_t words[8];
	} handle = {{11, 12, 13, 14, 15, 16, 17, 18}};
	const struct echo_seen *seen = dlsym(driver, "echo_seen");
	static const char *const names[] = {"cuIpcOpenMemHandle", "cuIpcOpenMemHandle_v2"};
	int (*open_it)(uint64_t *, struct handle, unsigned int);

	for (int which = 0; which < 2; which++) {
		*(void **)&open_it = cuda_symbol(driver, names[which]);
		OK(open_it(out, handle, 5));
		check("handle", &of(ANAROS_KIND_GPU_ALLOC).last[0],
		      (struct record){0xd000, 0, 0, ANAROS_MEMORY_IMPORTED});
		CHECK(strcmp(seen->symbol, names[which]) == 0);
#if defined(__x86_64__)
		CHECK_EQUAL((uint32_t)seen->words[1], 5);
		for (int i = 6; i < ECHO_WORDS; i++)
			CHECK_EQUAL(seen->words[i], 11 + i - 6);
#endif
	}
	SAYS(FREE, "cuIpcCloseMemHandle", WORDS(0xd000), 0xd000, 0, 0, ANAROS_MEMORY_IMPORTED);
}

static void virtual_memory(void)
{
	unsigned int tiles[2][24] = {{[2] = 0xa0, [14] = 1, [16] = 0xb0}, {[2] = 0xa1, [14] = 2}};

	SAYS(RESERVE, "cuMemAddressReserve", WORDS(AT(out), 8192, 0, 0, 0), 0xd000, 1, 8192, 0);
	SAYS(ALLOC, "cuMemCreate", WORDS(AT(out), 8192, 0, 0), 0xd000, 0, 8192,
	     ANAROS_MEMORY_PHYSICAL);
	SAYS(VM_MAP, "cuMemMap", WORDS(0x1000, 8192, 0, 0x99, 0), 0x1000, 0x99, 8192, 0);
	SAYS(VM_MAP, "cuMemSetAccess", WORDS(0x1000, 8192, 0, 1), 0x1000, 0, 8192, 0);
	SAYS(VM_UNMAP, "cuMemUnmap", WORDS(0x1000, 8192), 0x1000, 0, 8192, 0);
	SAYS(FREE, "cuMemRelease", WORDS(0x99), 0x99, 0, 0, ANAROS_MEMORY_PHYSICAL);
	SAYS(RESERVE, "cuMemAddressFree", WORDS(0x1000, 8192), 0x1000, 0, 8192, 0);
	SAYS(ALLOC, "cuMemImportFromShareableHandle", WORDS(AT(out), 0, 1), 0xd000, 0, 0,
	     ANAROS_MEMORY_IMPORTED);
	SAYS(VM_MAP, "cuMulticastBindMem", WORDS(0x88, 0, 0x99, 0, 4096, 0), 0x88, 0x99, 4096, 0);
	SAYS(VM_MAP, "cuMulticastBindAddr_v2", WORDS(0x88, 1, 0, 0x1000, 4096, 0), 0x88, 0x1000,
	     4096, 0);
	SAYS(VM_UNMAP, "cuMulticastUnbind", WORDS(0x88, 1, 0, 4096), 0x88, 0, 4096, 0);
	SAYS(VM_MAP, "cuMemMapArrayAsync", WORDS(AT(tiles), 1, S), 0xa0, 0xb0, 0, ASYNC);
	SAYS(VM_UNMAP, "cuMemMapArrayAsync", WORDS(AT(tiles[1]), 1, S), 0xa1, 0, 0, ASYNC);
}

static void arrays(void)
{
	struct {
		size_t width, height, depth;
		unsigned int format, channels, flags;
	} deep = {16, 8, 0, 0x20, 4, 0}, mapped_later = {16, 8, 0, 0x20, 4, 0x40};
	struct {
		size_t width, height;
		unsigned int format, channels;
	} flat = {100, 0, 0x10, 1};
	uint64_t array = 0xaa00, none = 0xab00;

	SAYS(ALLOC, "cuArrayCreate_v2", WORDS(AT(&none), AT(&flat)), 0xab00, 0, 200,
	     ANAROS_MEMORY_ARRAY);
	SAYS(ALLOC, "cuArray3DCreate_v2", WORDS(AT(&array), AT(&deep)), 0xaa00, 0, 16 * 8 * 16,
	     ANAROS_MEMORY_ARRAY);
	SAYS(ALLOC, "cuMipmappedArrayCreate", WORDS(AT(out), AT(&deep), 3), 0xd000, 0,
	     (16 * 8 + 8 * 4 + 4 * 2) * 16, ANAROS_MEMORY_ARRAY);
	SAYS(ALLOC, "cuArray3DCreate_v2", WORDS(AT(&none), AT(&mapped_later)), 0xab00, 0, 0,
	     ANAROS_MEMORY_ARRAY);
	SAYS(COPY_H2D, "cuMemcpyHtoA_v2", WORDS(0xaa00, 0, 0x7000, 64), 1, 0x7000, 64, 0);
	SAYS(COPY_D2D, "cuMemcpyAtoD_v2_ptds", WORDS(0xd000, 0xaa00, 0, 64), 2, 0xd000, 64, 0);
	SAYS(FREE, "cuArrayDestroy", WORDS(0xaa00), 0xaa00, 0, 0, ANAROS_MEMORY_ARRAY);
}

struct side {
	uint64_t type, where, rest[3];
};

static void batches(void)
{
	uint64_t places[] = {0x1000, 0x2000}, sizes[] = {10, 20};
	struct {
		struct side src, dst;
		uint64_t extent[3], order;
	} volumes[] = {
	    {{1, 0x100, {0}}, {1, 0x200, {0}}, {4, 5, 6}, 0},
	    {{1, 0x100, {0}}, {2, 0xaa00, {0}}, {4, 5, 1}, 0},
	};
	struct {
		uint64_t src[3], dst[3], bytes, flags;
	} fabric = {{1, 0x100, 0}, {2, 7, 64}, 300, 0};
	uint64_t unpacked[8] = {10, 40, 0, 0x100, 0x200};
	uint64_t operations[2][6] = {{4, 0x3000}, {2, 0x4000}};
	struct found found;

	call("cuMemPrefetchBatchAsync", WORDS(AT(places), AT(sizes), 2, 0, 0, 0, 0, S));
	found = of(ANAROS_KIND_GPU_PREFETCH);
	check("prefetch", &found.last[0], (struct record){S, 0x2000, 20, ASYNC});
	check("prefetch", &found.last[1], (struct record){S, 0x1000, 10, ASYNC});
	SAYS(PREFETCH, "cuMemPrefetchAsync_v2", WORDS(0x1000, 64, 1, 0, S), S, 0x1000, 64, ASYNC);
	SAYS(PREFETCH, "cuStreamAttachMemAsync", WORDS(S, 0x1000, 64, 1), S, 0x1000, 64, ASYNC);
	SAYS(DISCARD, "cuMemDiscardBatchAsync", WORDS(AT(places), AT(sizes), 1, 0, S), S, 0x1000,
	     10, ASYNC);
	call("cuMemcpy3DBatchAsync_v2", WORDS(2, AT(volumes), 0, S));
	found = of(ANAROS_KIND_GPU_COPY);
	check("volumes", &found.last[1], (struct record){S, 0x200, 120, ASYNC});
	check("volumes", &found.last[0], (struct record){S, 0xaa00, 20 * 16, ASYNC});
	SAYS(COPY, "cuMemcpy3DWithAttributesAsync", WORDS(AT(volumes), 0, S), S, 0x200, 120, ASYNC);
	SAYS(COPY, "cuMemcpyWithAttributesAsync", WORDS(0x200, 0x100, 9, 0, S), S, 0x200, 9, ASYNC);
	SAYS(COPY, "cuFabricCpyBatchAsync", WORDS(1, AT(&fabric), 0, S), S, 7, 300, ASYNC);
	SAYS(COPY, "cuMemBatchDecompressAsync", WORDS(AT(unpacked), 1, 0, 0, S), S, 0x200, 40,
	     ASYNC);
	call("cuStreamBatchMemOp_v2", WORDS(S, 2, AT(operations), 0));
	found = of(ANAROS_KIND_GPU_SIGNAL);
	check("wait", &found.last[1], (struct record){S, 0x3000, 1, ASYNC});
	check("write", &found.last[0], (struct record){S, 0x4000, 0, ASYNC});
}

static void order(void)
{
	SAYS(SIGNAL, "cuStreamWaitValue32_v2", WORDS(S, 0x3000, 1, 0), S, 0x3000, 1, ASYNC);
	SAYS(SIGNAL, "cuStreamWriteValue64_ptsz", WORDS(0, 0x3000, 1, 0), 2, 0x3000, 0, ASYNC);
	SAYS(SIGNAL, "cuWaitExternalSemaphoresAsync", WORDS(AT(out), 0, 1, S), S, 0xd000, 1, ASYNC);
	SAYS(HOST_CALL, "cuLaunchHostFunc", WORDS(S, 0xf000, 0), S, 0xf000, 0, ASYNC);
	SAYS(HOST_CALL, "cuStreamAddCallback_ptsz", WORDS(0, 0xf000, 0, 0), 2, 0xf000, 0, ASYNC);
	SAYS(EVENT, "cuCtxRecordEvent", WORDS(0xc000, 0xe000), 0xc000, 0xe000, 0, ASYNC);
	SAYS(EVENT, "cuGreenCtxWaitEvent", WORDS(0xc000, 0xe000), 0xc000, 0xe000, 1, ASYNC);
	SAYS(STREAM, "cuGreenCtxStreamCreate", WORDS(AT(out), 0xc000, 0, 0), 0xd000, 0, 1, 0);
}

static void contexts(void)
{
	SAYS(CONTEXT, "cuCtxCreate_v4", WORDS(AT(out), 0, 0, 1), 0xd000, 2, 1, 0);
	SAYS(CONTEXT, "cuDevicePrimaryCtxRetain", WORDS(AT(out), 0), 0xd000, 1, 1, 0);
	SAYS(CONTEXT, "cuDevicePrimaryCtxReset_v2", WORDS(3), 0, 4, 0, 0);
	SAYS(CONTEXT, "cuCtxSetCurrent", WORDS(0xc000), 0xc000, 0, 2, 0);
	SAYS(CONTEXT, "cuCtxPopCurrent_v2", WORDS(AT(out)), 0xd000, 0, 3, 0);
	SAYS(CONTEXT, "cuCheckpointProcessLock", WORDS(4242, 0), 4242, 0, 4, 0);
	SAYS(BUILD, "cuLinkComplete", WORDS(0x1100, AT(out), AT(&out[1])), 0x1100, 0, 0, 0);
}

static void graphs(void)
{
	SAYS(CAPTURE, "cuStreamBeginCapture_v2", WORDS(S, 0), S, 0, 0, 0);
	SAYS(LAUNCH, "cuLaunchKernel", WORDS(0x6000, 1, 1, 1, 32, 1, 1, 0, S, 0), S, 0x6000, 32,
	     ASYNC | ANAROS_FLAG_CAPTURE);
	SAYS(CAPTURE, "cuStreamEndCapture", WORDS(S, AT(out)), S, 0xd000, 0, 0);
	SAYS(LAUNCH, "cuLaunchKernel", WORDS(0x6000, 1, 1, 1, 32, 1, 1, 0, S, 0), S, 0x6000, 32,
	     ASYNC);
	SAYS(INSTANTIATE, "cuGraphInstantiate_v2", WORDS(AT(out), 0x6600, 0, 0, 0), 0xd000, 0x6600,
	     0, 0);
	SAYS(INSTANTIATE, "cuGraphInstantiateWithParams_ptsz", WORDS(AT(out), 0x6600, 0), 0xd000,
	     0x6600, 0, 0);
	SAYS(INSTANTIATE, "cuGraphExecUpdate_v2", WORDS(0x6700, 0x6600, 0), 0x6700, 0x6600, 0, 0);
	SAYS(INSTANTIATE, "cuGraphExecDestroy", WORDS(0x6700), 0x6700, 0, 0, 0);
	SAYS(GRAPH, "cuGraphLaunch_ptsz", WORDS(0x6700, 0), 2, 0x6700, 0, ASYNC);
}

static void launches_on_devices(void)
{
	struct {
		uint64_t function;
		unsigned int grid[3], block[3], shared;
		uint64_t stream, values;
	} list[] = {{1, {1, 2, 3}, {4, 1, 1}, 0, S, 0}, {2, {1, 1, 1}, {8, 1, 1}, 0, S + 1, 0}};
	struct found found;

	call("cuLaunchCooperativeKernelMultiDevice", WORDS(AT(list), 2, 0));
	found = of(ANAROS_KIND_GPU_LAUNCH);
	check("devices", &found.last[1], (struct record){S, 1, 24, ASYNC});
	check("devices", &found.last[0], (struct record){S + 1, 2, 8, ASYNC});
}

/* A thread that asks until it is done: the first no, the last one, and the yes. */
static void questions(void)
{
	int *answer = dlsym(driver, "echo_answer");
	uint64_t before = of(ANAROS_KIND_GPU_QUERY).count;
	any query = (any)cuda_symbol(driver, "cuEventQuery");

	CHECK(answer != NULL);
	*answer = 600;
	for (int i = 0; i < 1000; i++)
		CHECK_EQUAL(query(0xe000, 0, 0, 0, 0, 0, 0, 0, 0, 0), 600);
	CHECK_EQUAL(of(ANAROS_KIND_GPU_QUERY).count, before + 1);
	*answer = 0;
	CHECK_EQUAL(query(0xe000, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0);
	CHECK_EQUAL(of(ANAROS_KIND_GPU_QUERY).count, before + 3);
	SAYS(QUERY, "cuEventQuery", WORDS(0xe000), 0xe000, 0, 0, 0);
	SAYS(QUERY, "cuStreamQuery_ptsz", WORDS(0), 2, 0, 0, 0);
}

int main(void)
{
	driver = dlopen(ECHO, RTLD_NOW | RTLD_LOCAL);
	if (driver == NULL)
		harness_skip("the echo driver is not built");
	harness = harness_open();
	memory();
	handle_by_value();
	virtual_memory();
	arrays();
	batches();
	order();
	contexts();
	graphs();
	launches_on_devices();
	questions();
	CHECK_EQUAL(harness_drops(&harness), 0);
	return 0;
}
