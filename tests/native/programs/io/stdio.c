// SPDX-License-Identifier: Apache-2.0
/* Description: stream calls are recorded with their bytes and the stdio flag. */
#include "harness.h"

static struct harness harness;

static void one(uint16_t kind, uint64_t size)
{
	struct harness_search found =
	    harness_find(&harness, (struct wanted){.kind = kind, .flags = ANAROS_FLAG_STDIO});

	CHECK(found.count > 0);
	CHECK_EQUAL(found.last.size_bytes, size);
}

int main(void)
{
	char path[64], text[64], *line = NULL;
	size_t room = 0;
	FILE *file;

	harness = harness_open();
	snprintf(path, sizeof(path), "/tmp/anaros-stdio-%d", getpid());
	file = fopen(path, "w+");
	CHECK(file != NULL);
	CHECK_EQUAL(fwrite("0123456789", 2, 5, file), 5);
	one(ANAROS_KIND_FILE_WRITE, 10);
	CHECK(fputs("line\nmore\n", file) >= 0);
	one(ANAROS_KIND_FILE_WRITE, 10);
	rewind(file);
	CHECK_EQUAL(fread(text, 1, 10, file), 10);
	one(ANAROS_KIND_FILE_READ, 10);
	CHECK(fgets(text, sizeof(text), file) == text);
	one(ANAROS_KIND_FILE_READ, 5);
	CHECK_EQUAL(getline(&line, &room, file), 5);
	one(ANAROS_KIND_FILE_READ, 5);
	CHECK(fgets(text, sizeof(text), file) == NULL);
	one(ANAROS_KIND_FILE_READ, 0);
	CHECK(fclose(file) == 0);
	CHECK_EQUAL(harness_count(&harness, (struct wanted){.kind = ANAROS_KIND_FILE_CLOSE,
							    .flags = ANAROS_FLAG_STDIO}),
		    1);
	free(line);
	return unlink(path);
}
