/* SPDX-License-Identifier: GPL-2.0-only */
/* What nolibc lacks of string.h. */
#ifndef TEXT_H
#define TEXT_H

#ifndef NOLIBC
#include <string.h>
#endif

/* Is this in the text? */
static inline int in(const char *text, const char *what)
{
	while (*text && strncmp(text, what, strlen(what)))
		text++;
	return !!*text;
}

#endif
