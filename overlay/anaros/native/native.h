/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's native side: it makes the arena, keeps the clock line,
 * and moves records from chunks and from the kernel's ring into columns.
 *
 * Columns lie in shared memory too (struct segment), so a supervisor that is
 * killed loses nothing: whoever comes later finds the open segment, and what
 * the chunks still hold, exactly once.
 */
#ifndef ANAROS_NATIVE_H
#define ANAROS_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anaros/control.h"
#include "anaros/kinds.h"

#define SEGMENT_MAGIC   0x746e656d676573ull /* "segment" */
#define SEGMENT_VERSION 1u
#define SEGMENT_COLUMNS 11
/* Rows are made present in steps, so that a full /dev/shm cannot kill us. */
#define SEGMENT_STEP 16384u

struct arena {
	char *base;
	uint64_t bytes;
	uint32_t chunk_count;
	struct anaros_control *control;
	struct anaros_shared *shared;
	struct anaros_lane *lanes;
	uint32_t *owners;
	struct anaros_chunk *chunks;
	struct clock_thread *clock;
	int numbers_fd; /* the kernel plane's map of other pid namespaces; -1: none */
	struct numbered_lane *numbered;
};

/* First page of a segment's file; the columns follow, each page aligned. */
struct segment_header {
	uint64_t magic;
	uint32_t version;
	uint32_t capacity;
	uint64_t names_capacity;
	uint64_t sequence;
	uint64_t count;       /* rows that may be read */
	uint64_t names_bytes; /* bytes of names that may be read */
	uint64_t opened_ns;   /* when its first row came; 0 = empty */
	/* A step of the drain that is under way; chunk 0 = none. */
	uint64_t intent_chunk;
	uint64_t intent_drained;
	uint64_t intent_count;
	uint64_t intent_names;
	uint64_t malformed; /* names whose size was a lie */
};

struct segment {
	char *base;
	uint64_t bytes;
	struct segment_header *header;
	char *columns[SEGMENT_COLUMNS];
	char *names;
	uint32_t populated;
	uint64_t names_populated;
	uint64_t lost; /* kernel samples that found no room */
};

/* Before each name's text; entries are padded to 8 bytes. */
struct name_entry {
	uint64_t object;
	uint64_t start_ns;
	uint32_t pid;
	uint16_t name_class;
	uint16_t size;
};

struct lane_totals {
	uint64_t drops;
	uint32_t live;
	uint32_t ended;
};

struct arena *anaros_arena_create(const char *path, uint32_t chunk_count, int *error);
struct arena *anaros_arena_open(const char *path, int *error);
void anaros_arena_close(struct arena *arena);
uint32_t anaros_arena_wakes(const struct arena *arena);
int anaros_arena_wait(struct arena *arena, uint32_t word, int timeout_ms);
void anaros_arena_wake(struct arena *arena);
int64_t anaros_arena_drain(struct arena *arena, struct segment *segment);
bool anaros_numbers_lie(const struct arena *arena, uint32_t lane);
void anaros_numbers_rows(struct arena *arena, uint32_t lane, const struct segment *segment,
			 uint64_t at, uint32_t count);
void anaros_numbers_name(struct arena *arena, uint32_t lane, struct anaros_record *record);
void anaros_numbers_forget(struct arena *arena, uint32_t lane);
uint32_t anaros_arena_reap(struct arena *arena, uint64_t pid_namespace);
void anaros_arena_end_all(struct arena *arena);
void anaros_arena_totals(struct arena *arena, struct lane_totals *totals);
void anaros_arena_recover(struct arena *arena, struct segment *segment);

uint64_t anaros_segment_bytes(uint32_t capacity, uint64_t names_capacity);
struct segment *anaros_segment_create(const char *path, uint32_t capacity, uint64_t names_capacity,
				      int *error);
struct segment *anaros_segment_open(const char *path, bool writable, int *error);
void anaros_segment_close(struct segment *segment);
void anaros_segment_reset(struct segment *segment, uint64_t sequence);
bool anaros_segment_room(struct segment *segment, uint32_t rows);
int anaros_segment_sample(void *context, void *data, size_t size);
void anaros_segment_gather(const struct segment *segment, const uint32_t *order, uint64_t count,
			   void *const *out);
int anaros_segment_cluster(const struct segment *segment, uint64_t count, uint32_t block,
			   uint32_t *order, uint32_t *scratch);
int anaros_argsort(const uint64_t *keys, uint64_t count, uint32_t *order, uint32_t *scratch);

/* Takes one record and what follows it (a name), or several records. */
typedef int (*anaros_sample_fn)(void *context, void *data, size_t size);
struct switches *anaros_switches_open(int ends_fd, int slots_fd, uint32_t cpus, uint32_t slots_each,
				      int *error);
void anaros_switches_close(struct switches *rings);
int64_t anaros_switches_consume(struct switches *rings, uint64_t room, anaros_sample_fn sample,
				void *context);

/* What of the kernel plane is drained: libbpf's ring and the rings of sched_switch. */
struct kernel_sources {
	int (*consume_ring)(void *ring);
	void *ring;
	int ring_fd;    /* polls readable when a ring has passed its mark */
	int numbers_fd; /* map of threads in other pid namespaces; -1: none */
	struct switches *switches;
};

struct recorder;
struct recorder *anaros_recorder_create(struct arena *arena, struct segment *first,
					struct segment *second, uint64_t pid_namespace);
void anaros_recorder_free(struct recorder *recorder);
struct segment **anaros_recorder_cell(struct recorder *recorder);
int anaros_recorder_start(struct recorder *recorder, const struct kernel_sources *kernel);
int anaros_recorder_note(struct recorder *recorder, const struct anaros_record *record);
void anaros_recorder_stop(struct recorder *recorder);
void anaros_recorder_finish(struct recorder *recorder);
int anaros_recorder_next(struct recorder *recorder, int timeout_ms);
void anaros_recorder_yield(struct recorder *recorder, bool yields);
void anaros_recorder_written(struct recorder *recorder, int place, bool kept);

int anaros_clock_start(struct arena *arena);
void anaros_clock_stop(struct arena *arena);
uint64_t anaros_clock_now_ns(const struct arena *arena);
void anaros_clock_residual(const struct arena *arena, uint64_t *last_ns, uint64_t *max_ns);
uint64_t anaros_monotonic_ns(void);
double anaros_record_cost_ns(const struct arena *arena);

#endif
