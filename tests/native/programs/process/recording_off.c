// SPDX-License-Identifier: Apache-2.0
/* Description: switched off, calls pass and leave no record; on again, they do. */
#include "harness.h"

int main(void)
{
	struct harness harness = harness_open();
	struct wanted reads = {.kind = ANAROS_KIND_FILE_READ};
	int fd = harness_file(16);
	char byte;

	harness.control->recording = 0;
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	CHECK_EQUAL(harness_count(&harness, reads), 0);
	harness.control->recording = 1;
	CHECK_EQUAL(pread(fd, &byte, 1, 0), 1);
	CHECK_EQUAL(harness_count(&harness, reads), 1);
	harness.control->hide_names = 1;
	CHECK(fclose(fopen("/dev/null", "r")) == 0);
	for (uint32_t i = 0; i < harness.chunks[0].header.committed; i++)
		CHECK(memcmp(&harness.chunks[0].records[i], "/dev/null", 9) != 0);
	return 0;
}
