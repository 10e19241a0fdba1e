// SPDX-License-Identifier: Apache-2.0
/* What the driver has, and this one only knows by name: not supported. */
#include "sim.h"

#define SIM_API(base, symbol, version, per_thread)                                                 \
	SIM_EXPORT int symbol(void);                                                               \
	SIM_EXPORT int symbol(void)                                                                \
	{                                                                                          \
		int result = sim_enter(SIM_ID_##symbol);                                           \
                                                                                                   \
		return sim_leave(SIM_ID_##symbol, result != SIM_OK ? result : SIM_NOT_SUPPORTED);  \
	}
#include "refused.def"
#undef SIM_API
