#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make deb: Debian packages of a kernel with write-rare data; make deb-boot: and they work.

The configuration is that of Debian's cloud kernel, from its package linux-config-6.12, or
any other, BASE=/boot/config-$(uname -r); merged into it are rare_write.config, as a
distribution would do it, and deb.config. The kernel's own bindeb-pkg makes the packages.

make deb-boot has mmdebstrap make a Debian 12 with the package of the kernel installed,
boots it in QEMU to a login, loads the sample, and builds and runs the kernel's
selftests of rare_write there. It is slow, and no part of make check. With DOCS=1 its result
goes into the documentation.

	make deb ARCH=x86_64|arm64 [BASE=file]
	make deb-boot ARCH=x86_64|arm64 [BASE=file] [DOCS=1]
"""
import glob
import lzma
import os
import re
import select
import shutil
import subprocess
import sys
import time

import build
import console
import tree
import userland
import vm
from common import (ARCHES, BUILD, KERNEL, KERNELS, SRC, TOP, Step, child, choose, die,
                    first_line, logged, renew_table, script, write_whole)

TABLE = os.path.join(TOP, 'Documentation/security/rare-write-debian.csv')
PACKAGE = f'linux-config-{KERNEL}'
RELEASE = 'bookworm'
# What the virtual machine has besides the kernel: a login, and what builds the selftests.
INCLUDE = ('initramfs-tools', 'systemd-sysv', 'udev', 'kmod', 'gcc', 'libc6-dev', 'make')
# Of the source, what the selftests need.
SELFTESTS = ('scripts/subarch.include', *(f'tools/testing/selftests/{name}' for name in (
    'Makefile', 'lib.mk', 'kselftest.h', 'kselftest_harness.h', 'kselftest', 'rare_write')))
# Each command must succeed, and say this.
COMMANDS = {
    'kernel.boot-line': ('dmesg | grep "rare_write: "',
                         r'rare_write: temporary alias protects \d+ KiB of the kernel, and modules'),
    'sample': ('modprobe rare_write_howto && cat /sys/kernel/debug/rare_write/regions',
               r'(?m)^\w+ +\d+ rare_write_howto$'),
    'audit': ('cat /sys/kernel/debug/rare_write/audit', r'audit: ok: \d+ pages'),
    # A kernel without debug checks has no counters; nothing else is left out.
    'selftests': ('make -s -C /usr/src/linux/tools/testing/selftests TARGETS=rare_write run_tests',
                  r'(?ms)\A(?!.*# SKIP (?!counters need RARE_WRITE_DEBUG\b))'
                  r'.*^ok 1 selftests: rare_write: rare_write_test$'),
    'log': ('dmesg', r'Linux version .*-rare-write'),
}


def base(arch):
    """The configuration to start from, as text."""
    if path := os.environ.get('BASE'):
        with open(path) as file:
            return file.read()
    if KERNEL != KERNELS[0]:
        die(f'the configuration of Debian\'s {KERNEL} is not fetched: say which, BASE=file')
    debian = ARCHES[arch]['debian']
    folder = userland.unpacked(arch, {PACKAGE: (PACKAGE,)})[PACKAGE]
    path = f'{folder}/usr/src/{PACKAGE}/config.{debian}_none_cloud-{debian}.xz'
    with lzma.open(path, 'rt') as file:
        return file.read()


def configure(arch, obj, text):
    """Merge the fragments, with the kernel's own script; nothing of them may get lost."""
    os.makedirs(obj, exist_ok=True)
    start = os.path.join(obj, '.base')
    write_whole(start, text)
    parts = list(build.layers(arch, ('rare_write', 'deb')))
    logged([os.path.join(SRC, 'scripts/kconfig/merge_config.sh'), '-m', '-O', obj, start, *parts],
           f'deb-merge-{arch}.log', 'merge_config.sh')
    logged([*build.make_args(arch, 'clang', obj), 'olddefconfig'], f'deb-config-{arch}.log',
           'configuring', env=build.environment())
    want = build.wanted(parts)
    if lost := [f'{symbol}={want[symbol]}' for symbol in build.lacking(want, obj)]:
        die(f'{arch}: this configuration does not allow {" ".join(lost)}')


def packages(arch):
    """Build the packages; return their paths."""
    start = base(arch)
    tree.prepare()
    folder = os.path.join(BUILD, f'{arch}-deb')
    # They appear beside the objects.
    obj = os.path.join(folder, 'obj')
    configure(arch, obj, start)
    for path in glob.glob(f'{folder}/*.deb'):
        os.remove(path)
    with Step(f'building packages for {arch}'):
        # -d: what is missing of another architecture's packages, the kernel does not need.
        logged([*build.make_args(arch, 'clang', obj), 'bindeb-pkg', 'DPKG_FLAGS=-d'],
               f'deb-{arch}.log', 'bindeb-pkg', env=build.environment())
    return sorted(glob.glob(f'{folder}/*.deb'))


def selftests(folder):
    """A folder with what the guest has of the source."""
    target = os.path.join(folder, 'linux')
    shutil.rmtree(target, ignore_errors=True)
    for name in SELFTESTS:
        source, path = os.path.join(SRC, name), os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, path)
        else:
            shutil.copy(source, path)
    return target


def check_installs(arch):
    """What installs packages must run here: say so now and not in an hour."""
    debian = ARCHES[arch]['debian']
    if subprocess.run(['arch-test', debian], capture_output=True).returncode:
        die(f'this machine runs no program for {debian}, which its packages are installed by; as '
            f'root: update-binfmts --enable {vm.QEMU[arch]["cmd"][0].replace("-system", "")}')


def image(arch, package):
    """A disk with Debian and this package installed; return (disk, kernel, initramfs)."""
    folder = os.path.dirname(package)
    disk, boot = os.path.join(folder, 'debian.ext2'), os.path.join(folder, 'boot')
    shutil.rmtree(boot, ignore_errors=True)
    howto = 'kernel/samples/rare_write/rare_write_howto.ko'
    with Step(f'making a Debian for {arch}'):
        logged(['mmdebstrap', '--variant=important', f'--architectures={ARCHES[arch]["debian"]}',
                f'--include={",".join(INCLUDE)}',
                f'--customize-hook=upload "{package}" /tmp/kernel.deb',
                '--customize-hook=chroot "$1" dpkg --install /tmp/kernel.deb',
                f'--customize-hook=copy-in "{selftests(folder)}" /usr/src',
                # Where the selftest looks for what it is to load again.
                f'--customize-hook=chroot "$1" sh -c "ln -s /lib/modules/*/{howto} /lib"',
                '--customize-hook=chroot "$1" passwd --delete root',
                '--customize-hook=echo rare-write > "$1/etc/hostname"',
                f'--customize-hook=copy-out /boot "{folder}"',
                RELEASE, disk], f'deb-debian-{arch}.log', 'mmdebstrap')
    files = [path for name in ('vmlinuz', 'initrd.img') for path in glob.glob(f'{boot}/{name}-*')]
    if len(files) != 2:
        die(f'the package made {" ".join(map(os.path.basename, files)) or "nothing"} in /boot, a '
            'kernel and an initramfs are needed: CONFIG_BLK_DEV_INITRD')
    return disk, *files


class Terminal:
    """A serial console that is typed at."""

    def __init__(self, process, log):
        self.process, self.log, self.text, self.seen = process, log, '', 0

    def expect(self, pattern, seconds):
        """Wait for a pattern in what has not been looked at; return the match."""
        end = time.monotonic() + seconds
        out = self.process.stdout.fileno()
        while not (found := re.compile(pattern).search(self.text, self.seen)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                die(f'waited {seconds} s for {pattern!r}, see {os.path.relpath(self.log.name)}')
            if not (more := os.read(out, 65536)):
                die(f'the machine ended before {pattern!r}, see {os.path.relpath(self.log.name)}')
            self.log.write(more)
            self.log.flush()
            self.text += more.decode(errors='replace').replace('\r', '')
        self.seen = found.end()
        return found

    def send(self, line):
        self.process.stdin.write(f'{line}\n'.encode())
        self.process.stdin.flush()

    def run(self, command):
        """Run a command at the prompt; return (status, what it said)."""
        self.send(f'{command}; echo "status=$?"')
        start = self.seen
        # What is echoed has no digit there.
        found = self.expect(r'status=(\d+)\n', 900)
        return int(found[1]), self.text[start:found.start()]


def talk(terminal):
    """Log in and try it; return {case: 'ok' or why not}."""
    terminal.expect('rare-write login: ', 900)
    terminal.send('root')
    terminal.expect('# ', 120)
    # No colours, no line that is too long, no messages of the kernel in between.
    terminal.run('TERM=dumb PS1="# "; stty cols 1000; dmesg -n 1; unset LS_COLORS')
    cases = {'login': 'ok'}
    for case, (command, pattern) in COMMANDS.items():
        status, said = terminal.run(command)
        good = status == 0 and re.search(pattern, said) and not re.search('(?m)^not ok', said)
        cases[case] = 'ok' if good else f'failed: status {status}, see the console'
        if case == 'log' and (splats := console.splats(said)):
            cases[case] = f'failed: {"; ".join(splats[:3])}'
    terminal.send('poweroff')
    terminal.expect('reboot: Power down', 120)
    return {**cases, 'poweroff': 'ok'}


def boot(arch, disk, kernel, initrd):
    """Boot it, and return what became of it."""
    log = os.path.join(BUILD, 'results', f'{arch}-deb.console')
    os.makedirs(os.path.dirname(log), exist_ok=True)
    argv = vm.QEMU[arch]['cmd'] + [
        '-accel', 'tcg', '-cpu', vm.model(arch, 'tcg'), '-smp', '2', '-m', '2G',
        '-display', 'none', '-no-reboot', '-nodefaults', '-serial', 'stdio',
        '-kernel', kernel, '-initrd', initrd,
        '-drive', f'file={disk},if=virtio,format=raw,snapshot=on',
        '-append', f'root=/dev/vda rw console={ARCHES[arch]["tty"]}']
    with Step(f'booting it on {arch}'), open(log, 'wb') as out, \
            child(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                  stderr=subprocess.STDOUT) as process:
        return talk(Terminal(process, out))


def record(arch, package, cases):
    """Write down what came of it."""
    about = {'architecture': arch, 'package': os.path.basename(package),
             'installed in': f'Debian {RELEASE}',
             'QEMU': first_line(vm.QEMU[arch]['cmd'][0], '--version').split()[3]}
    renew_table(TABLE, (*about, *('login', *COMMANDS, 'poweroff')),
                {arch: [*about.values(), *cases.values()]})


def main():
    arch = choose('ARCH', os.environ.get('ARCH', ''), ARCHES)
    if os.environ.get('DOCS') and (os.environ.get('BASE') or KERNEL != KERNELS[0]):
        die(f'DOCS=1 is for the configuration of Debian, and for {KERNELS[0]}')
    if sys.argv[1:] == ['boot']:
        check_installs(arch)
    made = packages(arch)
    for path in made:
        print(f'  {os.path.relpath(path)}')
    if sys.argv[1:] != ['boot']:
        return 0
    package = next(path for path in made if os.path.basename(path).startswith('linux-image-'))
    cases = boot(arch, *image(arch, package))
    if os.environ.get('DOCS'):
        record(arch, package, cases)
    for case, state in cases.items():
        print(f'{"ok" if state == "ok" else "not ok":7} {case}{"" if state == "ok" else f": {state}"}')
    failed = sum(state != 'ok' for state in cases.values())
    print(f'{len(cases) - failed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    script(main)
