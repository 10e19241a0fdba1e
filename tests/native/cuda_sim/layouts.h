/* SPDX-License-Identifier: Apache-2.0 */
/* The layouts of structures that callers fill, as the driver's ABI has them. */
#ifndef ANAROS_SIM_LAYOUTS_H
#define ANAROS_SIM_LAYOUTS_H

#include <stddef.h>
#include <stdint.h>

struct sim_copy_2d {
	size_t src_x, src_y;
	unsigned int src_type;
	const void *src_host;
	uint64_t src_device;
	void *src_array;
	size_t src_pitch;
	size_t dst_x, dst_y;
	unsigned int dst_type;
	void *dst_host;
	uint64_t dst_device;
	void *dst_array;
	size_t dst_pitch;
	size_t width, height;
};

/* Also that between contexts: they are where the reserved words are. */
struct sim_copy_3d {
	size_t src_x, src_y, src_z, src_lod;
	unsigned int src_type;
	const void *src_host;
	uint64_t src_device;
	void *src_array;
	void *src_context;
	size_t src_pitch, src_height;
	size_t dst_x, dst_y, dst_z, dst_lod;
	unsigned int dst_type;
	void *dst_host;
	uint64_t dst_device;
	void *dst_array;
	void *dst_context;
	size_t dst_pitch, dst_height;
	size_t width, height, depth;
};

enum { SIM_LOCATION_DEVICE = 1, SIM_LOCATION_HOST, SIM_LOCATION_NUMA, SIM_LOCATION_NUMA_CURRENT };

struct sim_location {
	int type, id;
};

struct sim_copy_attributes {
	unsigned int order; /* 1 stream, 2 during the call, 3 any */
	struct sim_location src, dst;
	unsigned int flags;
};

struct sim_operand {
	unsigned int type; /* 1 pointer, 2 array */
	union {
		struct {
			uint64_t pointer;
			size_t row_length, layer_height;
			struct sim_location location;
		};
		struct {
			void *array;
			size_t x, y, z;
		};
	};
};

struct sim_copy_3d_batch {
	struct sim_operand src, dst;
	size_t width, height, depth;
	unsigned int order, flags;
};

struct sim_launch_attribute {
	int id;
	int padding;
	uint8_t value[64];
};

struct sim_launch_config {
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	void *stream;
	struct sim_launch_attribute *attributes;
	unsigned int attribute_count;
};

struct sim_launch_params { /* of the launch on several devices */
	void *function;
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	void *stream;
	void **params;
};

union sim_mem_op {
	int operation;
	struct {
		int type;
		uint64_t address;
		uint64_t value;
		unsigned int flags;
		uint64_t alias;
	} on;
	uint64_t padding[6];
};

struct sim_allocation {
	int type;
	int handle_types;
	struct sim_location location;
	void *win32;
	uint8_t flags[8];
};

struct sim_access {
	struct sim_location location;
	int flags;
};

struct sim_pool_properties {
	int type;
	int handle_types;
	struct sim_location location;
	void *win32;
	size_t max_bytes;
	unsigned short usage;
	uint8_t reserved[54];
};

struct sim_kernel_params { /* v1 ends with extra */
	void *function;
	unsigned int grid[3];
	unsigned int block[3];
	unsigned int shared_bytes;
	void **params;
	void **extra;
	void *kernel;
	void *context;
};

struct sim_fill_params { /* v1 ends with height */
	uint64_t dst;
	size_t pitch;
	unsigned int value, element_bytes;
	size_t width, height;
	void *context;
};

struct sim_host_params { /* v1 ends with argument */
	void (*call)(void *);
	void *argument;
	unsigned int sync_mode;
	void *context;
};

struct sim_batch_params {
	void *context;
	unsigned int count;
	union sim_mem_op *ops;
	unsigned int flags;
};

struct sim_alloc_params {
	struct sim_pool_properties pool;
	const struct sim_access *access;
	size_t access_count;
	size_t bytes;
	uint64_t address;
};

struct sim_node_params {
	int type;
	int reserved0[3];
	union {
		uint8_t bytes[232];
		struct sim_kernel_params kernel;
		struct {
			int flags, reserved;
			void *context;
			struct sim_copy_3d copy;
		} copy;
		struct sim_fill_params fill;
		struct sim_host_params host;
		struct {
			void *graph;
			int ownership;
		} child;
		struct {
			void *event;
			void *context;
		} event;
		struct sim_alloc_params alloc;
		uint64_t free;
		struct sim_batch_params batch;
	};
	long long reserved2;
};

struct sim_edge {
	uint8_t from_port, to_port, type, reserved[5];
};

struct sim_instantiate_params {
	uint64_t flags;
	void *stream;
	void *error_node;
	int result;
};

struct sim_update_result {
	int result;
	void *node, *from_node;
};

struct sim_resource {
	int type; /* 1: multiprocessors */
	uint8_t internal[92];
	union {
		struct {
			unsigned int count, minimum, alignment, flags, domain;
		};
		uint8_t oversize[40];
	};
	struct sim_resource *next;
};

struct sim_multicast {
	unsigned int devices;
	size_t bytes;
	unsigned long long handle_types, flags;
};

#endif
