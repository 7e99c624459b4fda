#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ccache COMPILER ... SOURCE, but for what includes other files as they are: ccache goes by what
# the compiler reads as source, and would give back a boot image with the kernel of before.
for source; do :; done
case $source in
*.S | */kernel/configs.c | */kernel/kheaders.c) exec "$@" ;;
esac
exec ccache "$@"
