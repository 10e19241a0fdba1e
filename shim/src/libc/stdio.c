// SPDX-License-Identifier: Apache-2.0
/*
 * stdio reaches the kernel inside libc, past any wrapper, so the stream
 * calls themselves are recorded, with ANAROS_FLAG_STDIO: bytes as the
 * program asked for them, which the buffer may have served.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "libc/fds.h"

/* Macros of an optimised <stdio.h>. */
#undef fread_unlocked
#undef fwrite_unlocked

size_t __fread_chk(void *to, size_t room, size_t size, size_t count, FILE *stream);
size_t __fread_unlocked_chk(void *to, size_t room, size_t size, size_t count, FILE *stream);
char *__fgets_chk(char *to, size_t room, int size, FILE *stream);
char *__fgets_unlocked_chk(char *to, size_t room, int size, FILE *stream);
ssize_t __getdelim(char **line, size_t *room, int delimiter, FILE *stream);

static FILE *opened(const struct anaros_call *call, FILE *stream)
{
	uint64_t end_ns = anaros_now_ns();
	int fd = stream != NULL ? fileno_unlocked(stream) : -1;
	struct anaros_fd entry = {0};
	struct anaros_fields fields = {.kind = ANAROS_KIND_FILE_OPEN};

	fields.status = stream != NULL ? fd : -errno;
	if (fd >= 0) {
		entry = anaros_fd_new(fd);
		anaros_fd_name_file(fd, entry.object);
	}
	fields.flags = (uint16_t)(entry.flags | ANAROS_FLAG_STDIO);
	fields.object = entry.object;
	anaros_record_at(call->start_ns, end_ns, &fields);
	return stream;
}

WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), opened(&call, result))
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), opened(&call, result))

#define FREOPEN(name)                                                                              \
	EXPORT FILE *name(const char *path, const char *mode, FILE *stream)                        \
	{                                                                                          \
		struct anaros_call call;                                                           \
                                                                                                   \
		if (!anaros_enter(&call))                                                          \
			return REAL(name)(path, mode, stream);                                     \
		anaros_fd_forget(fileno_unlocked(stream));                                         \
		return opened(&call, REAL(name)(path, mode, stream));                              \
	}
FREOPEN(freopen)
FREOPEN(freopen64)

EXPORT int fclose(FILE *stream)
{
	struct anaros_call call;
	struct anaros_fd entry = {0};
	int result, fd;

	if (!anaros_enter(&call))
		return REAL(fclose)(stream);
	fd = fileno_unlocked(stream);
	if ((unsigned int)fd < ANAROS_FDS) {
		entry = anaros_fds[fd];
		anaros_fd_forget(fd);
	}
	result = REAL(fclose)(stream);
	anaros_record(&call, &(struct anaros_fields){
				 .kind = ANAROS_KIND_FILE_CLOSE,
				 .flags = (uint16_t)(entry.flags | ANAROS_FLAG_STDIO),
				 .status = anaros_status(result),
				 .object = entry.object,
			     });
	return result;
}

static void streamed(const struct anaros_call *call, uint16_t kind, FILE *stream, uint64_t size,
		     const void *address)
{
	uint64_t end_ns = anaros_now_ns();
	struct anaros_fd entry = anaros_fd_of(fileno_unlocked(stream));

	anaros_record_at(call->start_ns, end_ns,
			 &(struct anaros_fields){
			     .kind = kind,
			     .flags = (uint16_t)(entry.flags | ANAROS_FLAG_STDIO),
			     .object = entry.object,
			     .size_bytes = size,
			     .address = (uintptr_t)address,
			 });
}

/* Calls that move `count` items of `size` bytes and return the items moved. */
#define ITEMS(name, kind, parameters, arguments, address)                                          \
	WRAP(size_t, name, parameters, arguments,                                                  \
	     streamed(&call, kind, stream, (uint64_t)result *size, address))
ITEMS(fread, ANAROS_KIND_FILE_READ, (void *to, size_t size, size_t count, FILE *stream),
      (to, size, count, stream), to)
ITEMS(fread_unlocked, ANAROS_KIND_FILE_READ, (void *to, size_t size, size_t count, FILE *stream),
      (to, size, count, stream), to)
ITEMS(__fread_chk, ANAROS_KIND_FILE_READ,
      (void *to, size_t room, size_t size, size_t count, FILE *stream),
      (to, room, size, count, stream), to)
ITEMS(__fread_unlocked_chk, ANAROS_KIND_FILE_READ,
      (void *to, size_t room, size_t size, size_t count, FILE *stream),
      (to, room, size, count, stream), to)
ITEMS(fwrite, ANAROS_KIND_FILE_WRITE, (const void *from, size_t size, size_t count, FILE *stream),
      (from, size, count, stream), from)
ITEMS(fwrite_unlocked, ANAROS_KIND_FILE_WRITE,
      (const void *from, size_t size, size_t count, FILE *stream), (from, size, count, stream),
      from)

/* Calls that read one line and return it, or NULL. */
#define LINE(name, parameters, arguments)                                                          \
	WRAP(char *, name, parameters, arguments,                                                  \
	     streamed(&call, ANAROS_KIND_FILE_READ, stream, result != NULL ? strlen(result) : 0,   \
		      result))
LINE(fgets, (char *to, int size, FILE *stream), (to, size, stream))
LINE(fgets_unlocked, (char *to, int size, FILE *stream), (to, size, stream))
LINE(__fgets_chk, (char *to, size_t room, int size, FILE *stream), (to, room, size, stream))
LINE(__fgets_unlocked_chk, (char *to, size_t room, int size, FILE *stream),
     (to, room, size, stream))

#define PUT(name)                                                                                  \
	WRAP(int, name, (const char *text, FILE *stream), (text, stream),                          \
	     streamed(&call, ANAROS_KIND_FILE_WRITE, stream, result < 0 ? 0 : strlen(text), text))
PUT(fputs)
PUT(fputs_unlocked)

#define GET(name, parameters, arguments)                                                           \
	WRAP(ssize_t, name, parameters, arguments,                                                 \
	     streamed(&call, ANAROS_KIND_FILE_READ, stream, result > 0 ? (uint64_t)result : 0,     \
		      *line))
GET(getline, (char **line, size_t *room, FILE *stream), (line, room, stream))
GET(getdelim, (char **line, size_t *room, int delimiter, FILE *stream),
    (line, room, delimiter, stream))
GET(__getdelim, (char **line, size_t *room, int delimiter, FILE *stream),
    (line, room, delimiter, stream))
