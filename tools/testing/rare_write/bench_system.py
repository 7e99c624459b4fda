#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make bench-system: does a kernel with write-rare data do its work as fast as without?

Two kernels are booted in turns, A B A B ...; system_bench.c does in each what programs
ask for most. The figure of a boot is the median of its runs; of the boots of a
kernel the median and the range are shown.

The rule: a difference is noise if the medians differ by no more than the boots of one
kernel do, by the larger of the two ranges, or by less than FLOOR. That boots differ is
seen to: each pair has a seed and a size of memory of its own. But instructions are
counted so exactly that for some works there is no range at all.

With TCG instructions are counted, at one nanosecond each. That is how much there
is to do; how long it takes on hardware, with caches, TLBs and branch prediction, only
ACCEL=kvm or hardware can tell.
"""
import csv
import os
import platform
import re
import statistics

import bench
import bench_report
import build
import vm
from common import ARCHES, CONFIGS, HERE, KERNEL, KERNELS, Step, choose, die, script, write_whole

PROGRAM = '/lib/system_bench'
BOOTS = {'tcg': 5, 'kvm': 15}
FLOOR = 0.5	# percent; a timer interrupt more or less, and nobody's time is that steady
INIT = re.compile(r'^\[ *(\d+\.\d+)\] Run /init as init process', re.M)
WHAT = {'boot': 'boot, until init starts', 'syscall': 'getppid()',
        'open-close': 'open and close a file', 'fork-exit-wait': 'fork, exit, wait',
        'fork-exec-wait': 'fork, exec, exit, wait', 'socket-unix': 'AF_UNIX: socket, bind, close',
        'socket-inet': 'AF_INET: socket, bind, close', 'sysctl-read': 'read a sysctl'}


def parse(text):
    """{work: nanoseconds for one}, of one boot; None where the kernel cannot do it."""
    if not text.startswith('format 1\n') or not text.endswith('\nend\n'):
        die('these are not the complete results of system_bench')
    found = {}
    for line in text.splitlines()[1:-1]:
        kind, work, *numbers = line.split(' ')
        found[work] = None if kind == 'absent' else (
            statistics.median(int(ns) for ns in numbers[1:]) / int(numbers[0]))
    return found


def boot(arch, obj, name, seed, accel):
    """Boot a kernel and measure; return {work: nanoseconds}."""
    port = os.path.join(bench.RESULTS, f'{name}.txt')
    counted = list(bench.COUNTED['extra'])
    counted[counted.index('-seed') + 1] = str(seed)
    how = {'smp': 1, 'extra': counted} if accel == 'tcg' else {
        'smp': max(1, min(4, os.cpu_count())), 'extra': []}
    how['mem'] = f'{760 + 8 * seed}M'
    how['extra'] += ['-chardev', f'file,id=port,path={port}',
                     '-device', 'virtserialport,chardev=port,nr=2']
    program = build.program(arch, obj, os.path.join(HERE, 'system_bench.c'))
    run = vm.boot(arch, obj, name, [f'exec {PROGRAM} {bench.PORT}'], {PROGRAM: program},
                  accel=accel, **how)
    start = INIT.search(run.text)
    problems = run.problems() + ([] if start else ['does not say when init starts'])
    if problems:
        die(f'{name}: {"; ".join(problems[:3])} (console: {os.path.relpath(run.log)})')
    with open(port) as file:
        return {'boot': float(start[1]) * 1e9, **parse(file.read())}


def judge(old, new):
    """What two lists of figures tell, one of each boot: medians, ranges, noise or not."""
    medians = [statistics.median(boots) for boots in (old, new)]
    noise = max(FLOOR / 100 * medians[0], *(max(boots) - min(boots) for boots in (old, new)))
    difference = medians[1] - medians[0]
    return {'medians': medians, 'ranges': [(min(boots), max(boots)) for boots in (old, new)],
            'percent': 100 * difference / medians[0], 'noise': 100 * noise / medians[0],
            'same': abs(difference) <= noise}


def compare(arch, configs, accel):
    """{work: verdict} of one architecture; None for what neither kernel can do."""
    objects = [build.kernel(arch, config) for config in configs]
    if accel == 'kvm' and not vm.kvm_works(arch, objects[0]):
        die('ACCEL=kvm does not work on this machine, use ACCEL=tcg')
    boots = ([], [])
    with Step(f'booting {" and ".join(configs)} on {arch} in turns, {BOOTS[accel]} times'):
        for seed in range(1, BOOTS[accel] + 1):
            for mine, obj, which in zip(boots, objects, 'ab'):
                mine.append(boot(arch, obj, f'{arch}-system-{which}', seed, accel))
    result = {}
    for work in WHAT:
        old, new = ([figures[work] for figures in mine] for mine in boots)
        if (None in old) != (None in new):
            die(f'{arch}: only one of {" and ".join(configs)} can do {work}')
        result[work] = None if None in old else judge(old, new)
    return result


def number(ns):
    return f'{ns / 1e6:.2f} M' if ns >= 1e6 else f'{ns:.0f}'


def rows(result):
    """What the table and the CSV show."""
    for work, name in WHAT.items():
        if not result[work]:
            yield [name, 'not in these kernels', '', '', '', '']
            continue
        got = result[work]
        yield [name, *(f'{number(median)} [{number(low)} - {number(high)}]'
                       for median, (low, high) in zip(got['medians'], got['ranges'])),
               f'{got["percent"]:+.2f} %', f'{got["noise"]:.2f} %',
               'same' if got['same'] else 'less' if got['percent'] < 0 else 'MORE']


def report(arch, result, configs, accel):
    unit = 'instructions, not time: TCG' if accel == 'tcg' else 'nanoseconds, kvm'
    return '\n'.join([
        '', f'=== {bench_report.NAMES[arch]}: {unit}; {BOOTS[accel]} boots each, in turns ===', '',
        '  Median [range] of the boots. A difference of the medians is noise up to the larger',
        f'  range, or {FLOOR} %, and then it is "same".',
        '', bench_report.table(['', *configs, 'difference', 'noise', ''], list(rows(result)))])


def main():
    env = os.environ.get
    accel = choose('ACCEL', env('ACCEL') or 'tcg', BOOTS)
    arch = {'aarch64': 'arm64'}.get(platform.machine(), platform.machine())
    arch = env('ARCH') or (arch if accel == 'kvm' else None)
    configs = [choose(name, env(name) or default, CONFIGS)
               for name, default in (('A', 'exposed'), ('B', 'hardened'))]
    arches = [choose('ARCH', arch, ARCHES)] if arch else list(ARCHES)
    if env('DOCS') and (len(arches) < 2 or KERNEL != KERNELS[0]):
        die(f'DOCS=1 is for both architectures at once, and for {KERNELS[0]}')
    os.makedirs(bench.RESULTS, exist_ok=True)
    results = {name: compare(name, configs, accel) for name in arches}
    text = '\n'.join(report(name, result, configs, accel)
                     for name, result in results.items()) + '\n'
    print(text)
    base = os.path.join(bench.RESULTS, 'bench-system')
    write_whole(base + '.txt', text)
    written = [base + '.txt', base + '.csv']
    if env('DOCS'):
        written.append(os.path.join(bench_report.DOCS, 'rare-write-system.csv'))
    for path in written[1:]:
        with open(path, 'w', newline='') as file:
            out = csv.writer(file, lineterminator='\n')
            out.writerow(['', '', *configs, 'difference', 'noise', ''])
            for name, result in results.items():
                out.writerows([bench_report.NAMES[name], *row] for row in rows(result))
    print('written: ' + ' '.join(os.path.relpath(path) for path in written))
    changed = [f'{bench_report.NAMES[name]}: {WHAT[work]}: {got["percent"]:+.2f} %'
               for name, result in results.items() for work, got in result.items()
               if got and not got['same']]
    print('\n'.join(f'not noise: {line}' for line in changed) or
          'all is the same, within the noise')


if __name__ == '__main__':
    script(main)
