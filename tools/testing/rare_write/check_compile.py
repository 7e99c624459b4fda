# SPDX-License-Identifier: GPL-2.0-only
"""What the compiler must refuse."""
import os
import re
import shutil

import build
from common import BUILD, HERE, KERNEL, MAIN, captured, object_folder


def kbuild(arch, obj, folder):
    """Build misuse.c without a case; return (the command that did it, output)."""
    status, output = captured(
        build.make_args(arch, 'clang', obj) + [f'M={folder}', 'KCFLAGS=-DCASE=0', 'misuse.o'],
        env=build.environment())
    if status:
        return None, output
    with open(os.path.join(folder, '.misuse.o.cmd')) as file:
        # As make reads it, in which "#" and "$" are more than characters.
        command = file.readline().split(' := ', 1)[1].split(' ; ')[0]
    return command.replace('$(pound)', '#').replace('$$', '$'), output


def compile_case(command, where, case):
    """Repeat the command with a case; return (built, output)."""
    status, output = captured(['sh', '-c', command.replace('-DCASE=0', f'-DCASE={case}')], cwd=where,
                              env=build.environment())
    return status == 0, output


def run(arch):
    """Return {case: 'ok' or 'failed...'}."""
    obj = object_folder(arch, MAIN)
    folder = os.path.join(BUILD, f'{arch}-misuse')
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    source = os.path.join(HERE, 'misuse.c')
    shutil.copy(source, folder)
    with open(os.path.join(folder, 'Kbuild'), 'w') as file:
        file.write('obj-m := misuse.o\n')
    with open(source) as file:
        text = file.read()
    wanted = {int(n): why for n, why in
              re.findall(r'CASE == (\d+)\s*/\* refused: (.*?) \*/', text)}
    if len(wanted) != text.count('CASE == '):
        return {'compile.cases': 'failed: a case does not say why it is refused'}
    command, output = kbuild(arch, obj, folder)
    # Later kernels have the compiler run in the folder of the module.
    where = obj if KERNEL == '6.12' else folder
    # Also by hand: or that a case is refused would say nothing.
    if not command or not compile_case(command, where, 0)[0]:
        return {'compile.allowed': f'failed: {output[-200:]}'}
    cases = {'compile.allowed': 'ok'}
    for case, why in wanted.items():
        built, output = compile_case(command, where, case)
        good = not built and re.search(why, output)
        cases[f'compile.refused-{case}'] = 'ok' if good else f'failed: {output[-200:]}'
    return cases
