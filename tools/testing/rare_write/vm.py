#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boot a test kernel in QEMU and let it follow a plan."""
import contextlib
import os
import re
import subprocess
import sys
import time

import build
import console
from common import ARCHES, BUILD, HERE, child, choose, die, script

QEMU = {
    'x86_64': {'cmd': ['qemu-system-x86_64', '-machine', 'q35'],
               'pci': 'virtio-serial-pci'},
    'arm64': {'cmd': ['qemu-system-aarch64', '-machine', 'virt,gic-version=3'],
              'pci': 'virtio-serial-pci'},
}


class Run:
    """What came of one boot."""

    def __init__(self, log, text, steps, timed_out=False, status=0):
        self.log, self.text, self.steps = log, text, steps
        self.timed_out, self.status = timed_out, status

    def problems(self):
        """Everything that makes this boot a failure."""
        if self.status and not self.timed_out:
            # QEMU itself: what it has to say comes last.
            return [f'QEMU failed: {(self.text.splitlines() or [self.status])[-1]}']
        bad = []
        if self.timed_out:
            bad.append('timed out')
        if not self.steps or not self.steps[-1].startswith('done '):
            bad.append('did not finish its plan')
        bad += [step for step in self.steps if step.split(' ')[0] in ('failed', 'unknown')]
        return bad + console.splats(self.text)


def pack(arch, obj, name, plan, files, root=()):
    """Make the initramfs; return what the names of all of this boot's files start with.

    root is what else the initramfs has, as lines for gen_init_cpio.
    """
    folder = os.path.join(BUILD, 'results')
    os.makedirs(folder, exist_ok=True)
    base = os.path.join(folder, name)
    with open(base + '.plan', 'w') as file:
        file.write(''.join(f'{step}\n' for step in plan))
    files = dict(files, **{'/init': build.program(arch, obj, os.path.join(HERE, 'init.c')),
                           '/plan': base + '.plan'})
    build.initramfs(obj, base + '.cpio', files, root)
    for name in ('.console', '.verdict'):
        open(base + name, 'w').close()
    return base


def read(base, timed_out, status=0):
    """Make a Run of what a machine left behind."""
    with open(base + '.console', errors='replace') as file:
        text = console.without_fair_server(console.once(file.read().replace('\r', '')))
    with open(base + '.verdict') as file:
        steps = file.read().splitlines()
    return Run(base + '.console', text, steps, timed_out, status)


def model(arch, accel, cpu=None):
    """The CPU that QEMU is told to be."""
    cpu = cpu or ('host' if accel == 'kvm' else 'max')
    if (arch, cpu) == ('arm64', 'max'):
        # The architected algorithm for signing pointers takes QEMU most of its time.
        cpu += ',pauth-impdef=on'
    return cpu


def machine(arch, obj, name, plan, files, cpu=None, smp=4, mem='768M', append='', accel='tcg',
            extra=(), serial='stdio', root=(), program=None):
    """Make ready what a machine needs; return (QEMU's command line, as pack())."""
    base = pack(arch, obj, name, plan, files, root)
    qemu = QEMU[arch]
    return [
        program or qemu['cmd'][0], *qemu['cmd'][1:], '-accel', accel, '-cpu', model(arch, accel, cpu),
        '-smp', str(smp), '-m', mem, '-display', 'none', '-no-reboot', '-nodefaults',
        '-serial', serial, '-kernel', os.path.join(obj, ARCHES[arch]['image']),
        '-initrd', base + '.cpio', '-device', qemu['pci'],
        '-chardev', f'file,id=verdict,path={base}.verdict',
        '-device', 'virtserialport,chardev=verdict',
        # A virtual CPU may wait for a real one for more than the 21 s after which RCU complains.
        '-append', f'console={ARCHES[arch]["tty"]} panic=-1 printk.devkmsg=on '
        # And the boot line is looked for in a log that is not endless.
        f'rcupdate.rcu_cpu_stall_timeout=120 log_buf_len=4M {append}', *extra], base


def sleeps(log):
    """Does the console end with consoles being suspended?"""
    with open(log, 'rb') as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 200))
        return b'Suspending console(s)' in file.read()


def once(argv, base, timeout, echo):
    """Run a machine until it ends, and wake it when it sleeps; return a Run."""
    log = base + '.console'
    end = time.monotonic() + timeout
    timed_out = False
    with open(log, 'wb') as out, child(argv, stdin=subprocess.PIPE, stdout=out,
                                       stderr=subprocess.STDOUT) as process:
        shown = 0
        while process.poll() is None:
            if time.monotonic() > end:
                timed_out = True
                process.kill()
            time.sleep(0.2)
            if sleeps(log):
                # A key on the console, which has to be told to listen.
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(b'\n')
                    process.stdin.flush()
            if echo:
                shown = show(log, shown, echo)
    if echo:
        show(log, shown, echo)
    return read(base, timed_out, process.returncode)


def boot(arch, obj, name, plan, files, timeout=300, echo=None, **kwargs):
    """Boot obj's kernel with files in its initramfs; return a Run.

    echo is a function that gets what the console shows as it comes. A machine that dies of
    code which was not there is started once more: the first console is kept.
    """
    for again in (False, True):
        argv, base = machine(arch, obj, name, plan, files, **kwargs)
        run = once(argv, base, timeout, echo)
        if again or not console.stale_code(run.text):
            return run
        os.rename(run.log, base + '.stale-code')
        print(f'{name}: QEMU executed an int3 that memory did not have: started once more, '
              f'see {os.path.relpath(base)}.stale-code', flush=True)


def show(log, start, echo):
    with open(log, errors='replace') as file:
        file.seek(start)
        echo(file.read())
        return file.tell()


def to_stdout(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def kvm_is_there(arch):
    """Is it worth a trial?"""
    host = {'x86_64': 'x86_64', 'aarch64': 'arm64'}.get(os.uname().machine)
    return arch == host and os.access('/dev/kvm', os.R_OK | os.W_OK)


def kvm_works(arch, obj):
    """/dev/kvm may be there and useless: only a boot tells, which takes a second."""
    return not boot(arch, obj, f'{arch}-kvm-trial', [], {}, timeout=20, accel='kvm').problems()


def check_file(arch, path):
    """A module for another machine is refused before anything is built."""
    if not os.path.isfile(path):
        die(f'{path or "the module with an empty name"} is not there')
    head = subprocess.run(['llvm-readelf-19', '-h', path], capture_output=True, text=True).stdout
    with open(path, 'rb') as file:
        magic = re.search(rb'vermagic=([^\0]*)', file.read())
    if not head or not magic:
        die(f'{path} is no kernel module')
    if ARCHES[arch]['machine'].lower() not in head.lower():
        die(f'{path} is no module for {arch}')
    return magic[1].decode(errors='replace').split(' ')[0]


def check_release(path, release, obj):
    """A module for another kernel is refused before anything boots."""
    with open(os.path.join(obj, 'include/generated/utsrelease.h')) as file:
        needed = re.search(r'"(.*)"', file.read())[1]
    if release != needed:
        die(f'{path} was built for {release}, this kernel is {needed}')


def asked():
    """What make run and make shell have in common, from the environment.

    Return (architecture, object folder, modules {name in the guest: path}, how to boot).
    """
    env = os.environ.get
    arch = choose('ARCH', env('ARCH') or 'x86_64', ARCHES)
    accel = choose('ACCEL', env('ACCEL') or 'tcg', ('tcg', 'kvm'))
    smp = env('SMP') or '4'
    if not re.fullmatch('[1-8]', smp):
        die(f'SMP={smp} is not a number from 1 to 8')
    if accel == 'kvm' and not kvm_is_there(arch):
        die(f'ACCEL=kvm cannot run {arch} on this machine, use ACCEL=tcg')
    paths = env('MODULE').split(',') if env('MODULE') else []
    releases = [check_file(arch, path) for path in paths]
    obj = build.kernel(arch, env('CONFIG') or 'test', env('TOOLCHAIN') or 'clang')
    for path, release in zip(paths, releases):
        check_release(path, release, obj)
    if accel == 'kvm' and not kvm_works(arch, obj):
        die('ACCEL=kvm does not boot the kernel on this machine, use ACCEL=tcg')
    return arch, obj, {f'/lib/{os.path.basename(path)}': path for path in paths}, {
        'cpu': env('CPU'), 'smp': smp, 'append': env('APPEND') or '', 'accel': accel}


def main():
    """make run: load the given modules, show the console."""
    if not os.environ.get('MODULE'):
        die('say which: make run ARCH=... MODULE=path.ko[,second.ko]')
    arch, obj, modules, how = asked()
    run = boot(arch, obj, f'{arch}-run', [f'insmod {name} ' for name in modules], modules,
               echo=to_stdout, **how)
    problems = run.problems()
    for problem in problems:
        print(f'error: {problem}', file=sys.stderr)
    print(f'console: {os.path.relpath(run.log)}', file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    script(main)
