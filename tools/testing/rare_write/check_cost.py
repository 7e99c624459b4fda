# SPDX-License-Identifier: GPL-2.0-only
"""Guard what a window costs: counts of instructions and of privileged operations."""
import os
import re

import bench
import bench_static
import build
import gdbstub
from common import KERNEL, KERNELS, TOP, Step

# Where the figures are said, of the first kernel.
TEXTS = ('README.md', 'patches/topics/00-cover')


def said(text, arch, counts):
    """Does a text have the figures that were counted? What it has instead, or 'ok'."""
    found = [re.search(pattern, text) for pattern in (
        r'(?P<x86_64>\d+)\s+instructions\s+on\s+x86-64\s+and\s+(?P<arm64>\d+)\s+on\s+arm64',
        r'(?P<x86_64>\d+)\s+and\s+(?P<arm64>\d+)\s+times\s+fewer',
        r'Clearing\s+CR0\.WP\D+(?P<x86_64>\d+)')]
    window = counts['alias']['write_8']
    wanted = [window, round(counts[bench.POKE[arch]]['write_8'] / window)]
    if arch == 'x86_64':
        wanted.append(counts['cr0']['write_8'])
    figures = [found[i] and int(found[i][arch]) for i in range(len(wanted))]
    return 'ok' if figures == wanted else f'failed: it has {figures}, counted are {wanted}'


def run(arch):
    """Return {case: 'ok' or 'failed...'}."""
    obj = build.kernel(arch, 'bench')
    with Step(f'counting instructions on {arch}'):
        got, counts = bench.count(arch, obj)
    unsteady = bench.unsteady(got)
    cases = {'cost.repeatable': f'failed: {" ".join(unsteady[:5])}' if unsteady else 'ok'}
    # What make bench says of itself.
    cases['cost.about'] = 'ok' if all(bench.about(arch, obj, got, 'tcg').values()) else 'failed'
    for path in TEXTS if KERNEL == KERNELS[0] else ():
        with open(os.path.join(TOP, path)) as file:
            cases[f'cost.said-in.{path}'] = said(file.read(), arch, counts)
    tracer = bench.trace(arch, obj, lambda way, work: (way, work) == ('alias', 'write_8'))
    privileged = bench_static.privileged(arch, tracer.paths,
                                         gdbstub.disassemble(arch, tracer.code))
    for what, figure, limit, reached in bench.verdicts(arch, counts, privileged,
                                                      bench.GUARDED[arch]):
        cases[f'cost.{what}'] = 'ok' if reached else f'failed: {figure}, not {limit}'
    return cases
