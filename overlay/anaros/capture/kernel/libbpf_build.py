# SPDX-License-Identifier: Apache-2.0
"""Builds ``anaros._libbpf``: what of libbpf the kernel plane calls, in cffi's ABI mode.

Out of line, so that no C is parsed at run time; without a compiler and without linking, so that
a machine that has no libbpf still imports the module and is told what is missing.
"""

from __future__ import annotations

import runpy

from cffi import FFI

_LAYOUT = runpy.run_path("overlay/anaros/native/layout.py")
_LAYOUT["write"]()
ffi = FFI()
ffi.set_source("anaros._libbpf", None)
ffi.cdef(
    """
    struct bpf_object;
    struct bpf_map;
    struct bpf_program;
    struct bpf_link;
    struct ring_buffer;
    struct btf;

    struct btf_type {
        uint32_t name_off;
        uint32_t info;
        uint32_t size_or_type;
    };

    /* ebpf/config.h */
    struct anaros_config {
        uint64_t ring_wake_bytes;
        uint64_t runqueue_min_ns;
        uint64_t queue_min_ns;
        uint64_t block_recent_ns;
        uint64_t net_recent_ns;
        uint32_t switch_slots;
        uint32_t backlog_min;
        uint8_t switch_has_state;
        uint8_t drop_has_socket;
        uint8_t page_shift;
        uint8_t thread_bits;
        uint8_t padding[4];
        uint64_t irq_min_ns;
        uint64_t lock_min_ns;
    };

    /* linux/bpf.h, up to what Linux 5.16 fills in; the kernel fills as much as it knows. */
    struct bpf_prog_info {
        uint32_t type, id;
        uint8_t tag[8];
        uint32_t jited_prog_len, xlated_prog_len;
        uint64_t jited_prog_insns, xlated_prog_insns;
        uint64_t load_time;
        uint32_t created_by_uid, nr_map_ids;
        uint64_t map_ids;
        char name[16];
        uint32_t ifindex, gpl_compatible;
        uint64_t netns_dev, netns_ino;
        uint32_t nr_jited_ksyms, nr_jited_func_lens;
        uint64_t jited_ksyms, jited_func_lens;
        uint32_t btf_id, func_info_rec_size;
        uint64_t func_info;
        uint32_t nr_func_info, nr_line_info;
        uint64_t line_info, jited_line_info;
        uint32_t nr_jited_line_info, line_info_rec_size, jited_line_info_rec_size, nr_prog_tags;
        uint64_t prog_tags;
        uint64_t run_time_ns, run_cnt, recursion_misses;
        uint32_t verified_insns, padding;
    };

    /* The last argument is a va_list, which both x86-64 and arm64 pass by its address. */
    typedef int (*libbpf_print_fn_t)(int level, const char *format, void *arguments);
    typedef int (*ring_buffer_sample_fn)(void *ctx, void *data, size_t size);

    libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t print);
    int libbpf_num_possible_cpus(void);

    struct btf *btf__load_vmlinux_btf(void);
    int btf__find_by_name_kind(const struct btf *btf, const char *name, uint32_t kind);
    const struct btf_type *btf__type_by_id(const struct btf *btf, uint32_t id);
    void btf__free(struct btf *btf);

    struct bpf_object *bpf_object__open_file(const char *path, const void *options);
    int bpf_object__load(struct bpf_object *object);
    void bpf_object__close(struct bpf_object *object);
    struct bpf_map *bpf_object__find_map_by_name(const struct bpf_object *object, const char *name);
    struct bpf_program *bpf_object__find_program_by_name(const struct bpf_object *object,
                                                         const char *name);

    int bpf_map__fd(const struct bpf_map *map);
    int bpf_map__reuse_fd(struct bpf_map *map, int fd);
    int bpf_map__set_max_entries(struct bpf_map *map, uint32_t max_entries);
    uint32_t bpf_map__max_entries(const struct bpf_map *map);
    uint32_t bpf_map__value_size(const struct bpf_map *map);
    void *bpf_map__initial_value(struct bpf_map *map, size_t *size);

    int bpf_program__set_autoload(struct bpf_program *program, bool autoload);
    int bpf_program__set_expected_attach_type(struct bpf_program *program, int type);
    int bpf_program__fd(const struct bpf_program *program);
    struct bpf_link *bpf_program__attach(const struct bpf_program *program);
    struct bpf_link *bpf_program__attach_cgroup(const struct bpf_program *program, int cgroup);
    struct bpf_iter_attach_opts {
        size_t sz;
        const void *link_info; /* the first 4 bytes: descriptor of a map */
        uint32_t link_info_len;
    };
    struct bpf_link *bpf_program__attach_iter(const struct bpf_program *program,
                                              const struct bpf_iter_attach_opts *options);
    int bpf_link__fd(const struct bpf_link *link);
    int bpf_link__destroy(struct bpf_link *link);
    int bpf_iter_create(int link_fd);

    /* As far as they are used; the rest is 0. */
    struct bpf_usdt_opts {
        size_t sz;
        uint64_t usdt_cookie;
    };
    struct bpf_uprobe_opts {
        size_t sz;
        size_t ref_ctr_offset;
        uint64_t bpf_cookie;
        bool retprobe;
        const char *func_name;
    };
    struct bpf_link *bpf_program__attach_usdt(const struct bpf_program *program, int pid,
                                              const char *path, const char *provider,
                                              const char *name,
                                              const struct bpf_usdt_opts *options);
    struct bpf_link *bpf_program__attach_uprobe_opts(const struct bpf_program *program, int pid,
                                                     const char *path, size_t offset,
                                                     const struct bpf_uprobe_opts *options);

    int bpf_map_lookup_elem(int fd, const void *key, void *value);
    int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags);
    int bpf_map_delete_elem(int fd, const void *key);
    int bpf_map_get_next_key(int fd, const void *key, void *next_key);
    int bpf_obj_get_info_by_fd(int fd, void *info, uint32_t *size);
    int bpf_enable_stats(int type);

    struct ring_buffer *ring_buffer__new(int map_fd, ring_buffer_sample_fn sample, void *ctx,
                                         const void *options);
    int ring_buffer__consume(struct ring_buffer *ring);
    int ring_buffer__poll(struct ring_buffer *ring, int timeout_ms);
    int ring_buffer__epoll_fd(const struct ring_buffer *ring);
    void ring_buffer__free(struct ring_buffer *ring);

    /* libc */
    long syscall(long number, ...);
    int vsnprintf(char *text, size_t size, const char *format, void *arguments);
    """
)

ffi.cdef(f"#define ANAROS_LIBBPF_ABI {_LAYOUT['number'](_LAYOUT['LIBBPF'])}")

if __name__ == "__main__":
    ffi.compile(verbose=False)
