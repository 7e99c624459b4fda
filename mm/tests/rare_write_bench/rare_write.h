/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The works done with rare_write(), whatever the backend behind it is. The
 * including file says where DATA is.
 */
struct window {
};

static __always_inline void open_window(struct window *w, int first, int nr)
{
	rare_write_begin();
}

static __always_inline void close_window(struct window *w)
{
	rare_write_end();
}

#define like_data(lv)			(*(__wr_rare_type typeof(lv) *)&(lv))
#define store(w, obj, val)		do { (void)(w); __rare_write(obj, val); } while (0)
#define one(obj, val)			((void)rare_write(obj, val))
/* It finds out itself which pages. */
#define one_copy(obj, src, len, first, nr)				\
do {									\
	(void)(first);							\
	(void)(nr);							\
	rare_write_copy(obj, src, len);					\
} while (0)

#include "works.h"
