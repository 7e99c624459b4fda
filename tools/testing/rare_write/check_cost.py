# SPDX-License-Identifier: GPL-2.0-only
"""Guard what a window costs: counts of instructions and of privileged operations."""
import bench
import bench_static
import build
import gdbstub
from common import Step


def run(arch):
    """Return {case: 'ok' or 'failed...'}."""
    obj = build.kernel(arch, 'bench')
    with Step(f'counting instructions on {arch}'):
        got, counts = bench.count(arch, obj)
    unsteady = bench.unsteady(got)
    cases = {'cost.repeatable': f'failed: {" ".join(unsteady[:5])}' if unsteady else 'ok'}
    # What make bench says of itself.
    cases['cost.about'] = 'ok' if all(bench.about(arch, obj, got, 'tcg').values()) else 'failed'
    tracer = bench.trace(arch, obj, lambda way, work: (way, work) == ('alias', 'write_8'))
    privileged = bench_static.privileged(arch, tracer.paths,
                                         gdbstub.disassemble(arch, tracer.code))
    for what, figure, limit, reached in bench.verdicts(arch, counts, privileged,
                                                      bench.GUARDED[arch]):
        cases[f'cost.{what}'] = 'ok' if reached else f'failed: {figure}, not {limit}'
    return cases
