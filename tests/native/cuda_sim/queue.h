/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, what is queued in them, events, captures and graphs. */
#ifndef ANAROS_SIM_QUEUE_H
#define ANAROS_SIM_QUEUE_H

#include "activity.h"
#include "layouts.h"
#include "sim.h"

#define SIM_LAUNCH_NS 3000u
#define SIM_STAGING_BYTES                                                                          \
	65536u /* pageable copies up to here return at once                                        \
		*/

enum sim_stream_kind { SIM_STREAM_USER, SIM_STREAM_LEGACY, SIM_STREAM_PER_THREAD };

struct sim_ticket {
	struct sim_stream *stream;
	uint64_t number;
};

/* Nodes of a graph, in no order. */
struct sim_nodes {
	struct sim_node **items;
	size_t count;
};

struct sim_stream {
	_Atomic uint32_t magic;
	enum sim_stream_kind kind;
	struct sim_context *context;
	struct sim_green *green;
	struct sim_stream *next;
	bool non_blocking;
	bool stop;
	bool started;
	int priority;
	uint64_t id;
	uint64_t thread_key;
	uint8_t attributes[4][64]; /* of the kinds 1, 3, 9, 10, in this order */
	struct sim_op *head;
	struct sim_op *tail;
	uint64_t enqueued;
	uint64_t completed;
	pthread_cond_t work;
	pthread_cond_t done;
	struct sim_capture *capture;
	struct sim_nodes frontier; /* what the next captured node depends on */
};

struct sim_copy {
	uint64_t dst, src;
	size_t dst_pitch, src_pitch, dst_slice, src_slice;
	size_t width, height, depth;
	uint8_t dst_type, src_type; /* as the caller said: enum sim_memory_type */
	uint8_t direction;
};

struct sim_fill {
	uint64_t dst;
	size_t pitch, width, height; /* width in elements */
	uint32_t value, element_bytes;
};

struct sim_launch {
	void *function;
	const struct sim_kernel *kernel;
	struct sim_grid grid;
	_Alignas(8) uint8_t values[SIM_KERNEL_PARAMS * 8 + 256];
	uint16_t offset[SIM_KERNEL_PARAMS];
};

struct sim_signal {
	uint64_t address, value;
	uint32_t flags;
	uint16_t bytes;
	bool wait;
};

struct sim_op {
	struct sim_op *next;
	enum sim_work work;
	enum sim_engine engine;
	uint64_t cost_ns;
	void (*run)(struct sim_op *op);
	void (*retain)(struct sim_op *op);
	void (*release)(struct sim_op *op);
	struct sim_stream *stream; /* where it runs */
	int fault;                 /* what this work makes of its context */
	uint32_t correlation;
	uint64_t queued_ns;
	uint32_t graph_id;
	uint64_t node_id;
	struct sim_ticket *depends;
	size_t depends_count;
	union {
		struct {
			struct sim_copy copy;
			void *staging;
		};
		struct sim_fill fill;
		struct sim_launch launch;
		struct {
			struct sim_event *event;
			uint64_t number;
		};
		struct sim_signal signal;
		struct {
			uint64_t address;
			size_t bytes;
			int place;
			bool discard;
		} move;
		struct {
			void (*call)(void *argument);
			void *argument;
		} host;
		struct {
			void (*call)(void *stream, int status, void *argument);
			void *stream;
			void *argument;
		} callback;
		struct sim_span *span;
	};
};

struct sim_event {
	_Atomic uint32_t magic;
	unsigned int flags;
	_Atomic int references;
	struct sim_context *context;
	struct sim_ticket recorded;
	uint64_t time_ns;
	uint64_t capture_id; /* last recorded in this capture; 0: in none */
	struct sim_nodes frontier;
	struct sim_shared_event *shared; /* known to other processes */
	int shared_fd;
	bool imported;
};

struct sim_capture {
	struct sim_graph *graph;
	struct sim_stream *origin;
	struct sim_capture *next;
	uint64_t id;
	uint64_t thread_key;
	int mode;
	bool invalid;
	bool to_graph; /* the graph was the caller's before */
};

/* As the driver numbers the kinds of nodes. */
enum sim_node_type {
	SIM_NODE_KERNEL = 0,
	SIM_NODE_COPY = 1,
	SIM_NODE_FILL = 2,
	SIM_NODE_HOST = 3,
	SIM_NODE_GRAPH = 4,
	SIM_NODE_EMPTY = 5,
	SIM_NODE_WAIT_EVENT = 6,
	SIM_NODE_RECORD_EVENT = 7,
	SIM_NODE_ALLOC = 10,
	SIM_NODE_FREE = 11,
	SIM_NODE_BATCH_MEM_OP = 12,
};

struct sim_node {
	uint32_t magic;
	enum sim_node_type type;
	struct sim_graph *graph;
	struct sim_node *next;
	struct sim_node *origin; /* in a clone: what it was made from */
	struct sim_nodes depends;
	uint64_t id;
	uint32_t local_id;
	bool enabled;
	int mark;
	struct sim_op *ops; /* one, or those of a batch; NULL: nothing to do */
	struct sim_graph *child;
	void *context;
	uint64_t address; /* of ALLOC and FREE */
	struct sim_lease *lease;
	void *args[SIM_KERNEL_PARAMS]; /* what the caller gets to see of a kernel's */
	uint8_t attributes[20][64];
};

/* Memory of a node, kept until the last copy of the node is gone. */
struct sim_lease {
	_Atomic int references;
	struct sim_device *device;
	uint64_t address;
	size_t bytes;
};

struct sim_graph {
	uint32_t magic;
	uint32_t id;
	struct sim_node *first, *last;
	struct sim_graph *parent; /* of the graph in a node */
	size_t count;
	uint32_t last_local_id;
	struct sim_owned *owned; /* user objects */
};

/* stream.c */
extern pthread_mutex_t sim_lock;
struct sim_stream *sim_stream_new(struct sim_context *context, enum sim_stream_kind kind,
				  unsigned int flags, int priority);
void sim_stream_close(struct sim_stream *stream);
int sim_stream_of(void *handle, bool per_thread, struct sim_stream **stream);
int sim_submit(struct sim_stream *stream, struct sim_op *op, struct sim_ticket *ticket);
int sim_submit_and_wait(struct sim_stream *stream, struct sim_op *op);
void sim_wait(struct sim_ticket ticket);
int sim_synchronize(struct sim_stream *stream);
bool sim_is_capturing(struct sim_stream *stream);
uint64_t sim_thread_key(void);

/* op.c */
struct sim_op *sim_op_new(enum sim_work work, void (*run)(struct sim_op *), enum sim_engine engine,
			  uint64_t cost_ns);
void sim_op_free(struct sim_op *op);
struct sim_op *sim_op_clone(const struct sim_op *op);
void sim_op_execute(struct sim_op *op);

/* event.c: what an operation on an event holds, and lets go. */
int sim_event_of(void *handle, struct sim_event **event);
struct sim_op *sim_event_record_op(struct sim_event *event);
struct sim_op *sim_event_wait_op(struct sim_event *event);
int sim_event_record(void *handle, struct sim_stream *stream, unsigned int flags);
int sim_event_wait(struct sim_stream *stream, void *handle, unsigned int flags);

/* capture.c; what is _locked wants sim_lock held. */
int sim_unsafe(void);
int sim_capture_op_locked(struct sim_stream *stream, struct sim_op *op);
int sim_capture_check_locked(struct sim_stream *stream);
struct sim_capture *sim_capture_find_locked(uint64_t id);
void sim_capture_spoil_locked(struct sim_capture *capture);
int sim_context_captures(struct sim_context *context);

/* nodes.c */
void sim_nodes_add(struct sim_nodes *nodes, struct sim_node *node);
void sim_nodes_join(struct sim_nodes *nodes, const struct sim_nodes *others);
void sim_nodes_clear(struct sim_nodes *nodes);
bool sim_nodes_have(const struct sim_nodes *nodes, const struct sim_node *node);
struct sim_graph *sim_graph_new(void);
struct sim_graph *sim_graph_clone(const struct sim_graph *graph);
void sim_graph_free(struct sim_graph *graph);
struct sim_node *sim_node_new(struct sim_graph *graph, enum sim_node_type type,
			      const struct sim_nodes *depends);
void sim_node_set_op(struct sim_node *node, struct sim_op *op);
bool sim_is_graph(const struct sim_graph *graph);
bool sim_is_node(const struct sim_node *node);
bool sim_graph_order(struct sim_graph *graph, struct sim_nodes *order);
enum sim_node_type sim_node_type_of(const struct sim_op *op);

/* graph_memory.c */
int sim_node_alloc(struct sim_node *node, struct sim_context *context, size_t bytes);
void sim_lease_drop(struct sim_lease *lease);

/* node_params.c */
int sim_node_fill(struct sim_node *node, const struct sim_node_params *params);
int sim_node_read(struct sim_node *node, struct sim_node_params *params);

/* owned.c */
void sim_owned_clone(struct sim_graph *copy, const struct sim_graph *graph);
void sim_owned_release(struct sim_graph *graph);

/* graph_exec.c */
uint64_t sim_exec_id(const void *handle);

/* copy.c */
enum sim_memory_type { SIM_TYPE_HOST = 1, SIM_TYPE_DEVICE, SIM_TYPE_ARRAY, SIM_TYPE_UNIFIED };

int sim_copy_resolve(const struct sim_copy_3d *params, struct sim_copy *copy);
int sim_copy_check(struct sim_copy *copy);
size_t sim_copy_bytes(const struct sim_copy *copy);
struct sim_op *sim_copy_op(struct sim_context *context, const struct sim_copy *copy);
int sim_copy_submit(struct sim_stream *stream, struct sim_copy *copy, bool wait, bool stage);
int sim_fill_check(const struct sim_fill *fill);
struct sim_op *sim_fill_op(struct sim_context *context, const struct sim_fill *fill);

/* launch.c, signal.c, managed.c */
int sim_launch_op(struct sim_context *context, void *function, const struct sim_grid *grid,
		  void **params, void **extra, struct sim_op **op);
struct sim_op *sim_host_op(void (*call)(void *), void *argument);
struct sim_op *sim_signal_op(const struct sim_signal *signal);
int sim_signal_read(const void *batch, size_t index, struct sim_signal *signal);

/* kernels.c */
const struct sim_kernel *sim_builtin(const char *name);
const struct sim_kernel *sim_builtin_at(size_t index);

#endif
