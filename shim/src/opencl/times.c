// SPDX-License-Identifier: Apache-2.0
/*
 * Queues, and the times at which their commands ran on the device.
 *
 * On a queue that profiles, the shim holds on to each command's event (the
 * application's, retained, or one of its own where the application wants
 * none) and reads the times later, on an application's thread: after it
 * waited for the device, or as it enqueues more. Not in a callback from
 * clSetEventCallback: that one runs on a thread of the runtime, delays the
 * device by what it does, and drivers differ in which locks they hold there.
 * Only commands that are complete are asked, so nothing ever waits; only
 * from outside of the runtime, so there is nothing to lock up with.
 *
 * The device counts its own nanoseconds (PoCL: CLOCK_MONOTONIC_RAW). Each
 * command says when it was queued, which was while the enqueue call ran, and
 * it ended before we asked. So each bounds the offset between the clocks,
 * and the estimate of the queue is kept within the bounds of the last.
 */
#include <string.h>

#include "core/sys.h"
#include "opencl/opencl.h"

#define QUEUES         1024u
#define PROBES         16u
#define PENDING        512u
#define PENDING_MANY   64u
#define PENDING_OLD_NS 100000000u
#define HARVEST_FEW    16u

/* A command whose event we hold. */
struct pending {
	cl_event event;
	uint64_t start_ns; /* the enqueue call */
	uint64_t end_ns;
	uint64_t size_bytes;
	uint64_t address;
	uint16_t kind;
	bool waited; /* it was complete when the enqueue call ended */
};

struct cl_queue {
	cl_command_queue handle; /* NULL: never used; REMOVED: used before */
	const struct cl_api *api;
	struct pending *ring; /* made at first need, kept for the next queue */
	uint32_t profiling;
	uint32_t in_order;   /* its commands run in the order in which they were enqueued */
	uint32_t lock;       /* of what is not below, and of tail */
	uint32_t harvesting; /* held by who moves head */
	uint32_t head;       /* free-running; tail - head are pending */
	uint32_t tail;
	int32_t references; /* the application's */
	uint32_t offset_known;
	int64_t offset_ns; /* to add to device times */
};

#define REMOVED ((cl_command_queue)(uintptr_t)1)
/* More references than a program gives back: it is never ours to end. */
#define FOREIGN (1 << 30)

static struct cl_queue queues[QUEUES];

/*
 * When the command of an event was enqueued, for who waits for it. Written
 * without a lock: `mark` is both the event and the time, so halves of two do
 * not pass for one. A handle that is used again for a command that we did not
 * see has the time of an earlier one: that much was done in order, too.
 */
#define ENQUEUED 4096u
static struct {
	uint64_t mark;
	uint64_t start_ns;
} enqueued[ENQUEUED];

static unsigned int event_slot_of(cl_event event)
{
	return (unsigned int)(((uintptr_t)event * 0x9e3779b97f4a7c15ull) >> 52);
}

void cl_event_made(cl_event event, uint64_t start_ns)
{
	unsigned int at = event_slot_of(event);

	__atomic_store_n(&enqueued[at].start_ns, start_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&enqueued[at].mark, (uintptr_t)event ^ start_ns, __ATOMIC_RELAXED);
}

uint64_t cl_event_made_ns(cl_event event)
{
	unsigned int at = event_slot_of(event);
	uint64_t start_ns = __atomic_load_n(&enqueued[at].start_ns, __ATOMIC_RELAXED);
	uint64_t mark = __atomic_load_n(&enqueued[at].mark, __ATOMIC_RELAXED);

	return mark == ((uintptr_t)event ^ start_ns) ? start_ns : 0;
}

static unsigned int slot_of(cl_command_queue handle)
{
	return (unsigned int)(((uintptr_t)handle * 0x9e3779b97f4a7c15ull) >> 54);
}

struct cl_queue *cl_queue_lookup(cl_command_queue handle)
{
	for (unsigned int i = 0; i < PROBES; i++) {
		struct cl_queue *queue = &queues[(slot_of(handle) + i) % QUEUES];
		cl_command_queue found = __atomic_load_n(&queue->handle, __ATOMIC_ACQUIRE);

		if (likely(found == handle))
			return queue;
		if (found == NULL)
			return NULL;
	}
	return NULL;
}

/* A loader exports what a driver of an earlier version has no place for in its table. */
static bool has_timer(const struct cl_api *api, cl_device_id device)
{
	char text[128] = "";
	size_t size = 0;

	return api->clGetDeviceAndHostTimer != NULL && device != NULL &&
	       api->clGetDeviceInfo != NULL &&
	       api->clGetDeviceInfo(device, CL_DEVICE_VERSION, sizeof(text), text, &size) ==
		   CL_SUCCESS &&
	       size > sizeof("OpenCL 1.0") && memcmp(text + 7, "2.1", 3) >= 0;
}

bool cl_in_order(cl_command_queue handle)
{
	struct cl_queue *queue = cl_queue_lookup(handle);

	return queue != NULL && __atomic_load_n(&queue->in_order, __ATOMIC_RELAXED) != 0;
}

/* The timer functions of OpenCL 2.1 give a first offset, where they work. */
static void ask_timer(struct cl_queue *queue, cl_device_id device)
{
	uint64_t before_ns, after_ns, best_ns = UINT64_MAX;
	cl_ulong device_ns, host_ns;

	if (!has_timer(queue->api, device))
		return;
	for (int i = 0; i < 3; i++) {
		before_ns = anaros_now_ns();
		if (queue->api->clGetDeviceAndHostTimer(device, &device_ns, &host_ns) != CL_SUCCESS)
			return;
		after_ns = anaros_now_ns();
		if (after_ns - before_ns >= best_ns)
			continue;
		best_ns = after_ns - before_ns;
		queue->offset_ns = (int64_t)(before_ns + best_ns / 2 - device_ns);
		queue->offset_known = 1;
	}
}

static void describe(struct cl_queue *queue, cl_command_queue handle)
{
	const struct cl_api *api = queue->api;
	cl_device_id device = NULL;
	cl_bitfield properties = 0;
	char name[256];
	size_t size = 0;

	if (api->clGetCommandQueueInfo == NULL)
		return;
	if (api->clGetCommandQueueInfo(handle, CL_QUEUE_PROPERTIES, sizeof(properties), &properties,
				       NULL) == CL_SUCCESS)
		__atomic_store_n(&queue->in_order, !(properties & CL_QUEUE_OUT_OF_ORDER),
				 __ATOMIC_RELAXED);
	api->clGetCommandQueueInfo(handle, CL_QUEUE_DEVICE, sizeof(device), &device, NULL);
	if (device != NULL && api->clGetDeviceInfo != NULL &&
	    api->clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof(name), name, &size) == CL_SUCCESS &&
	    size > 1)
		cl_name(ANAROS_NAME_STREAM, handle, name);
	if (anaros_control->device_time == ANAROS_DEVICE_TIME_OFF ||
	    !(properties & CL_QUEUE_PROFILING_ENABLE) || api->clGetEventProfilingInfo == NULL ||
	    api->clGetEventInfo == NULL || api->clRetainEvent == NULL ||
	    api->clReleaseEvent == NULL)
		return;
	if (queue->ring == NULL) {
		void *ring = sys_mmap(NULL, PENDING * sizeof(*queue->ring), 3 /* read, write */,
				      0x22 /* private, anonymous */, -1, 0);

		if (sys_mmap_failed(ring))
			return;
		queue->ring = ring;
	}
	ask_timer(queue, device);
	__atomic_store_n(&queue->profiling, 1, __ATOMIC_RELEASE);
}

/* `references`: FOREIGN for a queue that was made before we could see it. */
struct cl_queue *cl_queue_learn(const struct cl_api *api, cl_command_queue handle,
				int32_t references)
{
	int saved = errno;
	struct cl_queue *queue = NULL;

	for (unsigned int i = 0; queue == NULL && i < PROBES; i++) {
		struct cl_queue *slot = &queues[(slot_of(handle) + i) % QUEUES];

		if (!anaros_lock_soon(&slot->lock))
			continue;
		if (slot->handle == handle && references == FOREIGN) {
			queue = slot; /* Another thread learnt it meanwhile. */
		} else if (slot->handle == NULL || slot->handle == REMOVED ||
			   slot->handle == handle) {
			slot->api = api;
			slot->profiling = 0;
			slot->in_order = 0;
			slot->head = slot->tail = 0;
			slot->references = references;
			slot->offset_known = 0;
			__atomic_store_n(&slot->handle, handle, __ATOMIC_RELEASE);
			queue = slot;
			describe(queue, handle);
		}
		anaros_unlock(&slot->lock);
	}
	errno = saved;
	return queue;
}

static struct cl_queue *queue_of(const struct cl_api *api, cl_command_queue handle)
{
	struct cl_queue *queue = cl_queue_lookup(handle);

	return likely(queue != NULL) || handle == NULL ? queue
						       : cl_queue_learn(api, handle, FOREIGN);
}

static bool profiles(const struct cl_queue *queue)
{
	return queue != NULL && __atomic_load_n(&queue->profiling, __ATOMIC_ACQUIRE) != 0;
}

struct device_times {
	cl_ulong queued;
	cl_ulong start;
	cl_ulong end;
};

static bool read_times(const struct cl_api *api, cl_event event, struct device_times *times)
{
	if (api->clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(cl_ulong),
					 &times->end, NULL) != CL_SUCCESS ||
	    api->clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof(cl_ulong),
					 &times->start, NULL) != CL_SUCCESS ||
	    api->clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_QUEUED, sizeof(cl_ulong),
					 &times->queued, NULL) != CL_SUCCESS ||
	    times->start > times->end)
		return false;
	if (times->queued > times->start)
		times->queued = times->start;
	return true;
}

enum progress { RUNNING, RAN, FAILED };

/* A command has its times when it is complete: mostly they answer all. */
static enum progress ask(const struct cl_api *api, cl_event event, struct device_times *times)
{
	cl_int status = CL_COMPLETE;

	if (likely(read_times(api, event, times)))
		return RAN;
	api->clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status,
			    NULL);
	if (status > CL_COMPLETE)
		return RUNNING;
	/* It may have ended between the two questions. */
	return read_times(api, event, times) ? RAN : FAILED;
}

/* Between what the offset must lie for this command, in ns. */
struct bounds {
	int64_t low;
	int64_t high;
};

static struct bounds bounds_of(const struct pending *command, const struct device_times *times,
			       const struct cl_waited *waited)
{
	struct bounds bounds = {
	    .low = (int64_t)(command->start_ns - times->queued),
	    .high = (int64_t)(command->end_ns - times->queued),
	};
	uint64_t complete_ns = anaros_now_ns();
	int64_t latest;

	if (command->waited)
		complete_ns = command->end_ns;
	else if (waited != NULL && command->end_ns <= waited->start_ns)
		complete_ns = waited->end_ns;
	latest = (int64_t)(complete_ns - times->end);
	if (latest < bounds.high)
		bounds.high = latest;
	if (bounds.high < bounds.low) /* The clocks differ in speed: split the error. */
		bounds.low = bounds.high = bounds.high + (bounds.low - bounds.high) / 2;
	return bounds;
}

/*
 * The first command alone is a poor witness: its call often compiles for the
 * device. So the first estimate takes the others that are complete as well.
 */
static COLD void first_offset(struct cl_queue *queue, uint32_t tail, const struct cl_waited *waited)
{
	struct bounds all = {.low = INT64_MIN, .high = INT64_MAX};
	struct device_times times;

	for (uint32_t at = queue->head; at != tail && at - queue->head < HARVEST_FEW; at++) {
		const struct pending *command = &queue->ring[at % PENDING];
		struct bounds one;

		if (ask(queue->api, command->event, &times) != RAN)
			continue;
		one = bounds_of(command, &times, waited);
		all.low = one.low > all.low ? one.low : all.low;
		all.high = one.high < all.high ? one.high : all.high;
		queue->offset_known = 1;
	}
	if (queue->offset_known)
		queue->offset_ns = all.low / 2 + all.high / 2;
}

static int64_t host_offset(struct cl_queue *queue, const struct pending *command,
			   const struct device_times *times, const struct cl_waited *waited)
{
	struct bounds bounds = bounds_of(command, times, waited);

	if (queue->offset_ns < bounds.low)
		queue->offset_ns = bounds.low;
	else if (queue->offset_ns > bounds.high)
		queue->offset_ns = bounds.high;
	return queue->offset_ns;
}

static void emit(struct cl_queue *queue, const struct pending *command,
		 const struct device_times *times, const struct cl_waited *waited)
{
	uint64_t offset_ns = (uint64_t)host_offset(queue, command, times, waited);
	struct anaros_fields fields = {
	    .kind = command->kind,
	    .flags = ANAROS_FLAG_DEVICE_TIME,
	    .object = (uintptr_t)queue->handle,
	    .size_bytes = command->size_bytes,
	    .address = command->address,
	    /* 0 is unknown: what began at once waited for 1 ns. */
	    .context = times->start != times->queued ? times->start - times->queued : 1,
	};

	anaros_record_at(times->start + offset_ns, times->end + offset_ns, &fields);
}

/*
 * Takes the oldest commands off while they are complete. One thread does so
 * at a time, others leave it to it; nobody who enqueues waits for it.
 */
static COLD void harvest(struct cl_queue *queue, unsigned int limit, const struct cl_waited *waited)
{
	int saved = errno;
	uint32_t tail = __atomic_load_n(&queue->tail, __ATOMIC_ACQUIRE);

	if (__atomic_exchange_n(&queue->harvesting, 1, __ATOMIC_ACQUIRE))
		return;
	if (!queue->offset_known)
		first_offset(queue, tail, waited);
	for (unsigned int i = 0; i < limit && queue->head != tail; i++) {
		struct pending *command = &queue->ring[queue->head % PENDING];
		struct device_times times;
		enum progress progress = ask(queue->api, command->event, &times);

		if (progress == RUNNING)
			break;
		/* What failed has no times; its enqueue was recorded. */
		if (progress == RAN)
			emit(queue, command, &times, waited);
		queue->api->clReleaseEvent(command->event);
		__atomic_store_n(&queue->head, queue->head + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&queue->harvesting, 0, __ATOMIC_RELEASE);
	errno = saved;
}

static uint32_t pending_count(const struct cl_queue *queue)
{
	return __atomic_load_n(&queue->tail, __ATOMIC_RELAXED) -
	       __atomic_load_n(&queue->head, __ATOMIC_RELAXED);
}

void cl_harvest(struct cl_queue *queue, const struct cl_waited *waited)
{
	if (queue != NULL && profiles(queue) && pending_count(queue) != 0)
		harvest(queue, PENDING, waited);
}

/* False: no room, or the lock is taken for long. */
static bool push(struct cl_queue *queue, const struct pending *command)
{
	bool room;

	if (!anaros_lock_soon(&queue->lock))
		return false;
	/* Acquire: the slot at head - 1 has been read. */
	room = queue->tail - __atomic_load_n(&queue->head, __ATOMIC_ACQUIRE) < PENDING;
	if (room) {
		queue->ring[queue->tail % PENDING] = *command;
		__atomic_store_n(&queue->tail, queue->tail + 1, __ATOMIC_RELEASE);
	}
	anaros_unlock(&queue->lock);
	return room;
}

cl_event *cl_begin(struct cl_call *call, const struct cl_api *api, cl_command_queue queue,
		   cl_event *event)
{
	call->api = api;
	call->event = event;
	call->own = NULL;
	call->queue = NULL;
	call->handle = queue;
	call->recording = cl_within(api);
	if (!call->recording)
		return event;
	call->queue = queue_of(api, queue);
	if (!profiles(call->queue) || anaros_control->device_time == ANAROS_DEVICE_TIME_OFF)
		call->queue = NULL;
	else if (event == NULL)
		call->event = &call->own;
	call->call.start_ns = anaros_now_ns();
	return call->event;
}

/* Not a lost record: the enqueue was recorded, only its device time is unknown. */
static COLD void count_unread(void)
{
	__atomic_fetch_add(&anaros_shared->device_times_unread, 1, __ATOMIC_RELAXED);
}

static uint16_t kind_on_device(uint16_t kind)
{
	bool executes = kind == ANAROS_KIND_GPU_LAUNCH || kind == ANAROS_KIND_GPU_GRAPH ||
			kind == ANAROS_KIND_GPU_HOST_CALL;

	return executes ? ANAROS_KIND_GPU_EXECUTE : ANAROS_KIND_GPU_TRANSFER;
}

static void keep_event(struct cl_call *call, uint64_t end_ns, bool waited,
		       const struct anaros_fields *fields)
{
	struct cl_queue *queue = call->queue;
	int saved = errno;
	struct pending command = {
	    .event = *call->event,
	    .start_ns = call->call.start_ns,
	    .end_ns = end_ns,
	    .size_bytes = fields->size_bytes,
	    .address = fields->address,
	    .kind = kind_on_device(fields->kind),
	    .waited = waited,
	};

	if (call->event != &call->own && call->api->clRetainEvent(command.event) != CL_SUCCESS)
		goto out;
	if (!push(queue, &command)) {
		call->api->clReleaseEvent(command.event);
		count_unread();
	}
out:
	errno = saved;
}

/* Keeps the event of a command for later, and reads what is complete now. */
static void take_times(struct cl_call *call, uint64_t end_ns, cl_int result, bool blocking,
		       const struct anaros_fields *fields)
{
	struct cl_queue *queue = call->queue;
	uint32_t waiting;

	if (result == CL_SUCCESS && *call->event != NULL)
		keep_event(call, end_ns, blocking, fields);
	waiting = pending_count(queue);
	if (blocking)
		cl_harvest(queue, NULL);
	else if (waiting >= PENDING_MANY ||
		 (waiting > 1 &&
		  end_ns - queue->ring[queue->head % PENDING].end_ns > PENDING_OLD_NS))
		harvest(queue, HARVEST_FEW, NULL);
}

void cl_done(struct cl_call *call, cl_int result, bool blocking, struct anaros_fields *fields)
{
	uint64_t end_ns;

	if (!call->recording)
		return;
	end_ns = anaros_now_ns();
	fields->status = result;
	fields->object = (uintptr_t)call->handle;
	if (!blocking)
		fields->flags |= ANAROS_FLAG_ASYNC;
	anaros_record_at(call->call.start_ns, end_ns, fields);
	if (call->event != NULL && call->event != &call->own && result == CL_SUCCESS)
		cl_event_made(*call->event, call->call.start_ns);
	if (unlikely(call->queue != NULL))
		take_times(call, end_ns, result, blocking, fields);
	cl_leave();
}

/*
 * The application's last reference is going. The events that we hold keep
 * the queue alive, so those go too; what is not complete yet has no times.
 */
void cl_queue_forget(struct cl_queue *queue)
{
	int saved = errno;

	cl_harvest(queue, NULL);
	if (!__atomic_exchange_n(&queue->harvesting, 1, __ATOMIC_ACQUIRE)) {
		for (; queue->head != queue->tail; queue->head++) {
			queue->api->clReleaseEvent(queue->ring[queue->head % PENDING].event);
			count_unread();
		}
		queue->profiling = 0;
		__atomic_store_n(&queue->handle, REMOVED, __ATOMIC_RELEASE);
		__atomic_store_n(&queue->harvesting, 0, __ATOMIC_RELEASE);
	}
	errno = saved;
}

/* Its library is gone, and with it the queue and the events. */
static void forget_lost(struct cl_queue *queue)
{
	__atomic_fetch_add(&anaros_shared->device_times_unread, queue->tail - queue->head,
			   __ATOMIC_RELAXED);
	queue->profiling = 0;
	queue->head = queue->tail;
	__atomic_store_n(&queue->handle, REMOVED, __ATOMIC_RELEASE);
}

void cl_queues_forget(const struct cl_api *api)
{
	for (unsigned int i = 0; i < QUEUES; i++) {
		cl_command_queue handle = __atomic_load_n(&queues[i].handle, __ATOMIC_ACQUIRE);

		if (handle != NULL && handle != REMOVED &&
		    (queues[i].api == api || queues[i].api == api + 1))
			forget_lost(&queues[i]);
	}
}

void cl_queue_retained(struct cl_queue *queue)
{
	__atomic_fetch_add(&queue->references, 1, __ATOMIC_RELAXED);
}

bool cl_queue_released(struct cl_queue *queue)
{
	return __atomic_sub_fetch(&queue->references, 1, __ATOMIC_RELAXED) == 0;
}
