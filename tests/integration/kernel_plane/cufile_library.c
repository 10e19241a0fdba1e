// SPDX-License-Identifier: Apache-2.0
/*
 * Stands for libcufile: its calls, which end in the static probes that the
 * real library has, under the same names and with the same arguments. The
 * device's memory is the host's, and a handle is a descriptor and a way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum way { POSIX = 0, DIRECT = 1, RDMA = 2 };

#define PART   65536
#define DEVICE 2

/* A note that says where a no-operation stands and where its arguments are. */
#define PROBE(provider, name, format, ...)                                                         \
	__asm__ volatile("990:\tnop\n"                                                             \
			 "\t.pushsection .note.stapsdt,\"\",\"note\"\n"                            \
			 "\t.balign 4\n"                                                           \
			 "\t.4byte 992f-991f, 994f-993f, 3\n"                                      \
			 "991:\t.asciz \"stapsdt\"\n"                                              \
			 "992:\t.balign 4\n"                                                       \
			 "993:\t.8byte 990b, _.stapsdt.base, 0\n"                                  \
			 "\t.asciz \"" provider "\"\n"                                             \
			 "\t.asciz \"" name "\"\n"                                                 \
			 "\t.asciz \"" format "\"\n"                                               \
			 "994:\t.balign 4\n"                                                       \
			 "\t.popsection\n"                                                         \
			 "\t.ifndef _.stapsdt.base\n"                                              \
			 "\t.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
			 "\t.weak _.stapsdt.base\n"                                                \
			 "\t.hidden _.stapsdt.base\n"                                              \
			 "_.stapsdt.base:\t.space 1\n"                                             \
			 "\t.size _.stapsdt.base, 1\n"                                             \
			 "\t.popsection\n"                                                         \
			 "\t.endif\n"                                                              \
			 :                                                                         \
			 : __VA_ARGS__)

#define SIX   "-4@%0 -8@%1 8@%2 -8@%3 -8@%4 -4@%5"
#define SEVEN SIX " 1@%6"
#define TRANSFER                                                                                   \
	"nor"(fd), "nor"(offset), "nor"(bytes), "nor"(buffer_offset), "nor"(result), "nor"(device)

static void tell(enum way way, int writes, int fd, off_t offset, size_t bytes, off_t buffer_offset,
		 ssize_t result)
{
	int device = DEVICE;
	uint8_t bounced = bytes < 4096;

	switch (way * 2 + writes) {
	case POSIX * 2:
		PROBE("cufio_core", "cufio_px_read", SIX, TRANSFER);
		break;
	case POSIX * 2 + 1:
		PROBE("cufio_core", "cufio_px_write", SIX, TRANSFER);
		break;
	case DIRECT * 2:
		PROBE("cufio", "cufio_gds_read", SEVEN, TRANSFER, "nor"(bounced));
		break;
	case DIRECT * 2 + 1:
		PROBE("cufio", "cufio_gds_write", SEVEN, TRANSFER, "nor"(bounced));
		break;
	case RDMA * 2:
		PROBE("cufio_core", "cufio_rdma_read", SEVEN, TRANSFER, "nor"(bounced));
		break;
	default:
		PROBE("cufio_core", "cufio_rdma_write", SEVEN, TRANSFER, "nor"(bounced));
		break;
	}
}

static ssize_t move(void *handle, int writes, char *buffer, size_t bytes, off_t offset,
		    off_t buffer_offset)
{
	int fd = (int)(uintptr_t)handle & 0xffff;
	enum way way = (uintptr_t)handle >> 16;
	size_t done = 0;

	while (done < bytes) {
		size_t part = bytes - done < PART ? bytes - done : PART;
		char *at = buffer + buffer_offset + done;
		ssize_t moved = writes ? pwrite(fd, at, part, offset + (off_t)done)
				       : pread(fd, at, part, offset + (off_t)done);

		if (moved < 0)
			moved = -errno;
		tell(way, writes, fd, offset + (off_t)done, part, buffer_offset + (off_t)done,
		     moved);
		if (moved <= 0)
			return done != 0 ? (ssize_t)done : moved;
		done += (size_t)moved;
	}
	return (ssize_t)done;
}

ssize_t cuFileRead(void *handle, void *buffer, size_t bytes, off_t offset, off_t buffer_offset);
ssize_t cuFileRead(void *handle, void *buffer, size_t bytes, off_t offset, off_t buffer_offset)
{
	return move(handle, 0, buffer, bytes, offset, buffer_offset);
}

ssize_t cuFileWrite(void *handle, const void *buffer, size_t bytes, off_t offset,
		    off_t buffer_offset);
ssize_t cuFileWrite(void *handle, const void *buffer, size_t bytes, off_t offset,
		    off_t buffer_offset)
{
	return move(handle, 1, (void *)(uintptr_t)buffer, bytes, offset, buffer_offset);
}

ssize_t cuFileReadv(void *handle, const struct iovec *list, size_t count, off_t offset,
		    unsigned int flags);
ssize_t cuFileReadv(void *handle, const struct iovec *list, size_t count, off_t offset,
		    unsigned int flags)
{
	ssize_t done = 0;

	(void)flags;
	for (size_t i = 0; i < count; i++)
		done += move(handle, 0, list[i].iov_base, list[i].iov_len, offset + done, 0);
	return done;
}

/* Done by a thread of the library's. */
struct job {
	void *handle, *buffer;
	size_t bytes;
	off_t offset;
	ssize_t result;
};

static void *work(void *argument)
{
	struct job *job = argument;

	job->result = move(job->handle, 0, job->buffer, job->bytes, job->offset, 0);
	return NULL;
}

int cuFileReadAsync(void *handle, void *buffer, size_t *bytes, off_t *offset, off_t *buffer_offset,
		    ssize_t *result, void *stream);
int cuFileReadAsync(void *handle, void *buffer, size_t *bytes, off_t *offset, off_t *buffer_offset,
		    ssize_t *result, void *stream)
{
	struct job job = {handle, (char *)buffer + *buffer_offset, *bytes, *offset, 0};
	pthread_t thread;

	(void)stream;
	if (pthread_create(&thread, NULL, work, &job) != 0)
		return -1;
	pthread_join(thread, NULL);
	*result = job.result;
	return 0;
}
