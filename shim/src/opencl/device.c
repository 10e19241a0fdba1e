// SPDX-License-Identifier: Apache-2.0
/*
 * Which devices the workload sees, and in which order: the control page's
 * map, in ordinals over all platforms as the runtime lists them. A platform
 * without a visible device is not listed, and platforms come in the order of
 * their first visible device. A map that names no device of this machine
 * changes nothing.
 */
#include <string.h>

#include "opencl/opencl.h"

#define DEVICES ANAROS_DEVICES_MAX

struct view {
	cl_device_id devices[DEVICES];
	cl_platform_id platforms[DEVICES]; /* of each device */
	unsigned int count;
};

static void add(struct view *view, cl_device_id device, cl_platform_id platform)
{
	for (unsigned int i = 0; i < view->count; i++)
		if (view->devices[i] == device)
			return;
	view->devices[view->count] = device;
	view->platforms[view->count++] = platform;
}

static void list_all(const struct cl_api *api, struct view *all)
{
	cl_platform_id platforms[DEVICES];
	cl_uint platform_count = 0;

	all->count = 0;
	if (api->clGetPlatformIDs(DEVICES, platforms, &platform_count) != CL_SUCCESS)
		return;
	for (cl_uint i = 0; i < platform_count && i < DEVICES && all->count < DEVICES; i++) {
		cl_uint room = DEVICES - all->count, found = 0;

		if (api->clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, room,
					all->devices + all->count, &found) != CL_SUCCESS)
			continue;
		for (cl_uint k = 0; k < found && k < room; k++)
			all->platforms[all->count++] = platforms[i];
	}
}

/* False: the runtime's own list passes unchanged. */
static bool look(const struct cl_api *api, struct view *view)
{
	const struct anaros_control *control = anaros_control;
	struct anaros_device_map map;
	struct view all;

	if (likely(!control->opencl.active) || api->passes)
		return false;
	memcpy(&map, &control->opencl, sizeof(map));
	view->count = 0;
	if (map.count == 0)
		return true;
	if (api->clGetPlatformIDs == NULL || api->clGetDeviceIDs == NULL)
		return false;
	list_all(api, &all);
	for (unsigned int i = 0; i < map.count && i < DEVICES; i++)
		if (map.order[i] < all.count)
			add(view, all.devices[map.order[i]], all.platforms[map.order[i]]);
	return view->count != 0;
}

static cl_int answer_platforms(const struct view *view, cl_uint room, cl_platform_id *platforms,
			       cl_uint *count)
{
	cl_uint found = 0;

	for (unsigned int i = 0; i < view->count; i++) {
		unsigned int first = 0;

		while (view->platforms[first] != view->platforms[i])
			first++;
		if (first != i)
			continue;
		if (platforms != NULL && found < room)
			platforms[found] = view->platforms[i];
		found++;
	}
	if (count != NULL)
		*count = found;
	return found != 0 ? CL_SUCCESS : CL_PLATFORM_NOT_FOUND_KHR;
}

CL_HOOK(CL_RARE, cl_int, clGetPlatformIDs,
	(cl_uint room, cl_platform_id *platforms, cl_uint *count), (room, platforms, count))
{
	struct view view;
	cl_int result;
	bool within;

	CL_REQUIRE(api, clGetPlatformIDs, CL_PLATFORM_NOT_FOUND_KHR);
	within = cl_within(api);
	/* The runtime itself says what is wrong with the arguments. */
	if ((room == 0) != (platforms == NULL) || (platforms == NULL && count == NULL) ||
	    !look(api, &view))
		result = api->clGetPlatformIDs(room, platforms, count);
	else
		result = answer_platforms(&view, room, platforms, count);
	if (within)
		cl_leave();
	return result;
}

/* The visible devices of a type, in the map's order; the runtime's own status. */
static cl_int choose(const struct cl_api *api, const struct view *view, cl_platform_id platform,
		     cl_bitfield type, struct view *chosen)
{
	cl_device_id typed[DEVICES];
	cl_uint count = 0;
	cl_int status;

	chosen->count = 0;
	if (platform == NULL && view->count > 0)
		platform = view->platforms[0];
	status = api->clGetDeviceIDs(platform, type, DEVICES, typed, &count);
	if (status != CL_SUCCESS)
		return status;
	for (unsigned int i = 0; i < view->count; i++) {
		bool matches = type == CL_DEVICE_TYPE_DEFAULT && chosen->count == 0;

		for (cl_uint k = 0; type != CL_DEVICE_TYPE_DEFAULT && k < count && k < DEVICES; k++)
			matches = matches || typed[k] == view->devices[i];
		if (view->platforms[i] == platform && matches)
			add(chosen, view->devices[i], platform);
	}
	return chosen->count != 0 ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

static cl_int visible_devices(const struct cl_api *api, cl_platform_id platform, cl_bitfield type,
			      cl_uint room, cl_device_id *devices, cl_uint *count)
{
	struct view view, chosen;
	cl_int status;

	if ((room == 0) != (devices == NULL) || (devices == NULL && count == NULL) ||
	    !look(api, &view))
		return api->clGetDeviceIDs(platform, type, room, devices, count);
	status = choose(api, &view, platform, type, &chosen);
	if (count != NULL)
		*count = chosen.count;
	for (cl_uint i = 0; devices != NULL && i < chosen.count && i < room; i++)
		devices[i] = chosen.devices[i];
	return status;
}

CL_HOOK(CL_RARE, cl_int, clGetDeviceIDs,
	(cl_platform_id platform, cl_bitfield type, cl_uint room, cl_device_id *devices,
	 cl_uint *count),
	(platform, type, room, devices, count))
{
	cl_int result;
	bool within;

	CL_REQUIRE(api, clGetDeviceIDs, CL_DEVICE_NOT_FOUND);
	within = cl_within(api);
	result = visible_devices(api, platform, type, room, devices, count);
	if (within)
		cl_leave();
	return result;
}

static cl_platform_id platform_of(const cl_properties *properties)
{
	for (; properties != NULL && properties[0] != 0; properties += 2)
		if (properties[0] == CL_CONTEXT_PLATFORM)
			return (cl_platform_id)properties[1];
	return NULL;
}

/* Made from the visible devices, so the context's own list is the same. */
static cl_context of_visible(const struct cl_api *api, const cl_properties *properties,
			     cl_bitfield type, cl_notify_context notify, void *data, cl_int *status)
{
	struct view view, chosen;

	if (api->clCreateContext == NULL || !look(api, &view))
		return api->clCreateContextFromType(properties, type, notify, data, status);
	*status = choose(api, &view, platform_of(properties), type, &chosen);
	if (*status != CL_SUCCESS)
		return NULL;
	return api->clCreateContext(properties, chosen.count, chosen.devices, notify, data, status);
}

#define DESTROYED 0
#define CREATED   1
#define CONTEXT(context, status_, what)                                                            \
	CL_NOTE(status_, .kind = ANAROS_KIND_GPU_CONTEXT, .object = (uintptr_t)(context),          \
		.size_bytes = (what))

CL_HOOK(CL_RARE, cl_context, clCreateContextFromType,
	(const cl_properties *properties, cl_bitfield type, cl_notify_context notify, void *data,
	 cl_int *status),
	(properties, type, notify, data, status))
{
	struct anaros_call call;
	bool recording;
	cl_int own = CL_SUCCESS;
	cl_context made;

	CL_REQUIRE(api, clCreateContextFromType, NULL);
	recording = cl_enter(api, &call);
	status = status != NULL ? status : &own;
	if (recording)
		notify = ANAROS_CALLBACK(notify);
	made = of_visible(api, properties, type, notify, data, status);
	if (recording) {
		CONTEXT(made, *status, CREATED);
		cl_leave();
	}
	return made;
}

CL_CREATE_NOTIFYING(cl_context, clCreateContext,
		    (const cl_properties *properties, cl_uint count, const cl_device_id *devices,
		     cl_notify_context notify, void *data, cl_int *status),
		    (properties, count, devices, notify, data, status),
		    CONTEXT(made, *status, CREATED))
CL_PLAIN(clRetainContext, (cl_context context), (context), CONTEXT(context, result, CREATED))
CL_PLAIN(clReleaseContext, (cl_context context), (context), CONTEXT(context, result, DESTROYED))
CL_PLAIN_EXTENSION(clTerminateContextKHR, (cl_context context), (context),
		   CONTEXT(context, result, DESTROYED))
