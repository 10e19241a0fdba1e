// SPDX-License-Identifier: Apache-2.0
/*
 * Description: the control page's device map filters and orders the devices
 * that a program counts; names, UUIDs and bus addresses stay in step.
 */
#include "cuda_test.h"

static struct harness harness;
static void *driver;

static void set_map(uint32_t active, uint32_t count, const char *order)
{
	memcpy(harness.control->cuda.order, order, count);
	harness.control->cuda.count = count;
	__atomic_store_n(&harness.control->cuda.active, active, __ATOMIC_RELEASE);
}

/* What the program sees: "AB", "B", ... */
static void sees(const char *wanted)
{
	int count, device, length = (int)strlen(wanted);
	unsigned char uuid[16];
	char name[64], bus[32];

	OK(CUDA(driver, cuDeviceGetCount, int *)(&count));
	CHECK_EQUAL(count, length);
	for (int i = 0; i < length; i++) {
		OK(CUDA(driver, cuDeviceGet, int *, int)(&device, i));
		OK(CUDA(driver, cuDeviceGetName, char *, int, int)(name, sizeof(name), device));
		CHECK_EQUAL(name[strlen(name) - 1], wanted[i]);
		OK(CUDA(driver, cuDeviceGetUuid_v2, void *, int)(uuid, device));
		CHECK_EQUAL(uuid[15] & 0x0f, wanted[i] == 'A' ? 0xa : 0xb);
		OK(CUDA(driver, cuDeviceGetPCIBusId, char *, int, int)(bus, sizeof(bus), device));
		OK(CUDA(driver, cuDeviceGetByPCIBusId, int *, const char *)(&device, bus));
	}
	CHECK_EQUAL(CUDA(driver, cuDeviceGet, int *, int)(&device, length), 101);
	CHECK_EQUAL(CUDA(driver, cuDeviceGet, int *, int)(&device, -1), 101);
	for (const char *name_of = "AB"; *name_of != '\0'; name_of++)
		CHECK_EQUAL(CUDA(driver, cuDeviceGetByPCIBusId, int *, const char *)(
				&device, *name_of == 'A' ? "0000:01:00.0" : "0000:02:00.0"),
			    strchr(wanted, *name_of) != NULL ? 0 : 101);
}

int main(void)
{
	harness = harness_open();
	driver = cuda_open();
	OK(CUDA(driver, cuInit, unsigned int)(0));
	sees("AB");
	set_map(1, 1, "\1");
	sees("B");
	set_map(1, 2, "\1\0");
	sees("BA");
	/* A device that this machine does not have is left out. */
	set_map(1, 3, "\7\1\0");
	sees("BA");
	set_map(1, 0, "");
	sees("");
	set_map(0, 0, "");
	sees("AB");
	return 0;
}
