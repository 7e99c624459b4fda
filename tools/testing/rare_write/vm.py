#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot a test kernel in QEMU and let it follow a plan."""
import os
import re
import subprocess
import sys
import time

import build
import console
from common import ARCHES, BUILD, HERE, choose, die

QEMU = {
    'x86_64': {'cmd': ['qemu-system-x86_64', '-machine', 'q35'], 'cpu': 'max', 'tty': 'ttyS0',
               'pci': 'virtio-serial-pci'},
    'arm64': {'cmd': ['qemu-system-aarch64', '-machine', 'virt,gic-version=3'], 'cpu': 'max',
              'tty': 'ttyAMA0', 'pci': 'virtio-serial-pci'},
}


class Run:
    """What came of one boot."""

    def __init__(self, log, text, steps, timed_out):
        self.log, self.text, self.steps, self.timed_out = log, text, steps, timed_out

    def problems(self):
        """Everything that makes this boot a failure."""
        bad = []
        if self.timed_out:
            bad.append('timed out')
        if not self.steps or not self.steps[-1].startswith('done '):
            bad.append('did not finish its plan')
        bad += [step for step in self.steps if step.split(' ')[0] in ('failed', 'unknown')]
        return bad + console.splats(self.text)


def boot(arch, obj, name, plan, files, cpu=None, smp=4, mem='768M', append='', timeout=300,
         accel='tcg', echo=False, extra=()):
    """Boot obj's kernel with files in its initramfs; return a Run."""
    folder = os.path.join(BUILD, 'results')
    os.makedirs(folder, exist_ok=True)
    base = os.path.join(folder, name)
    with open(base + '.plan', 'w') as file:
        file.write(''.join(f'{step}\n' for step in plan))
    files = dict(files, **{'/init': build.program(arch, os.path.join(HERE, 'init.c')),
                           '/plan': base + '.plan'})
    build.initramfs(obj, base + '.cpio', files)
    qemu = QEMU[arch]
    log, verdict = base + '.console', base + '.verdict'
    open(verdict, 'w').close()
    argv = qemu['cmd'] + [
        '-accel', accel, '-cpu', cpu or ('host' if accel == 'kvm' else qemu['cpu']),
        '-smp', str(smp), '-m', mem, '-display', 'none', '-no-reboot', '-nodefaults',
        '-serial', 'stdio', '-kernel', os.path.join(obj, ARCHES[arch]['image']),
        '-initrd', base + '.cpio', '-device', qemu['pci'],
        '-chardev', f'file,id=verdict,path={verdict}', '-device', 'virtserialport,chardev=verdict',
        '-append', f'console={qemu["tty"]} panic=-1 {append}', *extra]
    end = time.monotonic() + timeout
    timed_out = False
    with open(log, 'wb') as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT)
        shown = 0
        while process.poll() is None:
            if time.monotonic() > end:
                timed_out = True
                process.kill()
            time.sleep(0.2)
            if echo:
                shown = show(log, shown)
    if echo:
        show(log, shown)
    with open(log, errors='replace') as file:
        text = file.read().replace('\r', '')
    with open(verdict) as file:
        steps = file.read().splitlines()
    return Run(log, text, steps, timed_out)


def show(log, start):
    with open(log, errors='replace') as file:
        file.seek(start)
        sys.stdout.write(file.read())
        sys.stdout.flush()
        return file.tell()


def kvm_works(arch, obj):
    """/dev/kvm may be there and useless: only a boot tells."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return False
    trial = boot(arch, obj, f'{arch}-kvm-trial', [], {}, timeout=30, accel='kvm')
    return not trial.problems()


def check_module(arch, path, obj):
    """A module for another machine or kernel is refused before anything boots."""
    if not os.path.isfile(path):
        die(f'{path} is not there')
    head = subprocess.run(['llvm-readelf-19', '-h', path], capture_output=True, text=True).stdout
    if ARCHES[arch]['machine'].lower() not in head.lower():
        die(f'{path} is no module for {arch}')
    with open(path, 'rb') as file:
        magic = re.search(rb'vermagic=([^\0]*)', file.read())
    with open(os.path.join(obj, 'include/generated/utsrelease.h')) as file:
        release = re.search(r'"(.*)"', file.read())[1]
    if not magic or magic[1].decode().split(' ')[0] != release:
        die(f'{path} was not built for this kernel, {release}')


def main():
    """make run: load the given modules, show the console."""
    env = os.environ.get
    arch = choose('ARCH', env('ARCH') or 'x86_64', ARCHES)
    config = env('CONFIG') or 'test'
    accel = choose('ACCEL', env('ACCEL') or 'tcg', ('tcg', 'kvm'))
    modules = (env('MODULE') or '').split(',')
    if modules == ['']:
        die('say which: make run ARCH=... MODULE=path.ko[,second.ko]')
    obj = build.kernel(arch, config)
    if accel == 'kvm' and not kvm_works(arch, obj):
        die('ACCEL=kvm does not work on this machine, use ACCEL=tcg')
    for path in modules:
        check_module(arch, path, obj)
    names = {f'/lib/{os.path.basename(path)}': path for path in modules}
    run = boot(arch, obj, f'{arch}-run', [f'insmod {name} ' for name in names], names,
               cpu=env('CPU'), smp=env('SMP') or 4, append=env('APPEND') or '', accel=accel,
               echo=True)
    problems = run.problems()
    for problem in problems:
        print(f'error: {problem}', file=sys.stderr)
    print(f'console: {os.path.relpath(run.log)}', file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
