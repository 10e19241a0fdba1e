// SPDX-License-Identifier: Apache-2.0
/*
 * Description: where the slots of a library opened with RTLD_DEEPBIND cannot
 * be written, it works as it was bound, and each is counted and named.
 */
#include "cuda_test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define ARGUMENT(i) offsetof(struct seccomp_data, args[i])

/* As a sandbox does: pages that are read-only stay so. The loader only makes them so. */
static void forbid_writable_pages(void)
{
	struct sock_filter rules[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_WRITE, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(rules) / sizeof(*rules), rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		harness_skip("no filter of system calls");
}

struct named {
	const char *name;
	uint64_t object;
	unsigned int records;
};

static void see(const struct anaros_record *record, void *context)
{
	struct named *named = context;

	if (record->kind == ANAROS_KIND_META_NAME && record->size_bytes == strlen(named->name) &&
	    memcmp(record + 1, named->name, record->size_bytes) == 0)
		named->object = record->object;
	if (record->kind == ANAROS_KIND_GPU_UNKNOWN && record->object == named->object &&
	    record->address == ANAROS_WAY_SEALED)
		named->records++;
}

int main(void)
{
	struct harness harness = harness_open();
	struct named alloc = {.name = "cuMemAlloc_v2"}, symbol = {.name = "dlsym"};
	int (*call)(size_t);
	void *library;

	forbid_writable_pages();
	library = dlopen("cudart/build/echo/deep_now.so", RTLD_NOW | RTLD_DEEPBIND);
	if (library == NULL)
		harness_skip("the library is not built");
	*(void **)&call = dlsym(library, "deep_alloc");
	for (int i = 0; i < 3; i++)
		OK(call(100));
	CHECK_EQUAL(cuda_records(&harness, ANAROS_KIND_GPU_ALLOC), 0);
	harness_each(&harness, see, &alloc);
	harness_each(&harness, see, &symbol);
	CHECK_EQUAL(alloc.records, 1);
	CHECK_EQUAL(symbol.records, 1);
	CHECK_EQUAL(harness.shared->unhooked,
		    harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_GPU_UNKNOWN,
							    .address = ANAROS_WAY_SEALED}));
	return 0;
}
