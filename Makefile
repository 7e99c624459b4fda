# SPDX-License-Identifier: GPL-2.0-only
# The one door to this repository. The work is done in tools/testing/rare_write.

T := tools/testing/rare_write
CONFIG ?= test
TOOLCHAIN ?= clang

export ARCH MODULE APPEND CPU SMP ACCEL ONLY LINUX_SRC LINUX_TAR
export CONFIG

help:
	@echo 'rare_write: kernel data that is read-only at rest'
	@echo
	@echo '  make demo  [ARCH=x86_64|arm64]   build, boot, and show the sample: both without ARCH'
	@echo '  make check [ARCH=...]            all tests; ends with N passed, N failed, N skipped'
	@echo '             [ONLY=pattern]        just the scenarios with such a name'
	@echo '  make kernel ARCH=... [CONFIG=test|prod|off] [TOOLCHAIN=clang|gcc]'
	@echo '  make run ARCH=... MODULE=a.ko[,b.ko] [APPEND=...] [CPU=...] [SMP=...] [ACCEL=tcg|kvm]'
	@echo '                                   boot the test kernel and load modules'
	@echo '  make -s kernel-src               print the folder of the patched source'
	@echo '  make -s kernel-obj ARCH=...      print the folder of the objects'
	@echo '  make deps                        install what is needed (the others do it, too)'
	@echo '  make clean                       remove objects and results'
	@echo '  make distclean                   remove the source as well'
	@echo
	@echo '  LINUX_SRC=folder or LINUX_TAR=file: your own 6.12.y instead of linux-source-6.12'
	@echo '  Everything that is built, logs included, is under build/.'

deps:
	@$T/deps.sh

demo: deps
	@python3 $T/demo.py

check: deps
	@python3 $T/check.py

kernel: deps
	@python3 $T/build.py '$(ARCH)' '$(CONFIG)' '$(TOOLCHAIN)'

run: deps
	@python3 $T/vm.py

kernel-src:
	@echo '$(CURDIR)/build/linux-6.12'

kernel-obj:
	@[ -n '$(ARCH)' ] || { echo 'error: say which, ARCH=x86_64 or ARCH=arm64' >&2; exit 1; }
	@echo '$(CURDIR)/build/$(ARCH)-$(CONFIG)-$(TOOLCHAIN)'

clean:
	rm -rf build/x86_64-* build/arm64-* build/results build/logs

distclean:
	rm -rf build

.PHONY: help deps demo check kernel run kernel-src kernel-obj clean distclean
