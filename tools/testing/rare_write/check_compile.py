# SPDX-License-Identifier: GPL-2.0-only
"""What the compiler must refuse."""
import os
import re
import shutil

import build
from common import BUILD, HERE, captured, object_folder


def compile_case(arch, obj, folder, case):
    """Build misuse.c with CASE; return (built, output)."""
    status, output = captured(
        build.make_args(arch, 'clang', obj) + [f'M={folder}', f'KCFLAGS=-DCASE={case}',
                                               'misuse.o'], env=build.environment())
    return status == 0, output


def run(arch):
    """Return {case: 'ok' or 'failed...'}."""
    obj = object_folder(arch, 'test')
    folder = os.path.join(BUILD, f'{arch}-misuse')
    os.makedirs(folder, exist_ok=True)
    source = os.path.join(HERE, 'misuse.c')
    shutil.copy(source, folder)
    with open(os.path.join(folder, 'Kbuild'), 'w') as file:
        file.write('obj-m := misuse.o\n')
    with open(source) as file:
        wanted = {int(n): why for n, why in
                  re.findall(r'CASE == (\d+)\s*/\* refused: (.*?) \*/', file.read())}
    built, output = compile_case(arch, obj, folder, 0)
    cases = {'compile.allowed': 'ok' if built else 'failed'}
    for case, why in wanted.items():
        built, output = compile_case(arch, obj, folder, case)
        good = not built and re.search(why, output)
        cases[f'compile.refused-{case}'] = 'ok' if good else f'failed: {output[-200:]}'
    return cases
