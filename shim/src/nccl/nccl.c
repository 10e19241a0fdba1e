// SPDX-License-Identifier: Apache-2.0
/*
 * Collectives, transfers and what they wait for: see nccl.h.
 *
 * A collective is recorded from when NCCL makes it ready until it is enqueued;
 * it runs later. Its transfers over a network are recorded where they happen,
 * on NCCL's proxy thread, which alone touches an operation and its steps.
 */
#include <string.h>

#include "nccl/nccl.h"

#define EVENTS        4096u
#define COMMUNICATORS 256u
#define TEXTS         256u
#define TEXT_BYTES    128u
#define STEPS         8u    /* of one operation under way at once */
#define WAIT_MIN_NS   2000u /* a shorter wait is not recorded */

enum sort {
	SORT_FREE = 0,
	SORT_WORK,
	SORT_OPERATION,
	SORT_STEP,
	SORT_CAPTURED_CALL,
};

/* What holds a transfer up, the last one first where several do. */
enum wait {
	WAIT_NONE = 0,
	WAIT_GPU,
	WAIT_FLUSH,
	WAIT_PEER,
	WAIT_NETWORK,
	WAIT_COUNT,
};

/* Each handle starts with one, so that a handle tells what it is of. */
struct head {
	uint32_t sort;
	uint32_t place; /* of a step in its operation */
};

struct step {
	struct head head;
	uint32_t wait;
};

static struct event {
	struct head head;
	uint32_t next; /* in the list of free ones: index + 1 */
	uint16_t flags;
	const void *context;
	uint64_t start_ns;
	uint64_t communicator;
	uint64_t text;
	uint64_t bytes;
	/* of an operation */
	bool sends;
	uint32_t wait; /* what the time since `since_ns` belongs to */
	uint64_t since_ns;
	uint32_t waiting[WAIT_COUNT]; /* steps */
	struct step steps[STEPS];
} events[EVENTS];

static struct nccl_communicator communicators[COMMUNICATORS];
static struct nccl_communicator crowded; /* for those without a place */
static struct head captured_call = {.sort = SORT_CAPTURED_CALL};

/* The list of free events: index + 1 below, above it a count against ABA. */
static uint64_t free_events;
static uint32_t events_used; /* of the table; those beyond were never in the list */

static struct event *take_event(void)
{
	uint64_t head = __atomic_load_n(&free_events, __ATOMIC_ACQUIRE);
	uint32_t fresh;

	while ((uint32_t)head != 0) {
		struct event *event = &events[(uint32_t)head - 1];
		uint64_t next =
		    ((head >> 32) + 1) << 32 | __atomic_load_n(&event->next, __ATOMIC_RELAXED);

		if (__atomic_compare_exchange_n(&free_events, &head, next, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return event;
	}
	if (__atomic_load_n(&events_used, __ATOMIC_RELAXED) < EVENTS) {
		fresh = __atomic_fetch_add(&events_used, 1, __ATOMIC_RELAXED);
		if (fresh < EVENTS)
			return &events[fresh];
	}
	anaros_count_drop();
	return NULL;
}

static void release_event(struct event *event)
{
	uint64_t head = __atomic_load_n(&free_events, __ATOMIC_RELAXED), mine;

	do {
		__atomic_store_n(&event->next, (uint32_t)head, __ATOMIC_RELAXED);
		mine = ((head >> 32) + 1) << 32 | (uint32_t)(event - events + 1);
	} while (!__atomic_compare_exchange_n(&free_events, &head, mine, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
}

/* True for one of those who end it. */
static bool ends(struct event *event)
{
	return __atomic_exchange_n(&event->head.sort, SORT_FREE, __ATOMIC_ACQ_REL) != SORT_FREE;
}

static uint64_t id_of(const void *context)
{
	const struct nccl_communicator *communicator = context;

	return communicator != NULL ? communicator->id : 0;
}

/* A name put together, without what the C library may allocate. */
struct text {
	size_t length;
	char bytes[TEXT_BYTES];
};

static void add_word(struct text *text, const char *before, const char *word)
{
	for (const char *parts[] = {text->length != 0 ? before : "", word}, **part = parts;
	     part < parts + 2; part++)
		for (const char *at = *part; *at != '\0' && text->length < TEXT_BYTES; at++)
			text->bytes[text->length++] = *at;
}

static void add_number(struct text *text, const char *before, int number)
{
	char digits[12], *at = digits + sizeof(digits) - 1;
	unsigned int left = number < 0 ? 0u - (unsigned int)number : (unsigned int)number;

	*at = '\0';
	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) != 0);
	if (number < 0)
		*--at = '-';
	add_word(text, before, at);
}

/* Sends the name if it is new; what a record has of it. */
static uint64_t say(uint16_t name_class, uint64_t object, const struct text *text)
{
	uint64_t hash = 14695981039346656037ull;

	for (size_t i = 0; i < text->length; i++)
		hash = (hash ^ (unsigned char)text->bytes[i]) * 1099511628211ull;
	if (object == 0)
		object = hash;
	if (anaros_name_is_new(object, hash))
		anaros_name(name_class, object, text->bytes, text->length);
	return object;
}

/*
 * NCCL's words are constants of its own, so their addresses tell which they
 * are, and the text is made once for each combination.
 */
static struct known_text {
	uint64_t key;
	uint64_t text;
	uint32_t element_bytes;
} known_texts[TEXTS];
static uint32_t texts_lock;

static uint64_t key_of(const struct nccl_work *work)
{
	uint64_t key = (uint64_t)(work->peer + 1);

	key = (key ^ (uintptr_t)work->function) * 0x9e3779b97f4a7c15ull;
	key = (key ^ (uintptr_t)work->datatype) * 0x9e3779b97f4a7c15ull;
	key = (key ^ (uintptr_t)work->algorithm) * 0x9e3779b97f4a7c15ull;
	return (key ^ (uintptr_t)work->protocol) * 0x9e3779b97f4a7c15ull | 1;
}

/* By the number in the name of a type ("ncclFloat8e4m3"); 0: it has none. */
static uint32_t element_bytes(const char *datatype)
{
	uint32_t bits = 0;

	while (*datatype != '\0' && (*datatype < '0' || *datatype > '9'))
		datatype++;
	while (*datatype >= '0' && *datatype <= '9' && bits < 1024)
		bits = 10 * bits + (uint32_t)(*datatype++ - '0');
	return bits / 8;
}

static COLD struct known_text describe(const struct nccl_work *work, uint64_t key)
{
	struct known_text known = {.key = key};
	struct text text = {.length = 0};

	add_word(&text, "", work->function != NULL ? work->function : "?");
	if (work->algorithm != NULL)
		add_word(&text, " ", work->algorithm);
	if (work->protocol != NULL)
		add_word(&text, " ", work->protocol);
	if (work->datatype != NULL) {
		known.element_bytes = element_bytes(work->datatype);
		add_word(&text, " ",
			 strncmp(work->datatype, "nccl", 4) == 0 ? work->datatype + 4
								 : work->datatype);
	}
	if (work->peer >= 0)
		add_number(&text, " peer ", work->peer);
	known.text = say(ANAROS_NAME_KERNEL, 0, &text);
	return known;
}

static struct known_text text_of(const struct nccl_work *work)
{
	uint64_t key = key_of(work);
	struct known_text *slot = &known_texts[key >> 56], known = {.key = 0};

	/* Never waits: who comes between makes the text again. */
	if (__atomic_exchange_n(&texts_lock, 1, __ATOMIC_ACQUIRE) != 0)
		return describe(work, key);
	if (slot->key == key)
		known = *slot;
	else
		*slot = known = describe(work, key);
	__atomic_store_n(&texts_lock, 0, __ATOMIC_RELEASE);
	return known;
}

void *nccl_open(uint64_t id, const char *name, int ranks, int rank)
{
	struct nccl_communicator *communicator = &crowded;
	struct text text = {.length = 0};

	for (unsigned int i = 0; i < COMMUNICATORS; i++)
		if (__atomic_exchange_n(&communicators[i].used, 1, __ATOMIC_ACQ_REL) == 0) {
			communicator = &communicators[i];
			communicator->id = id;
			break;
		}
	if (id == 0 || !anaros_may_record())
		return communicator;
	add_word(&text, "", "NCCL");
	if (name != NULL)
		add_word(&text, " ", name);
	add_number(&text, " rank ", rank);
	add_number(&text, " of ", ranks);
	say(ANAROS_NAME_STREAM, id, &text);
	return communicator;
}

void nccl_close(void *context)
{
	struct nccl_communicator *communicator = context;

	if (communicator == NULL)
		return;
	/* NCCL does not stop what a broken communicator was about. */
	for (unsigned int i = 0; i < EVENTS; i++)
		if (events[i].context == context && ends(&events[i]))
			release_event(&events[i]);
	__atomic_store_n(&communicator->used, 0, __ATOMIC_RELEASE);
}

static struct event *start(uint32_t sort, const void *context, uint64_t communicator, uint64_t text)
{
	struct event *event = take_event();

	if (event == NULL)
		return NULL;
	event->context = context;
	event->communicator = communicator;
	event->text = text;
	event->bytes = 0;
	event->flags = 0;
	event->start_ns = anaros_now_ns();
	__atomic_store_n(&event->head.sort, sort, __ATOMIC_RELEASE);
	return event;
}

void *nccl_start_work(void *context, const struct nccl_work *work)
{
	struct nccl_communicator *communicator = context;
	struct known_text known;
	struct event *event;

	if (!anaros_may_record())
		return NULL;
	if (communicator != NULL && communicator != &crowded && work->communicator != 0)
		communicator->id = work->communicator;
	known = text_of(work);
	event = start(SORT_WORK, context,
		      work->communicator != 0 ? work->communicator : id_of(context), known.text);
	if (event == NULL)
		return NULL;
	event->bytes = work->count * known.element_bytes;
	event->flags = ANAROS_FLAG_ASYNC | (work->captured ? ANAROS_FLAG_CAPTURE : 0);
	return event;
}

void *nccl_start_operation(const void *context, uint64_t pid, int peer, bool sends)
{
	static const char sent[] = "network send", received[] = "network receive";
	const struct nccl_work work = {.function = sends ? sent : received, .peer = peer};
	struct event *event;

	if (!anaros_may_record())
		return NULL;
	/* Done for another process: its context is an address over there. */
	if (pid != anaros_thread.pid)
		context = NULL;
	event = start(SORT_OPERATION, context, id_of(context), text_of(&work).text);
	if (event == NULL)
		return NULL;
	event->sends = sends;
	event->wait = WAIT_NONE;
	event->since_ns = event->start_ns;
	memset(event->waiting, 0, sizeof(event->waiting));
	memset(event->steps, 0, sizeof(event->steps));
	return event;
}

static void record(const struct event *event, uint64_t start_ns, uint64_t end_ns, uint64_t text,
		   uint64_t bytes)
{
	const struct anaros_fields fields = {
	    .kind = ANAROS_KIND_GPU_COLLECTIVE,
	    .flags = event->flags,
	    .object = event->communicator,
	    .size_bytes = bytes,
	    .address = text,
	};

	if (anaros_may_record())
		anaros_record_at(start_ns, end_ns, &fields);
}

static uint64_t wait_text(bool sends, uint32_t wait)
{
	static const char *const words[2][WAIT_COUNT] = {
	    {NULL, "receive waits for GPU", "receive waits for flush", NULL,
	     "receive waits for network"},
	    {NULL, "send waits for GPU", NULL, "send waits for peer", "send waits for network"},
	};
	const struct nccl_work work = {.function = words[sends][wait], .peer = -1};

	return text_of(&work).text;
}

/*
 * One thing at a time holds an operation up: the GPU only while nothing is
 * with the peer or the network. So the waits of an operation never overlap.
 */
static void settle(struct event *operation, uint64_t now_ns)
{
	uint32_t wait = WAIT_COUNT - 1;

	while (wait != WAIT_NONE && operation->waiting[wait] == 0)
		wait--;
	if (wait == operation->wait)
		return;
	if (operation->wait != WAIT_NONE && now_ns - operation->since_ns >= WAIT_MIN_NS)
		record(operation, operation->since_ns, now_ns,
		       wait_text(operation->sends, operation->wait), 0);
	operation->wait = wait;
	operation->since_ns = now_ns;
}

static struct event *operation_of(struct step *step)
{
	return (struct event *)((char *)(step - step->head.place) - offsetof(struct event, steps));
}

static void move_step(struct step *step, uint32_t wait)
{
	struct event *operation = operation_of(step);

	if (step->wait == wait)
		return;
	if (step->wait != WAIT_NONE)
		operation->waiting[step->wait]--;
	if (wait != WAIT_NONE)
		operation->waiting[wait]++;
	step->wait = wait;
	settle(operation, anaros_now_ns());
}

void *nccl_start_step(void *handle, int number)
{
	struct event *operation = handle;
	uint32_t place = (uint32_t)number % STEPS;
	struct step *step;

	if (operation == NULL || operation->head.sort != SORT_OPERATION)
		return NULL;
	step = &operation->steps[place];
	if (step->head.sort != SORT_FREE)
		return NULL;
	*step = (struct step){.head = {.sort = SORT_STEP, .place = place}};
	/* The first state comes when it changes; until then it waits for this. */
	move_step(step, operation->sends ? WAIT_GPU : WAIT_NETWORK);
	return step;
}

static uint32_t wait_of(int state)
{
	switch (state) {
	case NCCL_SEND_GPU_WAIT:
	case NCCL_RECEIVE_GPU_WAIT:
		return WAIT_GPU;
	case NCCL_RECEIVE_FLUSH_WAIT:
		return WAIT_FLUSH;
	case NCCL_SEND_PEER_WAIT:
		return WAIT_PEER;
	case NCCL_SEND_WAIT:
	case NCCL_RECEIVE_WAIT:
		return WAIT_NETWORK;
	default:
		return WAIT_NONE;
	}
}

void nccl_state(void *handle, int state, uint64_t bytes)
{
	struct head *head = handle;
	uint32_t wait = wait_of(state);

	if (head == NULL)
		return;
	if (head->sort == SORT_STEP && wait != WAIT_NONE) {
		/* Only these two are new sizes; in the others an older one stands. */
		if (state == NCCL_SEND_WAIT || state == NCCL_RECEIVE_FLUSH_WAIT)
			operation_of((struct step *)head)->bytes += bytes;
		move_step((struct step *)head, wait);
	} else if (head->sort == SORT_OPERATION && state < NCCL_SEND_GPU_WAIT) {
		((struct event *)head)->bytes = bytes;
	}
}

void nccl_stop(void *handle)
{
	struct head *head = handle;
	struct event *event = handle;
	uint64_t now_ns;

	if (head == NULL || head->sort == SORT_CAPTURED_CALL)
		return;
	if (head->sort == SORT_STEP) {
		move_step((struct step *)head, WAIT_NONE);
		head->sort = SORT_FREE;
		return;
	}
	now_ns = anaros_now_ns();
	if (head->sort == SORT_OPERATION) {
		memset(event->waiting, 0, sizeof(event->waiting));
		settle(event, now_ns);
	}
	if (!ends(event))
		return;
	record(event, event->start_ns, now_ns, event->text, event->bytes);
	release_event(event);
}

void *nccl_captured_call(void)
{
	return &captured_call;
}
