# SPDX-License-Identifier: GPL-2.0-only
# What the configuration has made in the folder obj, as kbuild reads the Makefile there: its
# objects, those that composite ones consist of instead of these, and the folders to go on in.
# For check_configs.py. Nothing is made: the rules that would are not read.
src := $(srctree)/$(obj)

enabled: ;

include include/config/auto.conf
include $(srctree)/scripts/Kbuild.include
include $(kbuild-file)
include $(srctree)/scripts/Makefile.lib

$(info $(real-obj-y) $(real-obj-m) $(lib-y) $(addsuffix /,$(subdir-ym)))
