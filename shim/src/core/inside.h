/* SPDX-License-Identifier: Apache-2.0 */
/* One device library at work for another: see docs/devices.md. */
#ifndef ANAROS_INSIDE_H
#define ANAROS_INSIDE_H

#include <stdbool.h>

/* In a call that is recorded: what it calls of any family is part of it. */
extern __thread bool anaros_device_inside
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

#endif
