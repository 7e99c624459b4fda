/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects of the reader test, see check_readers.py. Nobody writes them, so
 * nothing but their type keeps a compiler from using the initial value. Each
 * initial value is a number that appears nowhere else.
 */
#include <linux/rare_write.h>

#ifdef READERS_CONST_ONLY
#undef __wr_rare_type
#define __wr_rare_type		const
#endif

struct rd_pair {
	long other;
	int member;
};

#define RD_SCALAR	0x5a51
#define RD_MEMBER	0x5a52
#define RD_ELEMENT	0x5a53

extern struct rd_pair rd_target;

extern __wr_rare_type int extern_scalar;
extern __wr_rare_type struct rd_pair extern_struct;
extern __wr_rare_type int extern_array[4];
extern struct rd_pair *__wr_rare_type extern_pointer;
extern __wr_rare_type u16 extern_u16;
extern __wr_rare_type u32 extern_u32;
extern __wr_rare_type u64 extern_u64;

/*
 * The functions that are looked at. Their names tell what is expected: the
 * ones that begin with "reads" load from memory, those with "folds" do not.
 */
#define READERS(name, scalar, struct_, array, pointer)			\
int name##_scalar(void);						\
int name##_member(void);						\
int name##_element(void);						\
struct rd_pair *name##_pointer(void);					\
									\
noinline int name##_scalar(void)					\
{									\
	return scalar;							\
}									\
									\
noinline int name##_member(void)					\
{									\
	return struct_.member;						\
}									\
									\
noinline int name##_element(void)					\
{									\
	return array[2];						\
}									\
									\
noinline struct rd_pair *name##_pointer(void)				\
{									\
	return pointer;							\
}
