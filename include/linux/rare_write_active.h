/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fault, NMI and oops paths need to know about rare_write() windows.
 * Apart from <linux/rare_write.h> so that low-level headers can include it.
 */
#ifndef _LINUX_RARE_WRITE_ACTIVE_H
#define _LINUX_RARE_WRITE_ACTIVE_H

#include <linux/types.h>

#ifdef CONFIG_RARE_WRITE

bool rare_write_active(void);
void rare_write_abort(void);
void rare_write_report(void);

#else

static inline bool rare_write_active(void)
{
	return false;
}

static inline void rare_write_abort(void)
{
}

static inline void rare_write_report(void)
{
}

#endif /* CONFIG_RARE_WRITE */

#endif /* _LINUX_RARE_WRITE_ACTIVE_H */
