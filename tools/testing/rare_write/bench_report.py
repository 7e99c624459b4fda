# SPDX-License-Identifier: GPL-2.0-only
"""Show what was measured: a table, JSON and CSV, plots, a comparison of two results."""
import csv
import json
import os
import re
import shutil
import subprocess
import sys

from bench_static import AROUND
from common import TOP, die, write_whole

NAMES = {'x86_64': 'x86-64', 'arm64': 'arm64'}
DOCS = os.path.join(TOP, 'Documentation', 'security')

WAYS = {
    'plain': 'plain store: no protection',
    'plain-irqoff': 'plain store with interrupts off: no protection',
    'alias': 'rare_write(), temporary alias, data of the kernel',
    'alias-module': 'rare_write(), temporary alias, data of a module',
    'cr0': 'rare_write(), CR0.WP off: all read-only memory is open meanwhile',
    'private-mm': 'a mapping that stays, in an mm loaded only to write (prmem)',
    'text_poke_copy': 'the kernel\'s own writer to code',
    'aarch64_insn_write_literal_u64': 'the kernel\'s own writer to code, by fixmap',
    'vmap': 'vmap(), write, vunmap(); the flush comes later and is not counted',
    'set_memory': 'set_memory_rw(), write, set_memory_ro()',
}
WORKS = {
    'write_1': 'one write, 1 byte', 'write_2': '2 bytes', 'write_4': '4 bytes',
    'write_8': '8 bytes', 'write_64': '64 bytes', 'write_256': '256 bytes',
    'write_4096': '4096 bytes', 'crossing_64': '64 bytes across two pages',
    'separate_16': '16 writes, a window each',
    'window_1': 'window with 1 write', 'window_2': '2 writes', 'window_4': '4',
    'window_16': '16', 'window_64': '64',
    'pages_2': 'two pages in turns, 2 writes', 'pages_4': '4', 'pages_16': '16', 'pages_64': '64',
    'list_insert': 'insert in a list', 'list_remove': 'remove from it',
}

# What is published about the cost of the instructions that matter, and what is not.
PTI = 'Documentation/arch/x86/pti.rst'
TLB = 'arch/x86/mm/tlb.c, at tlb_single_page_flush_ceiling'
ESTIMATES = {
    'x86_64': (
        ('alias, bare metal', '2 CR3 writes, "on the order of a hundred cycles" each '
         f'({PTI}), and 1 INVLPG, "about 100 ns" ({TLB}): some 200 cycles and 100 ns, next to which '
         'the other instructions hardly count'),
        ('alias, guest', 'the same: with EPT or NPT KVM lets the guest write CR3 and use INVLPG '
         '(arch/x86/kvm/vmx/vmx.c, svm/svm.c)'),
        ('CR0, bare metal', 'no citable figure for a CR0 write: no estimate'),
        ('CR0, guest', '2 exits for each window on AMD, and on Intel before Linux 6.4 '
         '(svm.c: INTERCEPT_SELECTIVE_CR0; commit fb509f76acc8); none with EPT since. What an exit '
         'costs varies; a benchmark that toggles CR0.WP went from 11.55 s to 4.89 s when they '
         'were avoided (lore.kernel.org, 20230201194604.11135-1-minipli@grsecurity.net)'),
    ),
    'arm64': (
        ('alias, bare metal', 'no citable figure for writes to TTBR0 and TTBR1, a local TLBI, DSB '
         'or ISB: no estimate'),
        ('alias, guest', 'no exits, but KVM makes local TLBIs and barriers broadcast ones '
         '(HCR_FB and HCR_BSU_IS in HCR_GUEST_FLAGS): a window costs more there, and others notice'),
    ),
}


def table(head, rows, left=1):
    """Rows of text, columns aligned; the first columns to the left."""
    cells = [[str(cell) for cell in row] for row in ([head] if head else []) + rows]
    width = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return '\n'.join('  ' + '  '.join(cell.ljust(width[i]) if i < left else cell.rjust(width[i])
                                      for i, cell in enumerate(row)).rstrip() for row in cells)


def heads(ways):
    """Column titles in two lines, so that the table is not wide."""
    short = {'plain-irqoff': ('plain,', 'irq off'), 'alias-module': ('alias,', 'module'),
             'private-mm': ('private', 'mm'), 'text_poke_copy': ('text_poke', '_copy'),
             'aarch64_insn_write_literal_u64': ('insn_write', '_literal'),
             'set_memory': ('set_', 'memory')}
    return [['', *(short.get(way, ('', way))[i] for way in ways)] for i in (0, 1)]


def instructions(counts):
    ways = [way for way in WAYS if counts.get(way)]
    return table(None, heads(ways) + [[name, *(counts[way].get(work, '-') for way in ways)]
                                      for work, name in WORKS.items()])


def advice(result):
    """What follows from the counts for who writes code."""
    lines, alias = [], result['instructions']['alias']
    if 'window' in result:
        alone = sum(step != AROUND for _, step in result['window'])
        lines.append(f'  Where it stands alone, its addresses computed on the spot, a rare_write() of '
                     f'8 bytes takes {alone}.')
    further = (alias['window_16'] - alias['window_1']) / 15
    pays = next(n for n in range(2, 100)
                if alias['window_1'] + (n - 1) * further < n * alias['write_8'])
    return lines + [f'  One window for several writes pays from {pays} on.']


def operations(privileged):
    rows, kinds = [], []
    for works in privileged.values():
        for found in works.values():
            kinds += [kind for kind in found if kind not in kinds and kind != 'instructions']
    for way in WAYS:
        for work, found in privileged.get(way, {}).items():
            if work == 'empty' or (work != 'write_8' and way not in ('alias', 'cr0')):
                continue
            counted = ', '.join(f'{found[kind]} {kind}' for kind in kinds if kind in found)
            rows.append([way, work, counted or 'none'])
    return table(None, rows, left=3)


def times(ns):
    ways = [way for way in WAYS if ns.get(way)]

    def cell(value):
        return f'{value["median"]:.0f} [{value["low"]:.0f}-{value["high"]:.0f}]' if value else '-'

    return table(None, heads(ways) + [[name, *(cell(ns[way].get(work)) for way in ways)]
                                      for work, name in WORKS.items()])


def text(arch, result):
    """The readable report of one architecture."""
    about = result['about']
    lines = ['', f'=== {NAMES[arch]}: Linux {about["kernel"].split()[0]}'
             + (f', {about["compiler"]}' if 'compiler' in about else '') + ' ===',
             f'  {about.get("qemu", "")}, {about["cpu"]}, {about["accel"]}', '']
    if 'instructions' in result:
        lines += ['Instructions for one operation: exact, the same in two boots, loop not included',
                  '', instructions(result['instructions']), '']
        lines += [f'  {way}: {WAYS[way]}' for way in WAYS if result['instructions'].get(way)]
        if result['not-repeatable']:
            lines += ['  From boot to boot these differ, with what they find allocated: '
                      + ', '.join(f'{way} by up to {share:.2%}'
                                  for way, share in result['not-repeatable'].items())]
        lines += [''] + advice(result)
        lines += ['', 'Figures to reach', '',
                  table(None, [[what, got, limit, 'reached' if good else 'MISSED']
                               for what, got, limit, good in result['targets']]), '']
    if 'privileged' in result:
        lines += ['Privileged and ordering instructions in one operation, from following it', '',
                  operations(result['privileged']), '']
        lines += ['Estimate for hardware, from these counts and what is published', '']
        lines += [f'  {what}: {how}' for what, how in ESTIMATES[arch]] + ['']
    if 'time' in result:
        for what, name in (('ns', 'Nanoseconds'), ('cycles', 'Cycles of the CPU'),
                           ('retired', 'Instructions that the CPU counted')):
            if result['time'][what]:
                lines += [f'{name} for one operation: median [95 % interval]', '',
                          times(result['time'][what]), '']
        lines += [
                  'Longest that a window kept interrupts off, in ns (hypervisor included, if any)', '',
                  table(None, [[way, work, f'{ns:.0f}'] for way in ('alias', 'alias-module', 'cr0')
                               for work, ns in result['time']['worst-ns'].get(way, {}).items()
                               if work in ('write_8', 'write_4096', 'window_64', 'pages_64')],
                        left=2), '',
                  'A task reads 256 pages of its own after one write: ns (what is lost of the TLB shows)',
                  '', table(None, [[way, f'{value["median"]:.0f} [{value["low"]:.0f}-'
                                    f'{value["high"]:.0f}]']
                                   for way, value in result['time']['user-ns'].items()]), '']
    elif 'instructions' in result:
        lines += ['Time, the worst of it with interrupts off, what a task loses of its TLB, how readers on',
                  'other CPUs are slowed: not measured, an emulator\'s time tells nothing about hardware.',
                  'The longest windows, in instructions:',
                  '  ' + ', '.join(f'{WORKS[work]}: {result["instructions"]["alias"][work]}'
                                   for work in ('write_4096',))
                  + f', 64 writes to two pages in turns: {result["instructions"]["alias"]["pages_64"]}',
                  '']
    if result['scaling']:
        trusted = 'time' in result
        lines += ['Time of one write of each CPU when so many write at once, against one CPU' +
                  ('' if trusted else ':'), '']
        if not trusted:
            lines[-1:] = ['the emulator\'s, to compare with the plain store. Who holds a spinlock may not be '
                          'running, if', 'the host has fewer CPUs: that is not so bad on hardware.', '']
        cpus = sorted({int(n) for way in result['scaling'].values() for n in way})
        lines += [table(['', *cpus], [
            [way, *(f'{c["median"]:.2f} [{c["low"]:.2f}-{c["high"]:.2f}]'
                    for c in result['scaling'][way].values())]
            for way in WAYS if way in result['scaling']]), '']
    if result['bystanders']:
        lines += ['Other CPUs, for each write: interrupts that they get from CPUs, TLB flushes among '
                  'them' + (', speed of a reader' if 'time' in result else ''), '']
        lines += [table(None, [['', 'IPIs', 'TLB'] + ['reader'] * ('time' in result)] + [
            [way, f'{by["ipis"]:.2f}', f'{by["tlb"]:.2f}'] +
            [f'{r["median"]:.2f} [{r["low"]:.2f}-{r["high"]:.2f}]' for r in [by.get('reader')] if r]
            for way in WAYS if (by := result['bystanders'].get(way))]), '']
    if 'readers' in result:
        same = all(pair['same'] for pair in result['readers'].values())
        lines += ['Readers: ' + ('the same instructions as for plain data' if same else 'DIFFER')
                  + ': ' + ', '.join(f'{name} {pair["rare"]} and {pair["plain"]}'
                                     for name, pair in result['readers'].items()), '']
    if 'size' in result:
        size = result['size']
        lines += ['Bytes of code, and of tables that come with it', '']
        rows = [[what, grew['text'], grew['tables']] for what, grew in size['site'].items()]
        rows.append(['the kernel, with the feature', size['kernel']['on']['text'],
                     size['kernel']['on']['tables']])
        rows.append(['the kernel, without', size['kernel']['off']['text'],
                     size['kernel']['off']['tables']])
        lines += [table(['', 'code', 'tables'], rows), '']
    return '\n'.join(lines)


def listing(arch, result):
    """One window, instruction by instruction, for the documentation."""
    about = result['about']
    rows, number, last = [], 0, None
    for instruction, step in result['window']:
        inside = step != AROUND
        number += inside
        mnemonic, _, operands = instruction.partition(' ')
        rows.append([number if inside else '', f'{mnemonic:8}{operands}'.rstrip(),
                     step if step != last else ''])
        last = step
    width = max(len(row[1]) for row in rows)
    lines = [f'rare_write() of 8 bytes on {NAMES[arch]}, as it ran: {number} instructions',
             f'(Linux {about["kernel"].split()[0]}, {about["compiler"]})', '']
    lines += [f'{row[0]:>3}  {row[1]:{width}}  {row[2]}'.rstrip() for row in rows]
    return '\n'.join(lines) + '\n'


PLOT = '''
set terminal svg noenhanced size 960,420 dynamic font "sans-serif,13" background "white"
set output "{out}"
set multiplot layout 1,{panels} margins 0.1,0.985,0.14,0.78 spacing 0.085
set border 3 lw 0.8 lc rgb "#555555"
set tics nomirror scale 0.5 textcolor rgb "#333333"
set grid ytics lc rgb "#dddddd" lw 0.7
set key off
'''
STYLE = {
    'plain-irqoff': ('#888888', 5, 'plain store, interrupts off'), 'alias': ('#0b6fb8', 7, 'rare_write()'),
    'alias-pages': ('#0b6fb8', 6, 'rare_write(), two pages'),
    'alias-module': ('#5aa9e6', 6, 'rare_write(), module data'),
    'cr0': ('#d1495b', 9, 'CR0.WP toggle'), 'private-mm': ('#7b5ea7', 13, 'mapping in a private mm'),
    'text_poke_copy': ('#b8860b', 11, 'text_poke_copy()'),
    'aarch64_insn_write_literal_u64': ('#b8860b', 11, 'insn_write_literal_u64()'),
    'vmap': ('#3a9a5b', 5, 'vmap()'), 'set_memory': ('#444444', 4, 'set_memory_rw/ro()'),
    'plain': ('#bbbbbb', 4, 'plain store'),
}


def plot(script, path):
    script_path = path[:-4] + '.gnuplot'
    with open(script_path, 'w') as file:
        file.write(script)
    if subprocess.call(['gnuplot', script_path]):
        die(f'gnuplot failed on {os.path.relpath(script_path)}')


def legend(ways):
    """One key for all panels, in two rows above them."""
    out, per_row = '', (len(ways) + 1) // 2
    for i, way in enumerate(ways):
        color, point, name = STYLE[way]
        x, y = 0.05 + (i % per_row) * 0.95 / per_row, 0.955 if i < per_row else 0.895
        out += (f'set label {i + 1} "{name}" at screen {x + 0.015:.3f},{y} left point pt {point} '
                f'ps 0.7 lc rgb "{color}" offset 0.9,0 textcolor rgb "#222222" font ",11"\n')
    return out


def plot_writes(results, path):
    """Cost against the number of writes, a panel for each architecture."""
    script = PLOT.format(out=path, panels=len(results))
    counts_of = {arch: result['instructions'] for arch, result in results.items()}
    shown = [way for way in STYLE if any(
        counts.get('alias' if way == 'alias-pages' else way) for counts in counts_of.values())
        and way not in ('plain', 'alias-module')]
    for number, (arch, counts) in enumerate(counts_of.items()):
        script += f'set title "{NAMES[arch]}" font ",13" offset 0,-0.6\n'
        script += 'set xlabel "writes of 8 bytes" offset 0,0.4\n'
        script += ('set ylabel "instructions" offset 1.2,0\n' if not number else 'unset ylabel\n')
        script += 'set logscale xy\nset xtics (1,2,4,16,64)\nset xrange [0.85:76]\nset yrange [4:2e5]\n'
        script += 'set ytics ("10" 10, "100" 100, "1 000" 1e3, "10 000" 1e4, "100 000" 1e5)\n'
        if not number:
            script += legend(shown)
        lines, data = [], ''
        for way in shown:
            name = 'alias' if way == 'alias-pages' else way
            if not counts.get(name):
                continue
            works = ({2: 'pages_2', 4: 'pages_4', 16: 'pages_16', 64: 'pages_64'}
                     if way == 'alias-pages' else
                     {1: 'write_8', 2: 'window_2', 4: 'window_4', 16: 'window_16', 64: 'window_64'})
            data += ''.join(f'{n} {counts[name][work]}\n' for n, work in works.items()) + 'e\n'
            color, point, _ = STYLE[way]
            dash = ' dt 2' if way == 'alias-pages' else ''
            width = 2.4 if name == 'alias' else 1.4
            lines.append(f'"-" using 1:2 with linespoints lw {width} pt {point} ps 0.6{dash} '
                         f'lc rgb "{color}"')
        script += 'plot ' + ', '.join(lines) + '\n' + data
        script += 'unset label\n'
    plot(script, path)


def plot_cpus(results, path):
    """Time of one write against the number of CPUs that write."""
    script = PLOT.format(out=path, panels=len(results))
    ways = [way for way in STYLE if way != 'alias-pages'
            and any(way in result['scaling'] for result in results.values())]
    for number, (arch, result) in enumerate(results.items()):
        emulated = 'time' not in result
        script += f'set title "{NAMES[arch]}" font ",13" offset 0,-0.6\n'
        script += ('set xlabel "CPUs that write at once'
                   + (' (time of the emulator, not of hardware)' if emulated else '') + '" offset 0,0.4\n')
        script += ('set ylabel "time of a write, against one CPU" offset 1.2,0\n' if not number
                   else 'unset ylabel\n')
        script += 'set logscale xy\nset xtics (1,2,4)\nset xrange [0.93:4.3]\nset yrange [0.7:16]\n'
        script += 'set ytics (1,2,4,8,16)\n'
        if not number:
            script += legend(ways)
        lines, data = [], ''
        for way in ways:
            if way not in result['scaling']:
                continue
            data += ''.join(f'{n} {c["median"]}\n' for n, c in result['scaling'][way].items()) + 'e\n'
            color, point, _ = STYLE[way]
            width = 2.4 if way == 'alias' else 1.4
            lines.append(f'"-" using 1:2 with linespoints lw {width} pt {point} ps 0.6 lc rgb "{color}"')
        script += 'plot ' + ', '.join(lines) + '\n' + data
        script += 'unset label\n'
    plot(script, path)


def files(base, results, text):
    """JSON, CSV, the text, plots and the listings; return their paths."""
    write_whole(base + '.txt', text)
    with open(base + '.json', 'w') as file:
        json.dump({'format': 1, 'results': results}, file, indent=1)
        file.write('\n')
    with open(base + '.csv', 'w', newline='') as file:
        out = csv.writer(file)
        out.writerow(['arch', 'what', 'way', 'work', 'value', 'low', 'high'])
        for arch, result in results.items():
            for way, works in result.get('instructions', {}).items():
                for work, number in works.items():
                    out.writerow([arch, 'instructions', way, work, number, '', ''])
            for way, works in result.get('privileged', {}).items():
                for work, found in works.items():
                    for kind, number in found.items():
                        out.writerow([arch, kind, way, work, number, '', ''])
            for what in ('ns', 'cycles', 'retired'):
                for way, works in result.get('time', {}).get(what, {}).items():
                    for work, value in works.items():
                        out.writerow([arch, what, way, work, value['median'], value['low'],
                                      value['high']])
            for way, cpus in result['scaling'].items():
                for n, value in cpus.items():
                    out.writerow([arch, 'relative to one CPU', way, f'{n} CPUs', value['median'],
                                  value['low'], value['high']])
            for way, by in result['bystanders'].items():
                for what in ('ipis', 'tlb'):
                    out.writerow([arch, f'bystanders: {what}', way, 'write_8', by[what], '', ''])
    written = [base + '.json', base + '.csv', base + '.txt']
    if all('instructions' in result for result in results.values()):
        plot_writes(results, base + '-writes.svg')
        written.append(base + '-writes.svg')
        for arch, result in results.items():
            path = f'{base}-window-{arch}.txt'
            with open(path, 'w') as file:
                file.write(listing(arch, result))
            written.append(path)
    plot_cpus(results, base + '-cpus.svg')
    return written + [base + '-cpus.svg']


def documents(results, base):
    """Put into the documentation what it shows."""
    names = {f'{base}-writes.svg': 'rare-write-writes.svg', f'{base}-cpus.svg': 'rare-write-cpus.svg'}
    names.update({f'{base}-window-{arch}.txt': f'rare-write-window-{arch}.txt' for arch in results})
    for source, name in names.items():
        shutil.copyfile(source, os.path.join(DOCS, name))
    return [os.path.join(DOCS, name) for name in names.values()]


def compare(old_path, new_path):
    """make bench-compare: what changed; more instructions in our own ways are an error."""
    old, new = (json.load(open(path))['results'] for path in (old_path, new_path))
    worse = same = 0
    for arch in new:
        for way, works in new[arch].get('instructions', {}).items():
            for work, number in works.items():
                before = old.get(arch, {}).get('instructions', {}).get(way, {}).get(work)
                if before is None or before == number:
                    same += before == number
                    continue
                ours = way in ('alias', 'alias-module', 'cr0')
                worse += ours and number > before
                note = 'MORE' if ours and number > before else '' if ours else '(not ours)'
                print(f'  {arch:7} {way:14} {work:12} {before:>7} -> {number:>7}  {note}'.rstrip())
    print(f'{same} counts are the same, {worse} of rare_write() are higher')
    if not same and not worse:
        die('the two files have nothing in common')
    sys.exit(1 if worse else 0)


if __name__ == '__main__':
    if len(sys.argv) != 3 or not all(re.search(r'\.json$', path) for path in sys.argv[1:]):
        die('say which: make bench-compare A=old.json B=new.json')
    compare(*sys.argv[1:])
