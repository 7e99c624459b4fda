/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the programs of the guest speak: one write for each line, which may be one of
 * the kernel's log. It starts with the NAME of the program.
 */
#ifndef _SAY_H
#define _SAY_H

/* All these strings, up to a NULL, as one line. */
static void say(const char *text, ...)
{
	char line[800] = NAME ": ";
	va_list rest;

	va_start(rest, text);
	for (; text; text = va_arg(rest, const char *))
		strlcat(line, text, sizeof(line) - 1);
	va_end(rest);
	strlcat(line, "\n", sizeof(line));
	write(1, line, strlen(line));
}

#endif /* _SAY_H */
