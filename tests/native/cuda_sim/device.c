// SPDX-License-Identifier: Apache-2.0
/* The two pretended devices, their facts, and the clock they keep. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory.h"
#include "watch.h"

struct sim_device sim_devices[SIM_DEVICES] = {
    {
	.name = "Anaros Simulated A",
	.pci_bus_id = "0000:01:00.0",
	.uuid = {0xa1, 0x0a, 0x70, 0x50, 0x00, 0x01, 0x40, 0x00, 0x80, 0x00, 0x5e, 0xed, 0x00, 0x00,
		 0x00, 0x0a},
	.total_bytes = 8ull << 30,
	.bytes_per_ns = 12.0,
	.device_bytes_per_ns = 400.0,
	.operations_per_ns = 4000.0,
	.multiprocessors = 96,
	.capability = {9, 0},
	.clock_khz = 1800000,
    },
    {
	.name = "Anaros Simulated B",
	.pci_bus_id = "0000:02:00.0",
	.uuid = {0xb2, 0x0b, 0x70, 0x50, 0x00, 0x02, 0x40, 0x00, 0x80, 0x00, 0x5e, 0xed, 0x00, 0x00,
		 0x00, 0x0b},
	.total_bytes = 2ull << 30,
	.bytes_per_ns = 3.0,
	.device_bytes_per_ns = 100.0,
	.operations_per_ns = 1000.0,
	.multiprocessors = 24,
	.capability = {8, 6},
	.clock_khz = 1200000,
    },
};

atomic_bool sim_ready;
bool sim_inline;
int sim_version = SIM_DRIVER_VERSION;

static double speed = 1.0;
static struct sim_device *visible[SIM_DEVICES];
static int visible_count;
static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t sim_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sim_sleep_until(uint64_t deadline_ns)
{
	struct timespec deadline = {(time_t)(deadline_ns / 1000000000u),
				    (long)(deadline_ns % 1000000000u)};

	if (sim_now_ns() + 20000 < deadline_ns)
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) != 0)
			;
	/* Too short to sleep. */
	while (sim_now_ns() < deadline_ns)
		;
}

uint64_t sim_scaled_ns(double nanoseconds)
{
	return speed > 0 ? (uint64_t)(nanoseconds / speed) : 0;
}

static void format_uuid(const uint8_t *uuid, char text[40])
{
	char *out = text;

	for (int i = 0; i < 16; i++)
		out +=
		    sprintf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
}

/* The device that one item of CUDA_VISIBLE_DEVICES names, else NULL. */
static struct sim_device *named_device(const char *item)
{
	struct sim_device *found = NULL;
	char *end;
	long ordinal;

	if (strncasecmp(item, "GPU-", 4) == 0 && item[4] != '\0') {
		for (int i = 0; i < SIM_DEVICES; i++) {
			char text[40];

			format_uuid(sim_devices[i].uuid, text);
			if (strncasecmp(text, item + 4, strlen(item + 4)) != 0)
				continue;
			if (found != NULL)
				return NULL; /* not one device only */
			found = &sim_devices[i];
		}
		return found;
	}
	ordinal = strtol(item, &end, 10);
	if (end == item || *end != '\0' || ordinal < 0 || ordinal >= SIM_DEVICES)
		return NULL;
	return &sim_devices[ordinal];
}

/* As the real driver: what follows the first invalid item is not seen. */
static void read_visible_devices(void)
{
	const char *list = getenv("CUDA_VISIBLE_DEVICES");
	char items[512], *rest = items, *item;

	visible_count = 0;
	if (list == NULL) {
		for (int i = 0; i < SIM_DEVICES; i++)
			visible[visible_count++] = &sim_devices[i];
		return;
	}
	snprintf(items, sizeof(items), "%s", list);
	while ((item = strsep(&rest, ",")) != NULL) {
		struct sim_device *device;
		char *end;

		while (isspace((unsigned char)*item))
			item++;
		end = item + strlen(item);
		while (end > item && isspace((unsigned char)end[-1]))
			*--end = '\0';
		device = named_device(item);
		if (device == NULL)
			return;
		for (int i = 0; i < visible_count; i++) {
			if (visible[i] == device) {
				visible_count = 0; /* a device named twice: none */
				return;
			}
		}
		visible[visible_count++] = device;
	}
}

static bool forked;

/* As with the real driver, a child cannot go on using CUDA, nor begin anew. */
static void after_fork(void)
{
	forked = atomic_load(&sim_ready) || forked;
	atomic_store(&sim_ready, false);
	sim_contexts_after_fork();
}

/* What must be known before cuInit: the resolver comes first. */
__attribute__((constructor)) static void begin(void)
{
	const char *version = getenv("ANAROS_SIM_VERSION");

	if (version != NULL)
		sim_version = atoi(version);
	sim_faults_from_environment();
	pthread_atfork(NULL, NULL, after_fork);
}

/* As the real driver: a tool that the environment names comes in at the first cuInit. */
static void load_injection(void)
{
	const char *path = getenv("CUDA_INJECTION64_PATH");
	void *library = path != NULL ? dlopen(path, RTLD_NOW) : NULL;
	int (*begin_tool)(void);

	if (library == NULL)
		return;
	*(void **)&begin_tool = dlsym(library, "InitializeInjection");
	if (begin_tool != NULL)
		begin_tool();
}

static int init(unsigned int flags)
{
	static bool counted;
	bool first;

	if (flags != 0)
		return SIM_INVALID_VALUE;
	if (forked)
		return SIM_NOT_INITIALIZED;
	pthread_mutex_lock(&init_lock);
	if (!atomic_load(&sim_ready)) {
		const char *text = getenv("ANAROS_SIM_SPEED");

		if (text != NULL)
			speed = strtod(text, NULL);
		text = getenv("ANAROS_SIM_INLINE");
		sim_inline = text != NULL && strcmp(text, "1") == 0;
		read_visible_devices();
		for (int i = 0; i < SIM_DEVICES; i++) {
			for (int engine = 0; engine < SIM_ENGINES; engine++)
				pthread_mutex_init(&sim_devices[i].engine[engine], NULL);
			if (sim_devices[i].default_pool == NULL)
				sim_devices[i].default_pool = sim_pool_new(&sim_devices[i]);
			sim_devices[i].pool = sim_devices[i].default_pool;
		}
		if (!counted)
			atexit(sim_write_counters);
		atomic_store(&sim_ready, visible_count > 0);
	}
	first = !counted;
	counted = true;
	pthread_mutex_unlock(&init_lock);
	if (first)
		load_injection();
	return visible_count > 0 ? SIM_OK : SIM_NO_DEVICE;
}

int sim_device_of(int ordinal, struct sim_device **device)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (ordinal < 0 || ordinal >= visible_count)
		return SIM_INVALID_DEVICE;
	*device = visible[ordinal];
	return SIM_OK;
}

int sim_index_of(const struct sim_device *device)
{
	return (int)(device - sim_devices);
}

int sim_ordinal_of(const struct sim_device *device)
{
	for (int i = 0; i < visible_count; i++)
		if (visible[i] == device)
			return i;
	return -1;
}

static int get_version(int *version)
{
	if (version == NULL)
		return SIM_INVALID_VALUE;
	*version = sim_version;
	return SIM_OK;
}

static int get_count(int *count)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	if (count == NULL)
		return SIM_INVALID_VALUE;
	*count = visible_count;
	return SIM_OK;
}

static int get(int *handle, int ordinal)
{
	struct sim_device *device;
	int result = sim_device_of(ordinal, &device);

	if (result == SIM_OK)
		*handle = ordinal;
	return result;
}

static int get_name(char *name, int size, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result != SIM_OK)
		return result;
	if (name == NULL || size <= 0)
		return SIM_INVALID_VALUE;
	snprintf(name, (size_t)size, "%s", device->name);
	return SIM_OK;
}

static int get_uuid(uint8_t *uuid, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result == SIM_OK)
		memcpy(uuid, device->uuid, sizeof(device->uuid));
	return result;
}

static int get_total(size_t *bytes, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result == SIM_OK)
		*bytes = device->total_bytes;
	return result;
}

static int get_pci_bus_id(char *text, int size, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result != SIM_OK)
		return result;
	if (text == NULL || size < 13)
		return SIM_INVALID_VALUE;
	snprintf(text, (size_t)size, "%s", device->pci_bus_id);
	return SIM_OK;
}

static int get_by_pci_bus_id(int *handle, const char *text)
{
	if (!atomic_load(&sim_ready))
		return SIM_NOT_INITIALIZED;
	for (int i = 0; i < visible_count; i++) {
		if (strcasecmp(visible[i]->pci_bus_id, text) == 0) {
			*handle = i;
			return SIM_OK;
		}
	}
	return SIM_INVALID_DEVICE;
}

static int can_access_peer(int *can, int from, int to)
{
	struct sim_device *device;
	int result = sim_device_of(from, &device);

	if (result == SIM_OK)
		result = sim_device_of(to, &device);
	if (result == SIM_OK)
		*can = from != to;
	return result;
}

static int attribute_value(const struct sim_device *device, int attribute)
{
	switch (attribute) {
	case 1: /* threads per block, its dimensions */
	case 2:
	case 3:
		return 1024;
	case 4:
		return 64;
	case 5: /* grid */
		return 2147483647;
	case 6:
	case 7:
		return 65535;
	case 8: /* shared memory per block */
		return 49152;
	case 9:  /* constant memory */
	case 12: /* registers per block, and multiprocessor */
	case 82:
		return 65536;
	case 10: /* warp */
		return 32;
	case 11: /* pitch */
		return 2147483647;
	case 13:
		return device->clock_khz;
	case 14: /* texture alignment */
		return 512;
	case 16:
		return device->multiprocessors;
	case 33: /* PCI bus */
		return device == &sim_devices[0] ? 1 : 2;
	case 36: /* memory clock */
		return 1000000;
	case 37: /* bus width */
		return 384;
	case 38: /* L2 */
		return 1 << 22;
	case 39: /* threads per multiprocessor */
		return 2048;
	case 40: /* copy engines */
		return 2;
	case 15:  /* copies overlap kernels */
	case 19:  /* maps host memory */
	case 31:  /* concurrent kernels */
	case 41:  /* one address space */
	case 78:  /* stream priorities */
	case 83:  /* managed memory */
	case 89:  /* host and device use managed memory at once */
	case 92:  /* batches of operations on memory */
	case 93:  /* of 64 bits too */
	case 94:  /* waiting for NOR */
	case 95:  /* cooperative launch */
	case 102: /* virtual memory by hand */
	case 103: /* shared by file */
	case 115: /* memory pools */
	case 121: /* memory pools by event order */
	case 122: /* the newer operations on memory */
	case 132: /* multicast */
		return 1;
	case 75:
		return device->capability[0];
	case 76:
		return device->capability[1];
	case 81: /* shared memory per multiprocessor */
	case 97: /* opt-in shared memory per block */
		return 98304;
	default:
		return 0;
	}
}

static int get_attribute(int *value, int attribute, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result != SIM_OK)
		return result;
	if (value == NULL || attribute < 1 || attribute > 200)
		return SIM_INVALID_VALUE;
	*value = attribute_value(device, attribute);
	return SIM_OK;
}

static int capability(int *major, int *minor, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result != SIM_OK)
		return result;
	*major = device->capability[0];
	*minor = device->capability[1];
	return SIM_OK;
}

/* 1 rank, 2 access, 3 atomics, 4 arrays, 5 some atomics only. */
static int p2p_attribute(int *value, int attribute, int from, int to)
{
	struct sim_device *device;
	int result = sim_device_of(from, &device);

	if (result == SIM_OK)
		result = sim_device_of(to, &device);
	if (result == SIM_OK && from == to)
		result = SIM_INVALID_DEVICE;
	if (result == SIM_OK && (value == NULL || attribute < 1 || attribute > 5))
		result = SIM_INVALID_VALUE;
	if (result == SIM_OK)
		*value = attribute == 2 || attribute == 4;
	return result;
}

static int get_total_old(unsigned int *bytes, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result == SIM_OK)
		*bytes = device->total_bytes > UINT32_MAX ? UINT32_MAX
							  : (unsigned int)device->total_bytes;
	return result;
}

static int get_luid(char *luid, unsigned int *mask, int handle)
{
	(void)luid;
	(void)mask;
	(void)handle;
	return SIM_NOT_SUPPORTED; /* of another operating system */
}

/* Only the number of multiprocessors can be shared out. */
static int affinity_support(int *value, int type, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result == SIM_OK)
		*value = type == 0;
	return result;
}

static int texture_width(size_t *elements, int handle)
{
	struct sim_device *device;
	int result = sim_device_of(handle, &device);

	if (result == SIM_OK)
		*elements = 1u << 27;
	return result;
}

static int no_table(const void **table, const void *id)
{
	(void)id;
	if (table == NULL)
		return SIM_INVALID_VALUE;
	*table = NULL;
	return SIM_NOT_FOUND; /* NVIDIA's private tables are NVIDIA's */
}

SIM_FN(cuInit, (unsigned int flags), init(flags))
SIM_FN(cuDriverGetVersion, (int *version), get_version(version))
SIM_FN(cuDeviceGetCount, (int *count), get_count(count))
SIM_FN(cuDeviceGet, (int *handle, int ordinal), get(handle, ordinal))
SIM_FN(cuDeviceGetName, (char *name, int size, int handle), get_name(name, size, handle))
SIM_FN(cuDeviceGetUuid, (uint8_t * uuid, int handle), get_uuid(uuid, handle))
SIM_FN(cuDeviceGetUuid_v2, (uint8_t * uuid, int handle), get_uuid(uuid, handle))
SIM_FN(cuDeviceTotalMem_v2, (size_t * bytes, int handle), get_total(bytes, handle))
SIM_FN(cuDeviceGetPCIBusId, (char *text, int size, int handle), get_pci_bus_id(text, size, handle))
SIM_FN(cuDeviceGetByPCIBusId, (int *handle, const char *text), get_by_pci_bus_id(handle, text))
SIM_FN(cuDeviceCanAccessPeer, (int *can, int from, int to), can_access_peer(can, from, to))
SIM_FN(cuDeviceGetAttribute, (int *value, int attribute, int handle),
       get_attribute(value, attribute, handle))
SIM_FN(cuDeviceComputeCapability, (int *major, int *minor, int handle),
       capability(major, minor, handle))
SIM_FN(cuDeviceGetP2PAttribute, (int *value, int attribute, int from, int to),
       p2p_attribute(value, attribute, from, to))
SIM_FN(cuDeviceTotalMem, (unsigned int *bytes, int handle), get_total_old(bytes, handle))
SIM_FN(cuDeviceGetLuid, (char *luid, unsigned int *mask, int handle), get_luid(luid, mask, handle))
SIM_FN(cuDeviceGetExecAffinitySupport, (int *value, int type, int handle),
       affinity_support(value, type, handle))
SIM_FN(cuDeviceGetTexture1DLinearMaxWidth,
       (size_t * elements, unsigned int format, unsigned int channels, int handle),
       ((void)format, (void)channels, texture_width(elements, handle)))
SIM_FN(cuGetExportTable, (const void **table, const void *id), no_table(table, id))
SIM_FN(cuFlushGPUDirectRDMAWrites, (int target, int scope),
       ((void)target, (void)scope, SIM_NOT_SUPPORTED))
