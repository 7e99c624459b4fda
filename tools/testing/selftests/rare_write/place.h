/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of a process at the address where the alias of a window is. */
#ifndef PLACE_H
#define PLACE_H

#ifndef NOLIBC
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#endif

#define PLACE_SIZE	65536	/* a page of the largest there are */

/*
 * On arm64 the alias is in the middle of what addresses of processes there are with
 * these pages: the highest power of two that is one, or else mmap() says ENOMEM. On
 * x86-64 it is elsewhere, and any place is as good.
 */
static inline unsigned char *map_where_alias_is(void)
{
#ifdef __aarch64__
	int bit = 47;
#else
	int bit = 46;
#endif
	void *page;

	do {
		page = mmap((void *)(1UL << bit), PLACE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	} while (page == MAP_FAILED && errno == ENOMEM && bit-- > 30);
	return page == MAP_FAILED ? NULL : page;
}

#endif
