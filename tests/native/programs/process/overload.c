// SPDX-License-Identifier: Apache-2.0
/* Description: nobody drains: records + counted drops = calls, exactly. */
#include "harness.h"

int main(void)
{
	struct harness harness = harness_open();
	uint64_t room = (uint64_t)harness.control->chunk_count * ANAROS_CHUNK_RECORDS;
	uint64_t calls = room + 100000, kept;
	int fd = harness_file(16);
	char byte;

	for (uint64_t i = 0; i < calls; i++)
		CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	kept = harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_READ});
	CHECK(harness_drops(&harness) >= 100000);
	CHECK_EQUAL(kept + harness_drops(&harness), calls);
	return 0;
}
