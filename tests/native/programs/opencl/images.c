// SPDX-License-Identifier: Apache-2.0
/*
 * Description: images are arrays; what goes into them, out of them and
 * between them and buffers is told with its direction and its bytes.
 */
#include "calls.h"

#define WIDTH  8u
#define HEIGHT 4u
#define PIXELS (WIDTH * HEIGHT)

static const size_t origin[3] = {0}, region[3] = {WIDTH, HEIGHT, 1};

static void *image_of(uint64_t flags, void *host)
{
	size_t description[10] = {0x10f1, WIDTH, HEIGHT};

	return CLP(cl.library, clCreateImage, void *, uint64_t, void *, size_t *, void *,
		   void *)(cl.context, flags, NULL, description, host, NULL);
}

static void write_image(void *image, void *pixels)
{
	OK(CL(cl.library, clEnqueueWriteImage, void *, void *, int, const size_t *, const size_t *,
	      size_t, size_t, void *,
	      WAITS)(cl.queue, image, 1, origin, region, 0, 0, pixels, NONE));
	check(ANAROS_KIND_GPU_COPY_H2D, 4 * PIXELS, pixels);
}

static void read_image(void *image, void *pixels)
{
	OK(CL(cl.library, clEnqueueReadImage, void *, void *, int, const size_t *, const size_t *,
	      size_t, size_t, void *,
	      WAITS)(cl.queue, image, 1, origin, region, 0, 0, pixels, NONE));
	check(ANAROS_KIND_GPU_COPY_D2H, 4 * PIXELS, pixels);
}

static void made_and_freed(void)
{
	void *image = image_of(0, NULL);

	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).flags, ANAROS_MEMORY_ARRAY);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).size_bytes, 4 * PIXELS);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_ALLOC).object, (uintptr_t)image);
	OK(CL(cl.library, clReleaseMemObject, void *)(image));
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).flags, ANAROS_MEMORY_ARRAY);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).object, (uintptr_t)image);
	CHECK_EQUAL(last_of(ANAROS_KIND_GPU_FREE).size_bytes, 4 * PIXELS);
}

static void to_and_from_the_host(void *image)
{
	uint32_t pixels[PIXELS] = {1, 2, 3}, back[PIXELS];

	write_image(image, pixels);
	read_image(image, back);
	CHECK(memcmp(pixels, back, sizeof(pixels)) == 0);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY_H2D).bytes,
		    sim_bytes(cl.driver, SIM_H2D));
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY_D2H).bytes,
		    sim_bytes(cl.driver, SIM_D2H));
}

/* The same pixels in a buffer, from there in another image, and in a third. */
static void on_the_device(void *image)
{
	void *buffer = cl_buffer(&cl, 0, 4 * PIXELS), *second = image_of(0, NULL),
	     *third = image_of(0, NULL);
	uint32_t pixels[PIXELS] = {4, 5, 6}, back[PIXELS];

	write_image(image, pixels);
	OK(CL(cl.library, clEnqueueCopyImageToBuffer, void *, void *, void *, const size_t *,
	      const size_t *, size_t, WAITS)(cl.queue, image, buffer, origin, region, 0, NONE));
	check(ANAROS_KIND_GPU_COPY_D2D, 4 * PIXELS, buffer);
	OK(CL(cl.library, clEnqueueCopyBufferToImage, void *, void *, void *, size_t,
	      const size_t *, const size_t *,
	      WAITS)(cl.queue, buffer, second, 0, origin, region, NONE));
	check(ANAROS_KIND_GPU_COPY_D2D, 4 * PIXELS, second);
	OK(CL(cl.library, clEnqueueCopyImage, void *, void *, void *, const size_t *,
	      const size_t *, const size_t *,
	      WAITS)(cl.queue, second, third, origin, origin, region, NONE));
	check(ANAROS_KIND_GPU_COPY_D2D, 4 * PIXELS, third);
	read_image(third, back);
	CHECK(memcmp(pixels, back, sizeof(pixels)) == 0);
	CHECK_EQUAL(calls_of(&harness, ANAROS_KIND_GPU_COPY_D2D).bytes,
		    sim_bytes(cl.driver, SIM_D2D));
}

static void filled_and_mapped(void *image)
{
	uint32_t color[4] = {7};
	void *mapped;
	size_t row;

	OK(CL(cl.library, clEnqueueFillImage, void *, void *, void *, const size_t *,
	      const size_t *, WAITS)(cl.queue, image, color, origin, region, NONE));
	check(ANAROS_KIND_GPU_MEMSET, 4 * PIXELS, image);
	mapped = CLP(cl.library, clEnqueueMapImage, void *, void *, int, uint64_t, const size_t *,
		     const size_t *, size_t *, size_t *, WAITS,
		     void *)(cl.queue, image, 1, 1, origin, region, &row, NULL, NONE, NULL);
	check(ANAROS_KIND_GPU_MAP, 4 * PIXELS, mapped);
	OK(CL(cl.library, clEnqueueUnmapMemObject, void *, void *, void *, WAITS)(cl.queue, image,
										  mapped, NONE));
	check(ANAROS_KIND_GPU_UNMAP, 0, mapped);
}

int main(void)
{
	void *image;

	begin();
	image = image_of(0, NULL);
	made_and_freed();
	to_and_from_the_host(image);
	on_the_device(image);
	filled_and_mapped(image);
	ran(0, 10);
	return 0;
}
