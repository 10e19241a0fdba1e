// SPDX-License-Identifier: Apache-2.0
/*
 * An OpenCL program for test_opencl.py, which links it with the library of
 * the pyopencl wheel. Prints one line of JSON: "result" must be the same
 * with and without the shim, "handles" tells the test what to look for.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct object *handle;

int clGetPlatformIDs(unsigned room, handle *platforms, unsigned *count);
int clGetDeviceIDs(handle platform, uint64_t type, unsigned room, handle *devices, unsigned *count);
int clGetDeviceInfo(handle device, unsigned what, size_t room, void *value, size_t *size);
handle clCreateContext(const intptr_t *properties, unsigned count, const handle *devices,
		       void *notify, void *data, int *status);
handle clCreateContextFromType(const intptr_t *properties, uint64_t type, void *notify, void *data,
			       int *status);
int clGetContextInfo(handle context, unsigned what, size_t room, void *value, size_t *size);
handle clCreateCommandQueue(handle context, handle device, uint64_t properties, int *status);
int clRetainCommandQueue(handle queue);
int clReleaseCommandQueue(handle queue);
handle clCreateProgramWithSource(handle context, unsigned count, const char **text,
				 const size_t *lengths, int *status);
int clBuildProgram(handle program, unsigned count, const handle *devices, const char *options,
		   void *notify, void *data);
handle clCreateKernel(handle program, const char *name, int *status);
int clSetKernelArg(handle kernel, unsigned index, size_t size, const void *value);
int clReleaseKernel(handle kernel);
handle clCreateBuffer(handle context, uint64_t flags, size_t size, void *host, int *status);
int clRetainMemObject(handle memory);
int clReleaseMemObject(handle memory);
int clEnqueueWriteBuffer(handle queue, handle buffer, unsigned blocking, size_t offset, size_t size,
			 const void *host, unsigned waits, const handle *list, handle *event);
int clEnqueueReadBuffer(handle queue, handle buffer, unsigned blocking, size_t offset, size_t size,
			void *host, unsigned waits, const handle *list, handle *event);
int clEnqueueWriteBufferRect(handle queue, handle buffer, unsigned blocking,
			     const size_t *buffer_origin, const size_t *host_origin,
			     const size_t *region, size_t buffer_row, size_t buffer_slice,
			     size_t host_row, size_t host_slice, const void *host, unsigned waits,
			     const handle *list, handle *event);
int clEnqueueCopyBuffer(handle queue, handle source, handle target, size_t source_offset,
			size_t target_offset, size_t size, unsigned waits, const handle *list,
			handle *event);
int clEnqueueFillBuffer(handle queue, handle buffer, const void *pattern, size_t pattern_size,
			size_t offset, size_t size, unsigned waits, const handle *list,
			handle *event);
void *clEnqueueMapBuffer(handle queue, handle buffer, unsigned blocking, uint64_t flags,
			 size_t offset, size_t size, unsigned waits, const handle *list,
			 handle *event, int *status);
int clEnqueueUnmapMemObject(handle queue, handle buffer, void *host, unsigned waits,
			    const handle *list, handle *event);
int clEnqueueNDRangeKernel(handle queue, handle kernel, unsigned dimensions, const size_t *offset,
			   const size_t *global, const size_t *local, unsigned waits,
			   const handle *list, handle *event);
int clEnqueueTask(handle queue, handle kernel, unsigned waits, const handle *list, handle *event);
int clEnqueueMarkerWithWaitList(handle queue, unsigned waits, const handle *list, handle *event);
int clFinish(handle queue);
int clFlush(handle queue);
int clWaitForEvents(unsigned count, const handle *events);
int clReleaseEvent(handle event);
int clSetEventCallback(handle event, int status, void (*notify)(handle, int, void *), void *data);
handle clCreateUserEvent(handle context, int *status);
int clSetUserEventStatus(handle event, int status);

#define PROFILING 2
#define COUNT     1024
#define BYTES     (COUNT * sizeof(int))

static handle device, context, queue, program, kernel, buffer, other;
static int host[COUNT], answer[COUNT];

#define CHECK(call)                                                                                \
	do {                                                                                       \
		int status_ = (call);                                                              \
		if (status_ != 0) {                                                                \
			fprintf(stderr, "%s: %d\n", #call, status_);                               \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static void set_up(uint64_t properties)
{
	const char *text = "__kernel void add(__global int *a) { a[get_global_id(0)] += 1; }\n"
			   "__kernel void twice(__global int *a) { a[get_global_id(0)] *= 2; }\n";
	handle platform;
	int status;

	CHECK(clGetPlatformIDs(1, &platform, NULL));
	CHECK(clGetDeviceIDs(platform, 0xffffffff, 1, &device, NULL));
	context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
	CHECK(status);
	queue = clCreateCommandQueue(context, device, properties, &status);
	CHECK(status);
	program = clCreateProgramWithSource(context, 1, &text, NULL, &status);
	CHECK(status);
	CHECK(clBuildProgram(program, 0, NULL, "", NULL, NULL));
	kernel = clCreateKernel(program, "add", &status);
	CHECK(status);
	buffer = clCreateBuffer(context, 1, BYTES, NULL, &status);
	CHECK(status);
	other = clCreateBuffer(context, 1, BYTES, NULL, NULL);
	CHECK(clSetKernelArg(kernel, 0, sizeof(buffer), &buffer));
	for (int i = 0; i < COUNT; i++)
		host[i] = i;
}

static int launch(handle *event)
{
	const size_t global = COUNT;

	return clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, event);
}

static long sum(void)
{
	long total = 0;

	for (int i = 0; i < COUNT; i++)
		total += answer[i];
	return total;
}

static long read_sum(void)
{
	CHECK(clEnqueueReadBuffer(queue, buffer, 1, 0, BYTES, answer, 0, NULL, NULL));
	return sum();
}

static void print_pointers(void)
{
	printf("\"queue\": %lu, \"kernel\": %lu, \"buffer\": %lu, \"other\": %lu, "
	       "\"host\": %lu, \"answer\": %lu",
	       (long)queue, (long)kernel, (long)buffer, (long)other, (long)host, (long)answer);
}

/* One of each, without an event of ours. */
static void each(uint64_t properties)
{
	const size_t buffer_origin[3] = {0, 0, 0}, host_origin[3] = {16, 1, 0};
	const size_t region[3] = {64, 4, 1};
	const int pattern = 7;
	handle marker;
	void *mapped;

	set_up(properties);
	CHECK(clEnqueueWriteBuffer(queue, buffer, 0, 0, BYTES, host, 0, NULL, NULL));
	CHECK(launch(NULL));
	CHECK(clEnqueueCopyBuffer(queue, buffer, other, 0, 0, 512, 0, NULL, NULL));
	CHECK(clEnqueueFillBuffer(queue, buffer, &pattern, 4, 0, 256, 0, NULL, NULL));
	CHECK(clEnqueueWriteBufferRect(queue, other, 0, buffer_origin, host_origin, region, 0, 0,
				       128, 0, host, 0, NULL, NULL));
	CHECK(clEnqueueTask(queue, kernel, 0, NULL, NULL));
	CHECK(clFinish(queue));
	CHECK(clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker));
	CHECK(clWaitForEvents(1, &marker));
	mapped = clEnqueueMapBuffer(queue, buffer, 1, 1, 0, 128, 0, NULL, NULL, NULL);
	((int *)mapped)[1] += 5;
	CHECK(clEnqueueUnmapMemObject(queue, buffer, mapped, 0, NULL, NULL));
	printf("{\"result\": %ld, \"handles\": {", read_sum());
	print_pointers();
	printf(", \"marker\": %lu, \"mapped\": %lu}}\n", (long)marker, (long)mapped);
	CHECK(clReleaseEvent(marker));
}

/* Nobody waits for any of them until the end. */
static void unsynced(int count)
{
	set_up(PROFILING);
	CHECK(clEnqueueWriteBuffer(queue, buffer, 1, 0, BYTES, host, 0, NULL, NULL));
	for (int i = 0; i < count; i++)
		CHECK(launch(NULL));
	CHECK(clFinish(queue));
	printf("{\"result\": %ld}\n", read_sum());
}

/* The device may not begin before all are enqueued. */
static void gated(int count)
{
	handle gate;

	set_up(PROFILING);
	CHECK(clEnqueueWriteBuffer(queue, buffer, 1, 0, BYTES, host, 0, NULL, NULL));
	gate = clCreateUserEvent(context, NULL);
	CHECK(clEnqueueMarkerWithWaitList(queue, 1, &gate, NULL));
	for (int i = 0; i < count; i++)
		CHECK(launch(NULL));
	CHECK(clSetUserEventStatus(gate, 0));
	CHECK(clFinish(queue));
	printf("{\"result\": %ld}\n", read_sum());
}

static int per_thread;

static void *hammer(void *unused)
{
	for (int i = 0; i < per_thread; i++) {
		handle event;

		CHECK(launch(&event));
		CHECK(clWaitForEvents(1, &event));
		CHECK(clReleaseEvent(event));
	}
	return unused;
}

/* Threads that share a queue, each with events of its own. */
static void threads(int count)
{
	pthread_t all[8];

	per_thread = count;
	set_up(PROFILING);
	CHECK(clEnqueueWriteBuffer(queue, buffer, 1, 0, BYTES, host, 0, NULL, NULL));
	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&all[i], NULL, hammer, NULL));
	for (int i = 0; i < 8; i++)
		CHECK(pthread_join(all[i], NULL));
	printf("{\"result\": %ld}\n", read_sum());
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int remaining;

/* Enqueues the next command from the callback of the last. */
static void next(handle event, int status, void *data)
{
	(void)data;
	CHECK(status);
	CHECK(clReleaseEvent(event));
	pthread_mutex_lock(&mutex);
	status = --remaining;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	if (status <= 0)
		return;
	CHECK(launch(&event));
	CHECK(clSetEventCallback(event, 0, next, NULL));
	CHECK(clFlush(queue));
}

static void callbacks(int count)
{
	handle event;

	set_up(PROFILING);
	remaining = count;
	CHECK(clEnqueueWriteBuffer(queue, buffer, 1, 0, BYTES, host, 0, NULL, NULL));
	CHECK(launch(&event));
	CHECK(clSetEventCallback(event, 0, next, NULL));
	CHECK(clFlush(queue));
	pthread_mutex_lock(&mutex);
	while (remaining > 0)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	printf("{\"result\": %ld}\n", read_sum());
}

/* Each is released as often as it was retained, and the last one counts. */
static void references(void)
{
	handle more, event;

	set_up(PROFILING);
	CHECK(clEnqueueWriteBuffer(queue, buffer, 1, 0, BYTES, host, 0, NULL, NULL));
	more = clCreateBuffer(context, 1, 4096, NULL, NULL);
	CHECK(clRetainMemObject(more));
	CHECK(clRetainMemObject(more));
	for (int i = 0; i < 3; i++)
		CHECK(clReleaseMemObject(more));
	CHECK(clRetainCommandQueue(queue));
	CHECK(launch(&event));
	CHECK(clReleaseCommandQueue(queue));
	CHECK(clWaitForEvents(1, &event));
	CHECK(clReleaseEvent(event));
	printf("{\"result\": %ld, \"handles\": {\"more\": %lu, ", read_sum(), (long)more);
	print_pointers();
	printf("}}\n");
	CHECK(clReleaseKernel(kernel));
	CHECK(clReleaseCommandQueue(queue));
	CHECK(clReleaseMemObject(buffer));
}

/* What the runtime refuses. */
static void refused(void)
{
	const size_t global = COUNT;
	int status = 1;
	handle event = NULL, nothing;

	set_up(PROFILING);
	printf("{\"result\": [");
	printf("%d, ", clEnqueueWriteBuffer(NULL, buffer, 1, 0, BYTES, host, 0, NULL, NULL));
	printf("%d, ", clEnqueueWriteBuffer(queue, NULL, 1, 0, BYTES, host, 0, NULL, &event));
	printf("%d, ",
	       clEnqueueReadBuffer(queue, buffer, 1, 1 << 20, BYTES, answer, 0, NULL, NULL));
	printf("%d, ",
	       clEnqueueNDRangeKernel(queue, kernel, 9, NULL, &global, NULL, 0, NULL, &event));
	printf("%d, ", clFinish(NULL));
	printf("%d, ", clWaitForEvents(0, NULL));
	printf("%d, ", clReleaseCommandQueue(NULL));
	nothing = clCreateBuffer(context, 1, 0, NULL, &status);
	printf("%d, %d, ", nothing != NULL, status);
	nothing = clCreateKernel(program, "absent", &status);
	printf("%d, %d, ", nothing != NULL, status);
	printf("%d, ", event != NULL);
	printf("%d]}\n", clGetDeviceIDs(NULL, 0xffffffff, 0, NULL, NULL));
}

static void print_name(handle which)
{
	char name[256];

	CHECK(clGetDeviceInfo(which, 0x102b, sizeof(name), name, NULL));
	*strchrnul(name, '-') = '\0';
	printf("\"%s\"", name);
}

/* The devices, by three ways of asking. */
static void devices(void)
{
	handle platforms[8], all[8], one;
	unsigned count = 0, platform_count = 0;
	size_t size = 0;
	int status;

	status = clGetPlatformIDs(8, platforms, &platform_count);
	printf("{\"result\": {\"status\": %d, \"platforms\": %u", status, platform_count);
	if (status != 0) {
		printf("}}\n");
		return;
	}
	CHECK(clGetDeviceIDs(platforms[0], 0xffffffff, 8, all, &count));
	printf(", \"devices\": [");
	for (unsigned i = 0; i < count; i++, printf(i < count ? ", " : ""))
		print_name(all[i]);
	CHECK(clGetDeviceIDs(platforms[0], 1, 1, &one, NULL));
	printf("], \"default\": ");
	print_name(one);
	context = clCreateContextFromType((intptr_t[]){0x1084, (intptr_t)platforms[0], 0},
					  0xffffffff, NULL, NULL, &status);
	CHECK(status);
	CHECK(clGetContextInfo(context, 0x1081, sizeof(all), all, &size));
	printf(", \"context\": [");
	for (unsigned i = 0; i < size / sizeof(*all);
	     i++, printf(i < size / sizeof(*all) ? ", " : ""))
		print_name(all[i]);
	printf("], \"gpus\": %d}}\n", clGetDeviceIDs(platforms[0], 4, 8, all, &count));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int count = argc > 2 ? atoi(argv[2]) : 1;

	if (strcmp(mode, "each") == 0)
		each(PROFILING);
	else if (strcmp(mode, "plain") == 0)
		each(0);
	else if (strcmp(mode, "unsynced") == 0)
		unsynced(count);
	else if (strcmp(mode, "gated") == 0)
		gated(count);
	else if (strcmp(mode, "threads") == 0)
		threads(count);
	else if (strcmp(mode, "callbacks") == 0)
		callbacks(count);
	else if (strcmp(mode, "references") == 0)
		references();
	else if (strcmp(mode, "refused") == 0)
		refused();
	else if (strcmp(mode, "devices") == 0)
		devices();
	else
		return 2;
	return 0;
}
