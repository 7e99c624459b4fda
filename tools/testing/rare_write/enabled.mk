# SPDX-License-Identifier: GPL-2.0-only
# What the configuration has made in the folder obj, as kbuild itself finds out: its objects, those
# that composite ones consist of instead of these, and the folders to go on in. For
# check_configs.py. Nothing is made: the first target has nothing to do. Where the sources are
# Linux 6.12 is told by VPATH, and later kernels by srcroot.
objtree := .
srcroot := $(srctree)
src := $(srctree)/$(obj)
VPATH := $(srctree)

enabled: ;

include $(srctree)/scripts/Makefile.build

$(info $(real-obj-y) $(real-obj-m) $(lib-y) $(addsuffix /,$(subdir-ym)))
