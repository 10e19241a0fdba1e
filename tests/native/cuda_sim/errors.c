// SPDX-License-Identifier: Apache-2.0
/* The names and texts of results. */
#include "sim.h"

static const struct {
	int code;
	const char *name;
	const char *text;
} errors[] = {
    {SIM_OK, "CUDA_SUCCESS", "no error"},
#define SIM_ERROR(code, name, text) {code, "CUDA_ERROR_" #name, text},
#include "errors.def"
#undef SIM_ERROR
};

static int error_text(int code, const char **text, bool name)
{
	if (text == NULL)
		return SIM_INVALID_VALUE;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].code == code) {
			*text = name ? errors[i].name : errors[i].text;
			return SIM_OK;
		}
	}
	*text = NULL;
	return SIM_INVALID_VALUE;
}

SIM_FN(cuGetErrorName, (int code, const char **text), error_text(code, text, true))
SIM_FN(cuGetErrorString, (int code, const char **text), error_text(code, text, false))
