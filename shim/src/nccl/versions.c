// SPDX-License-Identifier: Apache-2.0
/*
 * The profiler interface of NCCL in its seven versions, as NCCL lays them out.
 * Each says the same in other words: codes became strings, the communicator
 * moved from the event to the start, calls came to be events of their own.
 */
#include "nccl/nccl.h"

/* What all versions have of an event; the part that differs comes behind. */
#define HEAD(type_)                                                                                \
	type_ type;                                                                                \
	void *parent;                                                                              \
	int rank

struct proxy_operation {
	int pid;
	uint8_t channel;
	int peer;
	int steps;
	int chunk_bytes;
	int sends;
};

struct descriptor_v1 {
	HEAD(uint8_t);
	union {
		struct {
			const char *name;
			uint64_t communicator;
			uint64_t sequence;
			uint8_t function;
			const void *from;
			void *to;
			size_t count;
			int root;
			uint8_t datatype;
			uint32_t operation;
			size_t traffic_bytes;
			uint8_t channels;
			uint8_t warps;
			uint8_t algorithm;
			uint8_t protocol;
			int is_collnet;
			int is_nvls;
		} collective;
		struct {
			const char *name;
			uint64_t communicator;
			uint8_t function;
			void *buffer;
			uint8_t datatype;
			size_t count;
			int peer;
		} point_to_point;
		struct proxy_operation operation;
		int step;
	};
};

/* The third differs from the second in what stands behind the datatype. */
#define DESCRIPTOR_NAMED(tag, traffic)                                                             \
	struct tag {                                                                               \
		HEAD(uint8_t);                                                                     \
		union {                                                                            \
			struct {                                                                   \
				const char *name;                                                  \
				uint64_t communicator;                                             \
				uint64_t sequence;                                                 \
				const char *function;                                              \
				const void *from;                                                  \
				void *to;                                                          \
				size_t count;                                                      \
				int root;                                                          \
				const char *datatype;                                              \
				traffic uint8_t channels;                                          \
				uint8_t warps;                                                     \
				const char *algorithm;                                             \
				const char *protocol;                                              \
			} collective;                                                              \
			struct {                                                                   \
				const char *name;                                                  \
				uint64_t communicator;                                             \
				const char *function;                                              \
				void *buffer;                                                      \
				const char *datatype;                                              \
				size_t count;                                                      \
				int peer;                                                          \
			} point_to_point;                                                          \
			struct proxy_operation operation;                                          \
			int step;                                                                  \
		};                                                                                 \
	}

DESCRIPTOR_NAMED(descriptor_v2, size_t traffic_bytes;);
DESCRIPTOR_NAMED(descriptor_v3, );

/* From the fourth on the communicator is known from the start. */
#define DESCRIPTOR_BARE(tag, type_)                                                                \
	struct tag {                                                                               \
		HEAD(type_);                                                                       \
		union {                                                                            \
			struct {                                                                   \
				uint64_t sequence;                                                 \
				const char *function;                                              \
				const void *from;                                                  \
				void *to;                                                          \
				size_t count;                                                      \
				int root;                                                          \
				const char *datatype;                                              \
				uint8_t channels;                                                  \
				uint8_t warps;                                                     \
				const char *algorithm;                                             \
				const char *protocol;                                              \
			} collective;                                                              \
			struct {                                                                   \
				const char *function;                                              \
				void *buffer;                                                      \
				const char *datatype;                                              \
				size_t count;                                                      \
				int peer;                                                          \
				uint8_t channels;                                                  \
			} point_to_point;                                                          \
			struct proxy_operation operation;                                          \
			int step;                                                                  \
			struct {                                                                   \
				const char *function;                                              \
				size_t count;                                                      \
				const char *datatype;                                              \
				int root;                                                          \
				void *stream;                                                      \
				bool captured;                                                     \
			} collective_call;                                                         \
			struct {                                                                   \
				const char *function;                                              \
				size_t count;                                                      \
				const char *datatype;                                              \
				void *stream;                                                      \
				bool captured;                                                     \
			} point_to_point_call;                                                     \
			struct {                                                                   \
				uint64_t sequence;                                                 \
				const char *function;                                              \
				const void *from;                                                  \
				void *to;                                                          \
				size_t count;                                                      \
				int root;                                                          \
				const char *datatype;                                              \
				const char *strategy;                                              \
			} copy_collective;                                                         \
		};                                                                                 \
	}

DESCRIPTOR_BARE(descriptor_v4, uint8_t);
/*
 * And later ones: what the sixth and the seventh add stands behind what is read
 * here, or is an event of its own that is not asked for.
 */
DESCRIPTOR_BARE(descriptor_v5, uint64_t);

/* In the first version words are numbers. */
static const char *const functions[] = {"Broadcast", "Reduce",   "AllGather", "ReduceScatter",
					"AllReduce", "SendRecv", "Send",      "Recv"};
static const char *const algorithms[] = {
    "TREE", "RING", "COLLNET_DIRECT", "COLLNET_CHAIN", "NVLS", "NVLS_TREE", "PAT"};
static const char *const protocols[] = {"LL", "LL128", "SIMPLE"};
static const char *const datatypes[] = {"ncclInt8",     "ncclUint8",      "ncclInt32",
					"ncclUint32",   "ncclInt64",      "ncclUint64",
					"ncclFloat16",  "ncclFloat32",    "ncclFloat64",
					"ncclBfloat16", "ncclFloat8e4m3", "ncclFloat8e5m2"};

#define WORD(table, code) ((code) < sizeof(table) / sizeof(*(table)) ? (table)[code] : NULL)

/* NCCL asks for what it was told in the mask, and for what stands above that. */
#define START_PROXY(event)                                                                         \
	case NCCL_PROXY_OPERATION:                                                                 \
		*handle =                                                                          \
		    nccl_start_operation(context, (uint64_t)(event)->operation.pid,                \
					 (event)->operation.peer, (event)->operation.sends != 0);  \
		break;                                                                             \
	case NCCL_PROXY_STEP:                                                                      \
		*handle = nccl_start_step((event)->parent, (event)->step);                         \
		break

#define START_WORK(...)                                                                            \
	*handle = nccl_start_work(context, &(struct nccl_work){__VA_ARGS__});                      \
	break

static int start_v1(void *context, void **handle, const struct descriptor_v1 *event)
{
	*handle = NULL;
	switch (event->type) {
	case NCCL_COLLECTIVE:
		START_WORK(.communicator = event->collective.communicator,
			   .function = WORD(functions, event->collective.function),
			   .datatype = WORD(datatypes, event->collective.datatype),
			   .algorithm = WORD(algorithms, event->collective.algorithm),
			   .protocol = WORD(protocols, event->collective.protocol),
			   .count = event->collective.count, .peer = -1);
	case NCCL_POINT_TO_POINT:
		START_WORK(.communicator = event->point_to_point.communicator,
			   .function = WORD(functions, event->point_to_point.function),
			   .datatype = WORD(datatypes, event->point_to_point.datatype),
			   .count = event->point_to_point.count,
			   .peer = event->point_to_point.peer);
		START_PROXY(event);
	}
	return 0;
}

#define NAMED(from, ...)                                                                           \
	START_WORK(.function = (from).function, .datatype = (from).datatype,                       \
		   .count = (from).count, __VA_ARGS__)

#define START_NAMED(version)                                                                       \
	static int start_v##version(void *context, void **handle,                                  \
				    const struct descriptor_v##version *event)                     \
	{                                                                                          \
		*handle = NULL;                                                                    \
		switch (event->type) {                                                             \
		case NCCL_COLLECTIVE:                                                              \
			NAMED(event->collective, .communicator = event->collective.communicator,   \
			      .algorithm = event->collective.algorithm,                            \
			      .protocol = event->collective.protocol, .peer = -1);                 \
		case NCCL_POINT_TO_POINT:                                                          \
			NAMED(event->point_to_point,                                               \
			      .communicator = event->point_to_point.communicator,                  \
			      .peer = event->point_to_point.peer);                                 \
			START_PROXY(event);                                                        \
		}                                                                                  \
		return 0;                                                                          \
	}

START_NAMED(2)
START_NAMED(3)

#define CAPTURED .captured = event->parent == nccl_captured_call()
#define START_BARE(event)                                                                          \
	case NCCL_COLLECTIVE:                                                                      \
		NAMED((event)->collective, .algorithm = (event)->collective.algorithm,             \
		      .protocol = (event)->collective.protocol, .peer = -1, CAPTURED);             \
	case NCCL_POINT_TO_POINT:                                                                  \
		NAMED((event)->point_to_point, .peer = (event)->point_to_point.peer, CAPTURED);    \
		START_PROXY(event)

static int start_v4(void *context, void **handle, const struct descriptor_v4 *event)
{
	*handle = NULL;
	switch (event->type) {
		START_BARE(event);
	}
	return 0;
}

static int start_v5(void *context, void **handle, const struct descriptor_v5 *event)
{
	*handle = NULL;
	switch (event->type) {
		START_BARE(event);
	case NCCL_COLLECTIVE_CALL:
		if (event->collective_call.captured)
			*handle = nccl_captured_call();
		break;
	case NCCL_POINT_TO_POINT_CALL:
		if (event->point_to_point_call.captured)
			*handle = nccl_captured_call();
		break;
	case NCCL_COPY_COLLECTIVE:
		NAMED(event->copy_collective, .algorithm = "copy engine", .peer = -1, CAPTURED);
	}
	return 0;
}

static int stop(void *handle)
{
	nccl_stop(handle);
	return 0;
}

/* Until the third version the bytes are those of an operation, then of a step. */
static int state_v1(void *handle, int number, const size_t *bytes)
{
	nccl_state(handle, number, bytes != NULL && number < NCCL_SEND_GPU_WAIT ? *bytes : 0);
	return 0;
}

static int state_v4(void *handle, int number, const size_t *bytes)
{
	nccl_state(handle, number, bytes != NULL && number >= NCCL_SEND_GPU_WAIT ? *bytes : 0);
	return 0;
}

static int finalize(void *context)
{
	nccl_close(context);
	return 0;
}

static int open_v1(void **context, int *mask)
{
	*context = nccl_open(0, NULL, 0, 0);
	*mask = NCCL_WANTED;
	return 0;
}

static int open_v4(void **context, int *mask, const char *name, uint64_t id, int nodes, int ranks,
		   int rank, void *log)
{
	*context = nccl_open(id, name, ranks, rank);
	*mask = NCCL_WANTED;
	return 0;
}

static int open_v5(void **context, uint64_t id, int *mask, const char *name, int nodes, int ranks,
		   int rank, void *log)
{
	return open_v4(context, mask, name, id, nodes, ranks, rank, log);
}

static int open_v6(void **context, uint64_t id, int *mask, const char *name, int nodes, int ranks,
		   int rank, void *log)
{
	open_v4(context, mask, name, id, nodes, ranks, rank, log);
	*mask |= NCCL_COPY_COLLECTIVE;
	return 0;
}

#define PLUGIN(version, open_, start_, state_)                                                     \
	extern const struct plugin_##version {                                                     \
		const char *name;                                                                  \
		__typeof__(open_) *open;                                                           \
		__typeof__(start_) *start;                                                         \
		__typeof__(stop) *stop;                                                            \
		__typeof__(state_) *state;                                                         \
		__typeof__(finalize) *finalize;                                                    \
	} ncclProfiler_v##version;                                                                 \
	EXPORT const struct plugin_##version ncclProfiler_v##version = {                           \
	    "anaros", open_, start_, stop, state_, finalize}

PLUGIN(1, open_v1, start_v1, state_v1);
PLUGIN(2, open_v1, start_v2, state_v1);
PLUGIN(3, open_v1, start_v3, state_v1);
PLUGIN(4, open_v4, start_v4, state_v4);
PLUGIN(5, open_v5, start_v5, state_v4);
PLUGIN(6, open_v6, start_v5, state_v4);
PLUGIN(7, open_v6, start_v5, state_v4);
