/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another tool begins to use CUPTI with: by its seat, or by the buffers
 * that all records go to. All of them take pointers alone.
 */
#ifndef ANAROS_CUPTI_HOOKS_H
#define ANAROS_CUPTI_HOOKS_H

#define ANAROS_CUPTI(HOOK)                                                                         \
	HOOK(cuptiSubscribe)                                                                       \
	HOOK(cuptiSubscribe_v2)                                                                    \
	HOOK(cuptiActivityRegisterCallbacks)

#endif
