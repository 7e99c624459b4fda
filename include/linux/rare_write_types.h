/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How write-rare data is declared: light enough for any header. To write it, see
 * rare_write.h.
 *
 * A file whose data is write-rare only with an option of its own names that before
 * it includes anything, and then has plain data and plain stores without it:
 *
 *   #define RARE_WRITE_SWITCH CONFIG_<option>
 *
 * The option is a bool, and depends on RARE_WRITE. Any other file that writes such
 * data does the same. Those that only read it need not: they read it once each
 * time, as if it were write-rare.
 */
#ifndef _LINUX_RARE_WRITE_TYPES_H
#define _LINUX_RARE_WRITE_TYPES_H

#include <linux/compiler_types.h>
#include <linux/kconfig.h>

/*
 * Spelled like this kbuild, which reads comments as well, does not see the name, and
 * does not make all files anew that include some header with such data when the option
 * changes: readers are the same either way. Who defines or writes it includes
 * rare_write.h or names an option.
 */
#ifndef RARE_WRITE_SWITCH
#define RARE_WRITE_SWITCH	__PASTE(CONFIG_, RARE_WRITE)
#endif
#define RARE_WRITE_IS_ON	IS_BUILTIN(RARE_WRITE_SWITCH)

#if RARE_WRITE_IS_ON

/**
 * __wr_rare - place an object in the write-rare region
 *
 * Goes after the name in a definition, together with __wr_rare_type. The object
 * may be static or not, initialised or not, in the kernel or in a module.
 */
#define __wr_rare		__section(".data..rare_write")

/**
 * __wr_rare_type - the type qualifiers of write-rare data
 *
 * Goes into every declaration, extern ones and pointers to such data included.
 * For a pointer variable it goes after the star: it is the pointer itself that
 * is write-rare, as in ``static struct foo * __wr_rare_type head __wr_rare;``.
 */
#define __wr_rare_type		const volatile

#else

#define __wr_rare
#define __wr_rare_type

#endif /* RARE_WRITE_IS_ON */

#endif /* _LINUX_RARE_WRITE_TYPES_H */
