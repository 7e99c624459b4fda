# SPDX-License-Identifier: GPL-2.0-only
# The one door to this repository. The work is done in tools/testing/rare_write.

T := tools/testing/rare_write
CONFIG ?= test
TOOLCHAIN ?= clang
KERNEL ?= 6.12
# As in common.py.
BUILD := $(CURDIR)/build$(addprefix /,$(filter-out 6.12,$(KERNEL)))

DEB_DEPS = +dpkg-dev debhelper cpio gcc-aarch64-linux-gnu
# Another architecture's packages are installed by an emulator.
DEBIAN_DEPS = mmdebstrap genext2fs arch-test $(if $(filter arm64,$(ARCH)),qemu-user-static binfmt-support)
LINT_DEPS = +gcc-aarch64-linux-gnu spin sparse coccinelle codespell shellcheck python3-sphinx

export ARCH MODULE APPEND CPU SMP ACCEL ONLY LINUX_SRC LINUX_TAR RESULTS DOCS KERNEL BUILDS MINUTES BASE
export CONFIG TOOLCHAIN

help:
	@echo 'rare_write: kernel data that is read-only at rest'
	@echo
	@echo '  make demo  [ARCH=x86_64|arm64]   build, boot, and show the sample: both without ARCH'
	@echo '  make check [ARCH=...]            quick tests; ends with N passed, N failed, N skipped'
	@echo "             [ONLY='pattern ...']  just those with such a name: arm64-max, cost-*, lint"
	@echo '             [DOCS=1]              and renew what the documentation shows of it'
	@echo "  make check-full [ARCH=...] [ONLY='pattern ...']"
	@echo '                                   under every condition: hours, but it resumes'
	@echo '  make lint                        what boots nothing: checkpatch, sparse, W=1, other configurations, ...'
	@echo '  make series                      the patches to send, with a cover letter: build/series'
	@echo '  make series-check [ARCH=...] [BUILDS=0]'
	@echo '                                   git am makes the same tree, and each patch boots'
	@echo '  make series-try LINUX_SRC=folder what of it applies to another kernel, and what does not'
	@echo '  make htmldocs                    the pages about it; a warning is an error'
	@echo '  make attack [ARCH=...]           of make check, the attacks: those that it boots alone, and the suites'
	@echo '  make exploit [ARCH=...]          the same exploit on two kernels, side by side: one withstands'
	@echo '  make coverage [ARCH=...]         what is write-rare, who writes it how often, and what is not'
	@echo '  make model                       search what the TLB may do in a window, all of it'
	@echo "  make mutants [ARCH=...] [ONLY='part of a name ...']"
	@echo '             [DOCS=1]              break it on purpose: each mutant has a test that notices'
	@echo '  make soak [ARCH=...] [MINUTES=5]  all that writes, reads, attacks and interferes, at once'
	@echo '             [DOCS=1]              and put the result into the documentation'
	@echo '  make kselftest [ARCH=...] [DOCS=1]'
	@echo "                                   the kernel's own selftests of what is write-rare, and not"
	@echo '                                   (of 6.12)'
	@echo '  make bench [ARCH=...] [ACCEL=tcg|kvm]  what it costs, next to other ways to write'
	@echo '             [DOCS=1]              and renew what the documentation shows (without ARCH)'
	@echo '             [RESULTS=file]        show what the module measured on another machine'
	@echo '  make bench-compare A=old.json B=new.json'
	@echo '  make bench-system [ARCH=...] [ACCEL=tcg|kvm] [A=exposed] [B=hardened] [DOCS=1]'
	@echo '                                   boot, system calls, fork, exec, sockets of two kernels'
	@echo '                                   (DOCS=1: without ARCH)'
	@echo '  make kernel ARCH=... [CONFIG=test|hardened|prod|off|...] [TOOLCHAIN=clang|gcc]'
	@echo '  make deb ARCH=... [BASE=file]    Debian packages: its cloud configuration, or another, and ours'
	@echo '                                   (KERNEL=7.3: only with BASE=)'
	@echo '  make deb-boot ARCH=... [BASE=file] [DOCS=1]'
	@echo '                                   and boot them, with Debian 12, to a login'
	@echo '  make run ARCH=... MODULE=a.ko[,b.ko] [APPEND=...] [CPU=...] [SMP=...] [ACCEL=tcg|kvm]'
	@echo '                                   boot the test kernel and load modules'
	@echo '  make shell ARCH=... [MODULE=...] [APPEND=...] [CPU=...] [SMP=...] [ACCEL=...]'
	@echo '                                   a busybox shell in it; leave with Ctrl-A X'
	@echo '  make -s kernel-src               print the folder of the patched source'
	@echo '  make -s kernel-obj ARCH=...      print the folder of the objects'
	@echo '  make deps                        install what is needed (the others do it, too)'
	@echo '  make clean                       remove objects and results'
	@echo '  make distclean                   remove the source as well'
	@echo
	@echo '  KERNEL=7.3: with that kernel instead of 6.12, in build/7.3'
	@echo '  LINUX_SRC=folder or LINUX_TAR=file: your own 6.12.y (7.3.y) instead of that of Debian'
	@echo '  Everything that is built, logs included, is under build/.'

deps:
	@$T/deps.sh

demo: deps
	@python3 $T/demo.py

check:
	@$T/deps.sh $(LINT_DEPS)
	@python3 $T/check.py

check-full:
	@$T/deps.sh $(LINT_DEPS)
	@python3 $T/check_full.py

lint:
	@$T/deps.sh $(LINT_DEPS)
	@ONLY='lint*' python3 $T/check.py

htmldocs:
	@$T/deps.sh +python3-sphinx
	@python3 $T/htmldocs.py

series: deps
	@python3 $T/series.py

series-check:
	@$T/deps.sh +gcc-aarch64-linux-gnu
	@python3 $T/series_check.py

series-try:
	@$T/deps.sh git python3
	@python3 $T/series_try.py

# The last ones have their attacks in the suites of a kernel that is booted anyway.
attack: deps
	@ONLY='*-attack *-in-nmi x86_64-max-5level arm64-max arm64-max-pseudo-nmi' \
		python3 $T/check.py

kselftest: deps
	@python3 $T/kselftest.py

soak: deps
	@python3 $T/soak.py

exploit: deps
	@python3 $T/exploit.py

coverage: deps
	@python3 $T/coverage.py

bench:
	@$T/deps.sh +gnuplot-nox
	@python3 $T/bench.py

bench-compare:
	@python3 $T/bench_report.py '$(A)' '$(B)'

bench-system: deps
	@A='$(A)' B='$(B)' python3 $T/bench_system.py

model:
	@$T/deps.sh python3 spin gcc libc6-dev
	@python3 $T/model.py

mutants:
	@$T/deps.sh +gcc-aarch64-linux-gnu
	@python3 $T/mutants.py

kernel: deps
	@python3 $T/build.py '$(ARCH)' '$(CONFIG)' '$(TOOLCHAIN)'

deb:
	@$T/deps.sh $(DEB_DEPS)
	@python3 $T/deb.py

deb-boot:
	@$T/deps.sh $(DEB_DEPS) $(DEBIAN_DEPS)
	@python3 $T/deb.py boot

run: deps
	@python3 $T/vm.py

shell: deps
	@python3 $T/shell.py

kernel-src:
	@echo '$(BUILD)/linux-$(KERNEL)'

kernel-obj:
	@[ -n '$(filter x86_64 arm64,$(ARCH))' ] || \
		{ echo 'error: say which, ARCH=x86_64 or ARCH=arm64' >&2; exit 1; }
	@echo '$(BUILD)/$(ARCH)-$(CONFIG)-$(TOOLCHAIN)'

clean:
	rm -rf $(foreach b,build build/7.3,$(addprefix $b/,x86_64-* arm64-* results logs model kselftest \
		series htmldocs))

distclean:
	rm -rf build

.PHONY: help deps demo check check-full exploit coverage bench bench-compare bench-system model mutants soak kselftest kernel deb deb-boot run shell kernel-src kernel-obj clean distclean lint series series-check htmldocs series-try attack
