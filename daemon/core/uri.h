/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * URIs of modules, read as the DSP reads them: which library is looked for, and which function of
 * it is called. Policy is about these two, not about how they are written.
 */
#pragma once

#include <stdbool.h>

#define QDA_MODULE_PART_MAX 256u

struct qda_module_name {
	char library[QDA_MODULE_PART_MAX];	/* "libcam_skel.so" */
	char function[QDA_MODULE_PART_MAX];	/* "cam_skel_handle_invoke" */
};

/*
 * "file:///LIBRARY?FUNCTION&...", the same without "file:///", or "NAME&..." for libNAME_skel.so
 * and NAME_skel_invoke. False for all else: there it cannot be told what a DSP would load. A
 * LIBRARY has letters, digits and ._+- only, begins with none of them but _+- or a letter or digit,
 * and holds no two points in a row; so there are no folders, no way up and no escapes.
 */
bool qda_module_name_read(const char *uri, struct qda_module_name *name);

/*
 * "file:///LIBRARY" or "file:///LIBRARY?FUNCTION" with *, [abc] and [!abc] in both parts. The first
 * ? stands for itself and divides them; without it any function matches.
 */
bool qda_module_name_matches(const struct qda_module_name *name, const char *pattern);
/* NULL when it is one, else what is wrong with it. */
const char *qda_module_pattern_fault(const char *pattern);
