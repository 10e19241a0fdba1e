// SPDX-License-Identifier: Apache-2.0
/*
 * Device time from CUPTI, where the control page asks for it. It begins right
 * after the program's own cuInit, on that thread: nothing is in capture then,
 * and no other thread can hold what a load of the library needs. From there on
 * a thread of ours looks after it. No wrapper on the way of work calls CUPTI.
 *
 * CUPTI has one seat. Where another tool holds it nothing is done; ours is
 * given up when the control page or the end of the recording says so. What
 * happened is told in gpu.timing records.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cuda/cuda.h"
#include "cupti/cupti.h"
#include "core/sys.h"

#define TICK_NS      100000000
#define LAST_WAIT_NS 2000000000
#define CALLBACKS    2048u
#define HOLDER_BYTES 64u

static struct {
	uint32_t begun;
	uint32_t pid; /* whose it is: a fork's child has none of it */
	uint32_t stop;
	uint32_t stopped;
	uint32_t finalized;
	uint32_t yielded;
	char taker[HOLDER_BYTES]; /* who it was yielded to */
	void *subscriber;
	uint32_t version;
} seat;

static const int kinds[] = {CUPTI_CONCURRENT_KERNEL, CUPTI_MEMCPY, CUPTI_MEMCPY_PEER, CUPTI_MEMSET,
			    CUPTI_MANAGED};

static void sleep_on(uint32_t *word, uint32_t value, long ns)
{
	struct timespec timeout = {ns / 1000000000, ns % 1000000000};

	sys_call6(SYS_futex, (long)word, 128 /* wait, private */, value, (long)&timeout, 0, 0);
}

static void set_and_wake(uint32_t *word)
{
	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	SYS3(SYS_futex, word, 129 /* wake, private */, 64);
}

/* What became of device time in this process, and by whom or why. */
static void tell(enum anaros_timing what, int result, const char *text)
{
	struct anaros_thread *thread = &anaros_thread;
	uint32_t runtime = thread->guard & ANAROS_GUARD_RUNTIME;
	struct anaros_fields fields = {
	    .kind = ANAROS_KIND_GPU_TIMING,
	    .status = result,
	    .object = what,
	    .size_bytes = seat.version,
	};
	uint64_t now_ns;

	thread->guard &= ~(uint32_t)ANAROS_GUARD_RUNTIME;
	if (anaros_may_record()) {
		now_ns = anaros_now_ns();
		if (text != NULL && text[0] != '\0') {
			fields.address = (uintptr_t)text;
			anaros_name(ANAROS_NAME_REASON, fields.address, text, strlen(text));
		}
		anaros_record_at(now_ns, now_ns, &fields);
	}
	thread->guard |= runtime;
	__atomic_fetch_add(what == ANAROS_TIMING_ON ? &anaros_shared->device_timers
						    : &anaros_shared->device_timers_off,
			   1, __ATOMIC_RELAXED);
}

static bool is_wanted(void)
{
	return anaros_control->device_time == ANAROS_DEVICE_TIME_KERNEL &&
	       anaros_control->recording != 0;
}

/* Asked for only to leave CUPTI: at the end of a call is the place for it. */
static void called(void *data, int domain, uint32_t callback, const void *call)
{
	uint32_t not_yet = 0;

	if (*(const int *)call != CUPTI_EXIT ||
	    !__atomic_compare_exchange_n(&seat.finalized, &not_yet, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	anaros_cupti.Finalize();
}

static int take_seat(void)
{
	static char holder[HOLDER_BYTES];
	struct cupti_subscription asked = {
	    .bytes = sizeof(asked),
	    .name = "anaros",
	    .holder = holder,
	    .holder_bytes = sizeof(holder),
	};
	int result;

	if (anaros_cupti.Subscribe_v2 != NULL)
		result = anaros_cupti.Subscribe_v2(&seat.subscriber, called, NULL, &asked);
	else
		result = anaros_cupti.Subscribe(&seat.subscriber, called, NULL);
	holder[HOLDER_BYTES - 1] = '\0';
	if (result == CUPTI_SEAT_HELD)
		tell(ANAROS_TIMING_SEAT_HELD, result, anaros_cupti_holder(holder));
	else if (result != 0)
		tell(ANAROS_TIMING_FAILED, result, "cuptiSubscribe");
	return result;
}

static bool enqueues(const char *name)
{
	static const char *const words[] = {"Launch", "Memcpy", "Memset", "MemPrefetch"};
	bool does = false;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		does = does || strstr(name, words[i]) != NULL;
	return does;
}

/* Calls are told for their thread and time: only those that enqueue work. */
static void enable_calls(int domain, int (*enable)(uint32_t, uint8_t))
{
	for (uint32_t id = 1; id < CALLBACKS; id++) {
		const char *name = NULL;

		if (anaros_cupti.GetCallbackName(domain, id, &name) == 0 && name != NULL &&
		    enqueues(name))
			enable(id, 1);
	}
}

static int enable_all(void)
{
	struct cupti_counter_config moves[] = {
	    {CUPTI_ALL_DEVICES, CUPTI_TO_DEVICE, 0, 1},
	    {CUPTI_ALL_DEVICES, CUPTI_TO_HOST, 0, 1},
	};
	int result =
	    anaros_cupti.ActivityRegisterCallbacks(anaros_cupti_request, anaros_cupti_complete);

	if (result == 0 && anaros_cupti.ActivityEnableDriverApi != NULL)
		enable_calls(CUPTI_DOMAIN_DRIVER, anaros_cupti.ActivityEnableDriverApi);
	else if (result == 0)
		result = anaros_cupti.ActivityEnable(CUPTI_DRIVER);
	if (result == 0 && anaros_cupti.ActivityEnableRuntimeApi != NULL)
		enable_calls(CUPTI_DOMAIN_RUNTIME, anaros_cupti.ActivityEnableRuntimeApi);
	if (result == 0 && anaros_cupti.ActivityConfigureUnifiedMemoryCounter != NULL)
		anaros_cupti.ActivityConfigureUnifiedMemoryCounter(moves,
								   sizeof(moves) / sizeof(*moves));
	for (size_t i = 0; result == 0 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		int one = anaros_cupti.ActivityEnable(kinds[i]);

		/* Not every device can tell of managed memory. */
		if (kinds[i] != CUPTI_MANAGED)
			result = one;
	}
	return result;
}

static void disable_all(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		anaros_cupti.ActivityDisable(kinds[i]);
	anaros_cupti.ActivityDisable(CUPTI_DRIVER);
	anaros_cupti.ActivityDisable(CUPTI_RUNTIME);
	anaros_cupti.ActivityFlushAll(1);
	anaros_cupti_end_pending();
}

static void count_lost(void)
{
	size_t lost = 0;

	if (anaros_cupti.ActivityGetNumDroppedRecords(NULL, 0, &lost) == 0 && lost != 0)
		__atomic_fetch_add(&anaros_shared->device_times_lost, lost, __ATOMIC_RELAXED);
}

/* The next call of the program ends it; where none comes the seat alone is given back. */
static void give_up_seat(void)
{
	disable_all();
	if (anaros_cupti.EnableDomain(1, seat.subscriber, CUPTI_DOMAIN_DRIVER) == 0)
		for (int i = 0; i < 10 && !__atomic_load_n(&seat.finalized, __ATOMIC_ACQUIRE) &&
				!__atomic_load_n(&seat.stop, __ATOMIC_ACQUIRE);
		     i++)
			sleep_on(&seat.stop, 0, TICK_NS);
	if (!__atomic_exchange_n(&seat.finalized, 1, __ATOMIC_ACQ_REL))
		anaros_cupti.Unsubscribe(seat.subscriber);
}

static void *look_after(void *unused)
{
	bool given_up = false;

	anaros_thread.guard |= ANAROS_GUARD_RUNTIME;
	prctl(PR_SET_NAME, "anaros-cupti");
	while (!given_up && !__atomic_load_n(&seat.stop, __ATOMIC_ACQUIRE)) {
		sleep_on(&seat.stop, 0, TICK_NS);
		anaros_cupti_sample_clock();
		if (!is_wanted()) {
			tell(ANAROS_TIMING_GIVEN_UP, 0, "asked to");
			give_up_seat();
			given_up = true;
		} else if (!__atomic_load_n(&seat.stop, __ATOMIC_ACQUIRE)) {
			anaros_cupti.ActivityFlushAll(0);
		}
		count_lost();
	}
	if (!given_up) {
		disable_all();
		count_lost();
	}
	if (__atomic_load_n(&seat.yielded, __ATOMIC_ACQUIRE)) {
		anaros_cupti.Unsubscribe(seat.subscriber);
		tell(ANAROS_TIMING_GIVEN_UP, 0, seat.taker);
	}
	set_and_wake(&seat.stopped);
	return unused;
}

/* At the exit of the process: what is known is written down, but not at any price. */
static void finish(void)
{
	if (seat.pid != (uint32_t)sys_getpid())
		return;
	set_and_wake(&seat.stop);
	if (!__atomic_load_n(&seat.stopped, __ATOMIC_ACQUIRE))
		sleep_on(&seat.stopped, 0, LAST_WAIT_NS);
}

/* Of the object that an address lies in, the last part of its path. */
static void name_object(const void *address, char *name)
{
	const char *slash;
	Dl_info object;

	if (dladdr(address, &object) == 0 || object.dli_fname == NULL)
		object.dli_fname = "another tool";
	slash = strrchr(object.dli_fname, '/');
	strncpy(name, slash != NULL ? slash + 1 : object.dli_fname, HOLDER_BYTES - 1);
}

void anaros_cupti_yield(const void *caller)
{
	uint32_t not_yet = 0;
	int saved = errno;

	/* Our own calls do not come here, but those may that CUPTI makes within them. */
	if ((anaros_thread.guard & ANAROS_GUARD_RUNTIME) != 0 ||
	    seat.pid != (uint32_t)sys_getpid() || __atomic_load_n(&seat.stop, __ATOMIC_ACQUIRE) ||
	    !__atomic_compare_exchange_n(&seat.yielded, &not_yet, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	name_object(caller, seat.taker);
	finish();
	errno = saved;
}

static bool start_thread(void)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, look_after, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_detach(thread);
	return error == 0;
}

static void begin(void)
{
	const char *reason = anaros_cupti_open();
	int result;

	if (reason != NULL) {
		tell(ANAROS_TIMING_NO_LIBRARY, 0, reason);
		return;
	}
	if (anaros_cupti.GetVersion(&seat.version) != 0 || !cupti_is_known(seat.version)) {
		tell(ANAROS_TIMING_UNKNOWN_VERSION, 0,
		     anaros_cupti_why("%s is of version %u", anaros_cupti_file(), seat.version));
		return;
	}
	if (!anaros_cupti_make_pool() || take_seat() != 0)
		return;
	anaros_cupti_sample_clock();
	result = enable_all();
	if (result != 0 || !start_thread()) {
		tell(ANAROS_TIMING_FAILED, result, "cuptiActivityEnable");
		disable_all();
		anaros_cupti.Unsubscribe(seat.subscriber);
		return;
	}
	seat.pid = anaros_process->pid;
	atexit(finish);
	tell(ANAROS_TIMING_ON, 0, NULL);
}

static COLD void driver_starts(int result)
{
	uint32_t not_yet = 0;
	int saved = errno;

	if (result != CUDA_SUCCESS || !is_wanted() ||
	    !__atomic_compare_exchange_n(&seat.begun, &not_yet, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	anaros_thread.guard |= ANAROS_GUARD_RUNTIME;
	begin();
	anaros_thread.guard &= ~(uint32_t)ANAROS_GUARD_RUNTIME;
	errno = saved;
}

CUDA_WRAP(cuInit, driver_starts(result))
