// SPDX-License-Identifier: Apache-2.0
/* Description: maps of files are recorded and their ends too; other memory is not. */
#include "harness.h"

int main(void)
{
	struct harness harness = harness_open();
	struct wanted maps = {.kind = ANAROS_KIND_FILE_MMAP};
	struct wanted unmaps = {.kind = ANAROS_KIND_FILE_MUNMAP};
	int fd = harness_file(8192);
	void *memory, *file;

	memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	CHECK_EQUAL(harness_count(&harness, maps), 0);
	file = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(file != MAP_FAILED);
	CHECK_EQUAL(harness_count(&harness, maps), 1);
	CHECK_EQUAL(harness_find(&harness, maps).last.address, (uintptr_t)file);
	CHECK_EQUAL(harness_find(&harness, maps).last.size_bytes, 8192);
	CHECK(munmap(memory, 4096) == 0);
	CHECK_EQUAL(harness_count(&harness, unmaps), 0);
	CHECK(munmap(file, 8192) == 0);
	CHECK_EQUAL(harness_count(&harness, unmaps), 1);
	return 0;
}
