// SPDX-License-Identifier: Apache-2.0
/*
 * Calls that are no records. A driver that stands on another device library
 * frees memory there, or asks there for what it is asked: that is part of the
 * call here. And the functions of the program that a driver calls when an
 * object ends: what they do is the program's own.
 */
#include "opencl/opencl.h"

CL_UNRECORDED(clReleaseMemObject, (cl_mem memory), (memory), (void)0)
CL_UNRECORDED(clReleaseProgram, (cl_program program), (program), (void)0)
CL_UNRECORDED(clReleaseKernel, (cl_kernel kernel), (kernel), (void)0)
CL_UNRECORDED(clReleaseEvent, (cl_event event), (event), (void)0)
CL_UNRECORDED(clGetEventProfilingInfo,
	      (cl_event event, cl_uint name, size_t room, void *value, size_t *size),
	      (event, name, room, value, size), (void)0)

#define ENDED(name, type, notify_type)                                                             \
	CL_UNRECORDED(name, (type object, notify_type notify, void *data), (object, notify, data), \
		      notify = ANAROS_CALLBACK(notify))
ENDED(clSetMemObjectDestructorCallback, cl_mem, cl_notify_memory)
ENDED(clSetContextDestructorCallback, cl_context, cl_notify_ended)
ENDED(clSetProgramReleaseCallback, cl_program, cl_notify_program)
