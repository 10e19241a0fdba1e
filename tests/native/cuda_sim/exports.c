// SPDX-License-Identifier: Apache-2.0
/* The table of exports, apart from the functions' own prototypes. */
#include "sim.h"

#define SIM_API(base, symbol, version, per_thread) extern int symbol(void);
#include "exports.def"
#include "refused.def"
#undef SIM_API

const struct sim_export_row sim_exports[SIM_EXPORTS] = {
#define SIM_API(base, symbol, version, per_thread) {#base, #symbol, symbol, version, per_thread},
#include "exports.def"
#include "refused.def"
#undef SIM_API
};
