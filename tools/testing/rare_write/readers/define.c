// SPDX-License-Identifier: GPL-2.0-only
/* Readers of what is defined in the same file, and the control. */
#include <linux/module.h>
#include "readers.h"

struct rd_pair rd_target;

__wr_rare_type int extern_scalar __wr_rare = RD_SCALAR;
__wr_rare_type struct rd_pair extern_struct __wr_rare = { .member = RD_MEMBER };
__wr_rare_type int extern_array[4] __wr_rare = { [2] = RD_ELEMENT };
struct rd_pair *__wr_rare_type extern_pointer __wr_rare = &rd_target;

static __wr_rare_type int static_scalar __wr_rare = RD_SCALAR;
static __wr_rare_type struct rd_pair static_struct __wr_rare = { .member = RD_MEMBER };
static __wr_rare_type int static_array[4] __wr_rare = { [2] = RD_ELEMENT };
static struct rd_pair *__wr_rare_type static_pointer __wr_rare = &rd_target;

/* What a compiler does if the type is merely const: it must be noticed. */
static const int const_scalar = RD_SCALAR;
static const struct rd_pair const_struct = { .member = RD_MEMBER };
static const int const_array[4] = { [2] = RD_ELEMENT };
static struct rd_pair *const const_pointer = &rd_target;

READERS(reads_extern_here, extern_scalar, extern_struct, extern_array, extern_pointer)
READERS(reads_static, static_scalar, static_struct, static_array, static_pointer)
READERS(folds_const, const_scalar, const_struct, const_array, const_pointer)

/* As many bytes in one store, which no other can come between. */
#define WRITER(type)							\
__wr_rare_type type extern_##type __wr_rare;				\
									\
void writes_##type(type val);						\
noinline void writes_##type(type val)					\
{									\
	rare_write(extern_##type, val);					\
}									\
									\
void releases_##type(type val);						\
noinline void releases_##type(type val)					\
{									\
	rare_write_release(extern_##type, val);				\
}

#ifndef READERS_CONST_ONLY
WRITER(u16)
WRITER(u32)
WRITER(u64)

/* What a window does when it goes on to another page. */
void *turns(unsigned long addr);
noinline void *turns(unsigned long addr)
{
	return __rare_turn(addr, sizeof(u64));
}
#endif

MODULE_DESCRIPTION("Readers of write-rare data, to be disassembled");
MODULE_LICENSE("GPL");
