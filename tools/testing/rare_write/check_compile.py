# SPDX-License-Identifier: GPL-2.0-only
"""What the compiler must refuse, and must not fold away."""
import os
import re
import shutil
import subprocess

import build
from common import BUILD, HERE


def compile_case(arch, obj, folder, case):
    """Build misuse.c with CASE; return (built, output)."""
    run = subprocess.run(
        build.make_args(arch, 'clang', obj) + [f'M={folder}', f'KCFLAGS=-DCASE={case}',
                                               'misuse.o'],
        capture_output=True, text=True, env=build.environment())
    return run.returncode == 0, run.stdout + run.stderr


def reader_loads(binary):
    """The reader of a static object that nobody assigns must load it from memory."""
    text = subprocess.check_output(['llvm-objdump-19', '-dr', binary], text=True)
    return '.data..rare_write' in text or 'scalar' in text


def run(arch, obj):
    """Return {case: 'ok' or 'failed...'}."""
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
    loads = built and reader_loads(os.path.join(folder, 'misuse.o'))
    cases['compile.reader-loads'] = 'ok' if loads else 'failed'
    for case, why in wanted.items():
        built, output = compile_case(arch, obj, folder, case)
        good = not built and re.search(why, output)
        cases[f'compile.refused-{case}'] = 'ok' if good else f'failed: {output[-200:]}'
    return cases
