#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make shell: a busybox shell in the test kernel.

On a terminal it is interactive. Otherwise what comes on standard input is put
into the machine as a file, which the shell reads: nothing is lost or echoed.
"""
import os
import shutil
import sys

import build
import console
import userland
import vm
from common import BUILD, child, die, script

PACKAGE = 'busybox-static'
MODULES = ('rare_write_kunit', 'rare_write_demo', 'rare_write_howto', 'lkdtm')
HINTS = (
    'try: insmod /lib/rare_write_demo.ko; cat /sys/kernel/debug/rare_write/regions',
    '     cd /sys/kernel/tracing; echo 1 > events/rare_write/enable; insmod /lib/rare_write_howto.ko;'
    ' cat trace')


def busybox(arch):
    """Debian's static busybox for the guest."""
    return os.path.join(userland.unpacked(arch, {PACKAGE: (PACKAGE,)})[PACKAGE], 'bin/busybox')


def contents(arch, obj, name, interactive):
    """Files for the guest: {name there: path here}."""
    files = {f'/lib/{m}.ko': build.module(obj, m) for m in MODULES if build.module(obj, m)}
    files['/bin/busybox'] = busybox(arch)
    profile = os.path.join(BUILD, 'results', f'{name}.profile')
    os.makedirs(os.path.dirname(profile), exist_ok=True)
    with open(profile, 'w') as file:
        if interactive:
            size = shutil.get_terminal_size()
            file.write(f'stty rows {size.lines} cols {size.columns}\n')
        file.writelines(f"echo '{line}'\n" for line in HINTS)
    files['/.profile'] = profile
    return files


def attended(arch, obj, name, files, how):
    """The user's terminal is the console."""
    argv = vm.machine(arch, obj, name, ['shell '], files, serial='mon:stdio', **how)[0]
    print('Ctrl-A X ends the machine', file=sys.stderr)
    with child(argv) as process:
        if process.wait():
            die('QEMU failed')


def unattended(arch, obj, name, files, how):
    """A script on standard input; return what was wrong."""
    path = os.path.join(BUILD, 'results', f'{name}.stdin')
    with open(path, 'wb') as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    run = vm.boot(arch, obj, name, ['shell /stdin'], {**files, '/stdin': path}, echo=vm.to_stdout,
                  timeout=3600, **how)
    # A script that powers the machine off leaves no verdict of its own.
    return run.problems() if run.status or run.timed_out or run.steps else \
        console.splats(run.text)


def main():
    arch, obj, modules, how = vm.asked()
    name = f'{arch}-shell'
    interactive = sys.stdin.isatty()
    files = {**contents(arch, obj, name, interactive), **modules}
    if interactive:
        return attended(arch, obj, name, files, how)
    problems = unattended(arch, obj, name, files, how)
    for problem in problems:
        print(f'error: {problem}', file=sys.stderr)
    return 1 if problems else 0


if __name__ == '__main__':
    script(main)
