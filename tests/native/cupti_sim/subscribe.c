// SPDX-License-Identifier: Apache-2.0
/* The one seat, its callbacks, and how it is given up. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cupti.h"

enum { DOMAIN_DRIVER = 1, DOMAINS = 7, CBIDS = 1024, MAGIC = 0x53554231 };

typedef void (*callback)(void *data, int domain, uint32_t id, const void *call);

struct subscriber {
	uint32_t magic;
	callback call;
	void *data;
	char name[64];
	bool domains[DOMAINS];
	bool ids[CBIDS];
	struct subscriber *next;
};

/* The layout of what the second way to subscribe is told. */
struct parameters {
	size_t bytes;
	const char *name;
	char *holder;
	size_t holder_bytes;
	uint8_t allow_several, padding[7];
};

/* The layout of what a callback is told. */
struct call_data {
	int site; /* 0 enters, 1 leaves */
	const char *name;
	const void *params;
	void *result;
	const char *symbol;
	void *context;
	uint32_t context_id;
	uint64_t *data;
	uint32_t correlation;
};

static struct subscriber *seat, *former;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
	const char *symbol;
	uint32_t id;
} cbids[] = {
#define CUPTI_CBID(symbol, number) {#symbol, number},
#include "cbids.def"
#undef CUPTI_CBID
};

static int by_name(const void *key, const void *row)
{
	return strcmp(key, *(const char *const *)row);
}

/* The list is sorted by name. */
uint32_t cupti_cbid(const char *symbol)
{
	const void *row =
	    bsearch(symbol, cbids, sizeof(cbids) / sizeof(cbids[0]), sizeof(cbids[0]), by_name);

	return row != NULL ? cbids[((const char *)row - (const char *)cbids) / sizeof(cbids[0])].id
			   : 0;
}

void cupti_call(const struct sim_call *call, bool leaving)
{
	struct subscriber *subscriber;
	uint64_t data = 0;
	int result = call->result;
	struct call_data told = {
	    .site = leaving,
	    .name = call->symbol,
	    .result = leaving ? &result : NULL,
	    .data = &data,
	    .correlation = call->correlation,
	};
	uint32_t id;

	pthread_mutex_lock(&lock);
	subscriber = seat != NULL && seat->call != NULL ? seat : NULL;
	pthread_mutex_unlock(&lock);
	if (subscriber == NULL)
		return;
	id = cupti_cbid(call->symbol);
	if (subscriber->domains[DOMAIN_DRIVER] || (id < CBIDS && subscriber->ids[id]))
		subscriber->call(subscriber->data, DOMAIN_DRIVER, id, &told);
}

static int take_seat(struct subscriber **out, callback call, void *data, const char *name,
		     char *holder, size_t holder_bytes)
{
	const char *outside = getenv("ANAROS_SIM_CUPTI_HOLDER");
	int result = CUPTI_OK;

	if (out == NULL)
		return CUPTI_INVALID_PARAMETER;
	pthread_mutex_lock(&lock);
	if (outside != NULL || seat != NULL) {
		const char *who = seat != NULL ? seat->name : outside;

		if (holder != NULL && holder_bytes > 0) {
			strncpy(holder, who, holder_bytes - 1);
			holder[holder_bytes - 1] = '\0';
		}
		result = CUPTI_MULTIPLE_SUBSCRIBERS;
	} else {
		seat = calloc(1, sizeof(*seat));
		seat->magic = MAGIC;
		seat->call = call;
		seat->data = data;
		strncpy(seat->name, name != NULL ? name : "", sizeof(seat->name) - 1);
		*out = seat;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

/* A subscriber is never freed: a call on another thread may be telling it. */
void cupti_give_up_seat(void)
{
	pthread_mutex_lock(&lock);
	if (seat != NULL) {
		seat->magic = 0;
		seat->next = former;
		former = seat;
	}
	seat = NULL;
	pthread_mutex_unlock(&lock);
}

static bool holds_seat(const struct subscriber *subscriber)
{
	bool holds;

	pthread_mutex_lock(&lock);
	holds = subscriber != NULL && subscriber == seat;
	pthread_mutex_unlock(&lock);
	return holds;
}

CUPTI_EXPORT int cuptiSubscribe(struct subscriber **out, callback call, void *data);
CUPTI_EXPORT int cuptiSubscribe(struct subscriber **out, callback call, void *data)
{
	int result = take_seat(out, call, data, NULL, NULL, 0);

	return result == CUPTI_OK ? cupti_attach() : result;
}

CUPTI_EXPORT int cuptiSubscribe_v2(struct subscriber **out, callback call, void *data,
				   struct parameters *parameters);
CUPTI_EXPORT int cuptiSubscribe_v2(struct subscriber **out, callback call, void *data,
				   struct parameters *parameters)
{
	/* 13.0 does not know the last member, and takes no more than it knows. */
	const size_t least = offsetof(struct parameters, allow_several);
	int result;

	if (parameters == NULL || parameters->bytes < least ||
	    (cupti_version() < 130500 && parameters->bytes != least))
		return CUPTI_INVALID_PARAMETER;
	result = take_seat(out, call, data, parameters->name, parameters->holder,
			   parameters->holder_bytes);
	return result == CUPTI_OK ? cupti_attach() : result;
}

CUPTI_EXPORT int cuptiUnsubscribe(struct subscriber *subscriber);
CUPTI_EXPORT int cuptiUnsubscribe(struct subscriber *subscriber)
{
	if (!holds_seat(subscriber))
		return CUPTI_INVALID_PARAMETER;
	cupti_give_up_seat();
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiEnableDomain(uint32_t enable, struct subscriber *subscriber, int domain);
CUPTI_EXPORT int cuptiEnableDomain(uint32_t enable, struct subscriber *subscriber, int domain)
{
	if (!holds_seat(subscriber) || domain <= 0 || domain >= DOMAINS)
		return CUPTI_INVALID_PARAMETER;
	subscriber->domains[domain] = enable != 0;
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiEnableCallback(uint32_t enable, struct subscriber *subscriber, int domain,
				     uint32_t id);
CUPTI_EXPORT int cuptiEnableCallback(uint32_t enable, struct subscriber *subscriber, int domain,
				     uint32_t id)
{
	if (!holds_seat(subscriber) || domain <= 0 || domain >= DOMAINS || id >= CBIDS)
		return CUPTI_INVALID_PARAMETER;
	if (domain == DOMAIN_DRIVER)
		subscriber->ids[id] = enable != 0;
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiGetCallbackName(int domain, uint32_t id, const char **name);
CUPTI_EXPORT int cuptiGetCallbackName(int domain, uint32_t id, const char **name)
{
	if (domain != DOMAIN_DRIVER || name == NULL)
		return CUPTI_INVALID_PARAMETER;
	for (size_t i = 0; i < sizeof(cbids) / sizeof(cbids[0]); i++) {
		if (cbids[i].id == id) {
			*name = cbids[i].symbol;
			return CUPTI_OK;
		}
	}
	return CUPTI_INVALID_PARAMETER;
}

/* Everything off, the seat free, and the driver left alone. */
CUPTI_EXPORT int cuptiFinalize(void);
CUPTI_EXPORT int cuptiFinalize(void)
{
	cupti_detach();
	cupti_stop_activity();
	cupti_give_up_seat();
	return CUPTI_OK;
}

CUPTI_EXPORT int cuptiGetResultString(int result, const char **text);
CUPTI_EXPORT int cuptiGetResultString(int result, const char **text)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
	    {CUPTI_OK, "CUPTI_SUCCESS"},
	    {CUPTI_INVALID_PARAMETER, "CUPTI_ERROR_INVALID_PARAMETER"},
	    {CUPTI_INVALID_OPERATION, "CUPTI_ERROR_INVALID_OPERATION"},
	    {CUPTI_LIMIT_REACHED, "CUPTI_ERROR_MAX_LIMIT_REACHED"},
	    {CUPTI_NOT_INITIALIZED, "CUPTI_ERROR_NOT_INITIALIZED"},
	    {CUPTI_QUEUE_EMPTY, "CUPTI_ERROR_QUEUE_EMPTY"},
	    {CUPTI_INVALID_KIND, "CUPTI_ERROR_INVALID_KIND"},
	    {CUPTI_NOT_SUPPORTED, "CUPTI_ERROR_NOT_SUPPORTED"},
	    {CUPTI_MULTIPLE_SUBSCRIBERS, "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].code == result) {
			*text = names[i].name;
			return CUPTI_OK;
		}
	}
	return CUPTI_INVALID_PARAMETER;
}
