# SPDX-License-Identifier: Apache-2.0
"""Builds ``anaros._native`` (cffi, API mode): the supervisor's native side and the analysis's.

Run by setup.py (``cffi_modules``). The C sources lie beside this file; the shim's headers are
the contract with the workload.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from cffi import FFI

_NATIVE = Path("overlay/anaros/native")
_LAYOUT = runpy.run_path(str(_NATIVE / "layout.py"))

_DECLARATIONS = """
#define ANAROS_NATIVE_ABI ...

struct anaros_device_map { uint32_t active; uint32_t count; uint8_t order[32]; ...; };
struct anaros_kernel_state { uint64_t consumed_ns; uint64_t drops[16]; };
struct anaros_control {
    uint64_t generation;
    uint32_t chunk_count;
    uint32_t recording;
    uint32_t hide_names;
    uint32_t wake_chunks;
    uint32_t supervisor_pid;
    uint32_t device_time;
    struct anaros_device_map cuda;
    struct anaros_device_map opencl;
    struct anaros_kernel_state kernel;
    ...;
};
struct anaros_shared {
    uint32_t chunks_in_use;
    uint32_t processes;
    uint32_t lanes_used;
    uint64_t drops_no_lane;
    uint64_t environments_restored;
    uint64_t environments_lost;
    uint64_t names_dropped;
    uint64_t vfork_calls;
    uint64_t unhooked;
    uint64_t drops_retired;
    uint64_t records_drained;
    uint64_t device_times_unread;
    uint64_t device_times_lost;
    uint64_t device_clock_residual_ns;
    uint32_t device_timers;
    uint32_t device_timers_off;
    uint64_t device_calls_beneath;
    uint64_t captures_lost;
    ...;
};
struct arena {
    struct anaros_control *control;
    struct anaros_shared *shared;
    ...;
};
struct segment_header {
    uint32_t capacity;
    uint64_t names_capacity;
    uint64_t sequence;
    uint64_t count;
    uint64_t names_bytes;
    uint64_t opened_ns;
    uint64_t malformed;
    ...;
};
struct segment {
    struct segment_header *header;
    char *columns[11];
    char *names;
    uint64_t lost;
    ...;
};
struct lane_totals { uint64_t drops; uint32_t live; uint32_t ended; };

struct arena *anaros_arena_create(const char *path, uint32_t chunk_count, int *error);
struct arena *anaros_arena_open(const char *path, int *error);
void anaros_arena_close(struct arena *arena);
int64_t anaros_arena_drain(struct arena *arena, struct segment *segment);
uint32_t anaros_arena_reap(struct arena *arena, uint64_t pid_namespace);
void anaros_arena_end_all(struct arena *arena);
void anaros_arena_totals(struct arena *arena, struct lane_totals *totals);
void anaros_arena_recover(struct arena *arena, struct segment *segment);

struct segment *anaros_segment_create(const char *path, uint32_t capacity,
                                      uint64_t names_capacity, int *error);
struct segment *anaros_segment_open(const char *path, bool writable, int *error);
void anaros_segment_close(struct segment *segment);
void anaros_segment_reset(struct segment *segment, uint64_t sequence);
int anaros_segment_sample(void *context, void *data, size_t size);
void anaros_segment_gather(const struct segment *segment, const uint32_t *order, uint64_t count,
                           void *const *out);
int anaros_segment_cluster(const struct segment *segment, uint64_t count, uint32_t block,
                           uint32_t *order, uint32_t *scratch);
int anaros_argsort(const uint64_t *keys, uint64_t count, uint32_t *order, uint32_t *scratch);

typedef int (*anaros_sample_fn)(void *context, void *data, size_t size);
struct switches *anaros_switches_open(int ends_fd, int slots_fd, uint32_t cpus,
                                      uint32_t slots_each, int *error);
void anaros_switches_close(struct switches *rings);
int64_t anaros_switches_consume(struct switches *rings, uint64_t room, anaros_sample_fn sample,
                                void *context);

struct kernel_sources {
    int (*consume_ring)(void *ring);
    void *ring;
    int ring_fd;
    int numbers_fd;
    struct switches *switches;
};
struct recorder *anaros_recorder_create(struct arena *arena, struct segment *first,
                                        struct segment *second, uint64_t pid_namespace);
void anaros_recorder_free(struct recorder *recorder);
struct segment **anaros_recorder_cell(struct recorder *recorder);
int anaros_recorder_start(struct recorder *recorder, const struct kernel_sources *kernel);
int anaros_recorder_note(struct recorder *recorder, const void *record);
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
"""


def _declarations(header: Path) -> str:
    """What a header declares; it needs no preprocessor."""
    lines = header.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


_LAYOUT["write"]()
ffi = FFI()
ffi.cdef(_DECLARATIONS)
ffi.cdef(_declarations(_NATIVE / "pofc.h"))
ffi.cdef(_declarations(_NATIVE / "store.h"))
ffi.set_source(
    "anaros._native",
    '#include "native.h"\n#include "pofc.h"\n#include "store.h"\n'
    f"#define ANAROS_NATIVE_ABI {_LAYOUT['number'](_LAYOUT['NATIVE'])}\n",
    sources=[str(path) for path in sorted(_NATIVE.glob("*.c"))],
    depends=[str(path) for path in sorted(_NATIVE.glob("*.h"))],
    include_dirs=[str(_NATIVE), "shim/include"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra"],
    libraries=["pthread"],
    py_limited_api=True,
)
