# SPDX-License-Identifier: GPL-2.0-only
"""What the code itself tells: privileged operations, readers, sizes, the steps of a window."""
import collections
import os
import re
import shutil
import subprocess
import tempfile

import build
import check_readers
from common import BUILD, HERE, captured, die

# Instructions that cost more than they look, by what they are in a disassembly.
KINDS = {
    'x86_64': (
        ('CR3 write', r'mov\w* %\w+, %cr3'), ('CR3 read', r'mov\w* %cr3'),
        ('CR0 write', r'mov\w* %\w+, %cr0'), ('CR0 read', r'mov\w* %cr0'),
        ('CR4 write', r'mov\w* %\w+, %cr4'), ('CR4 read', r'mov\w* %cr4'),
        ('INVLPG', r'invlpg\b'), ('INVPCID', r'invpcid\b'), ('WRMSR', r'wrmsr\b'),
        ('PUSHF', r'pushf'), ('POPF', r'popf'), ('CLI', r'cli\b'), ('STI', r'sti\b'),
        ('locked', r'lock\b|xchg\w* .*\('), ('fence', r'[lms]fence\b'),
    ),
    'arm64': (
        ('TTBR0 write', r'msr TTBR0_EL1'), ('TTBR1 write', r'msr TTBR1_EL1'),
        ('TTBR read', r'mrs \w+, TTBR[01]_EL1'),
        ('TLBI local', r'tlbi \w+(?<!is)(?<!os)(,|$)'), ('TLBI broadcast', r'tlbi \w+[io]s(,|$)'),
        ('DSB', r'dsb\b'), ('ISB', r'isb\b'), ('DMB', r'dmb\b'),
        ('DAIF write', r'msr DAIF'), ('DAIF read', r'mrs \w+, DAIF'),
        ('locked', r'(cas|swp|ld(add|clr|set|eor)|ld[a]?xr|st[l]?xr)\w* '),
        ('other MSR', r'msr (?!TTBR|DAIF|SP_EL0)'), ('IC', r'ic '), ('DC', r'dc '),
    ),
}

# Which step of a window an instruction belongs to, by the function it was written in, or by that
# and the one which that was written into.
STEPS = {
    'preempt_count': 'not in an NMI',
    'arch_local_irq_save': 'mask interrupts',
    '__rare_entry': 'is it write-rare? its page\'s entry',
    'arch_static_branch_jump': 'protected at all? (patched)',
    '__arch_rare_write_tables': 'this CPU\'s tables',
    '__arch_rare_write_begin': 'switch to them; none may be open',
    '__arch_rare_write_map': 'enter the alias',
    # It is part of taking the alias away as well.
    '__arch_rare_write_set __arch_rare_write_begin': 'enter the alias',
    '__rare_alias': 'where the object is in it',
    '__arch_rare_write_memcpy': 'the write',
    '__arch_rare_write_unmap': 'take the alias away, and from the TLB',
    '__arch_rare_write_end': 'switch back',
    'static_key_false': 'traced? (patched)',
    'arch_local_irq_restore': 'interrupts as they were',
}
AROUND = 'the function around it'


def privileged(arch, paths, texts):
    """{way: {work: {kind: number}}} of what was followed, with the instructions in all."""
    kinds = [(name, re.compile(pattern)) for name, pattern in KINDS[arch]]
    table = {}
    for (way, work), path in paths.items():
        # The return is the caller's business.
        found = collections.Counter({'instructions': len(path) - 1})
        for pc in path:
            found.update(name for name, pattern in kinds if pattern.match(texts[pc]))
        table.setdefault(way, {})[work] = dict(found)
    return table


def compiled(arch, obj, case):
    """sites.c with CASE, as a module's object."""
    folder = os.path.join(BUILD, f'{arch}-sites')
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(HERE, 'sites.c'), folder)
    with open(os.path.join(folder, 'Kbuild'), 'w') as file:
        file.write('obj-m := sites.o\n')
    status, output = captured(build.make_args(arch, 'clang', obj) +
                              [f'M={folder}', f'KCFLAGS=-DCASE={case}', 'sites.o'],
                              env=build.environment())
    if status:
        die(f'sites.c does not compile:\n{output[-2000:]}')
    return os.path.join(folder, 'sites.o')


def readers(arch, obj):
    """Instructions of readers of write-rare data and of readers of plain data: {pair: ...}."""
    functions = {}
    for name, body in check_readers.functions(compiled(arch, obj, 0)).items():
        # Which object it is differs, and no more may. What follows is padding.
        while body and re.match(r'nop|int3|xchgw', body[-1][0]):
            body.pop()
        functions[name] = [f'{mnemonic} {operands}' for mnemonic, operands, _ in body]
    pairs = {}
    for name, lines in functions.items():
        if name.startswith('rare_read'):
            other = functions[name.replace('rare_', 'plain_')]
            pairs[name] = {'rare': len(lines), 'plain': len(other), 'same': lines == other,
                           'code': lines}
    return pairs


def sections(path):
    """{name: (size, flags)} of what is loaded."""
    text = subprocess.check_output(['llvm-readelf-19', '-SW', path], text=True)
    found = re.findall(r'\] (\S+)\s+\w+\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +([A-Za-z]*) ',
                       text)
    return {name: (int(size, 16), flags) for name, size, flags in found if 'A' in flags}


TABLES = ('__bug_table', '__jump_table', '.altinstructions', '.altinstr_replacement', '__ex_table')


def code_size(path):
    """Bytes of code, and of tables that come with it."""
    found = sections(path)
    return {'text': sum(size for size, flags in found.values() if 'X' in flags),
            'tables': sum(size for name, (size, _) in found.items() if name in TABLES)}


def sizes(arch, obj, kernels):
    """What one use costs, and what the feature costs."""
    cases = [code_size(compiled(arch, obj, case)) for case in range(5)]

    def grew(after, before):
        return {what: cases[after][what] - cases[before][what] for what in ('text', 'tables')}

    # Not vmlinux, where the code is padded to a large page.
    on, off = (code_size(os.path.join(kernels[config], 'vmlinux.o')) for config in ('prod', 'off'))
    return {'site': {'rare_write()': grew(1, 0), 'a second in the same function': grew(2, 1),
                     'a window with one write': grew(3, 0),
                     'another write in a window': grew(4, 3)},
            'kernel': {'on': on, 'off': off, 'grew': {k: on[k] - off[k] for k in on}}}


def inlined(folder, arch, obj, offsets):
    """{offset in alias.o's text: the functions it was inlined from, innermost first}."""
    source = os.path.join(obj, 'mm/tests/rare_write_bench/alias.o')
    linked = os.path.join(folder, 'alias.elf')
    subprocess.check_call(['ld.lld-19', '-o', linked, '--unresolved-symbols=ignore-all',
                           '--no-check-sections', '-Ttext=0x10000000', '-e', '0', '-z', 'undefs',
                           '--noinhibit-exec', source], stderr=subprocess.DEVNULL)
    table = subprocess.check_output(['llvm-nm-19', linked], text=True)
    start = int(re.search(r'^([0-9a-f]+) t write_8_once$', table, re.M)[1], 16)
    out = subprocess.check_output(
        ['llvm-symbolizer-19', f'--obj={linked}', '--inlines', '--functions=short'],
        input=''.join(f'{start + offset:#x}\n' for offset in offsets), text=True)
    chains = []
    for block in out.strip('\n').split('\n\n'):
        chains.append(block.splitlines()[::2])
    return dict(zip(offsets, chains))


def relocations(obj, offsets):
    """{offset in write_8_once: the symbol that its instruction names}."""
    source = os.path.join(obj, 'mm/tests/rare_write_bench/alias.o')
    text = subprocess.check_output(['llvm-objdump-19', '-dr', '--no-show-raw-insn',
                                    '--disassemble-symbols=write_8_once', source], text=True)
    start, at, names = None, None, {}
    for line in text.splitlines():
        if found := re.match(r'\s*[0-9a-f]+:\s+R_\w+\s+(\S+)', line):
            names[at] = re.sub(r'[+-]0x[0-9a-f]+$', '', found[1])
        elif found := re.match(r'\s*([0-9a-f]+):', line):
            at = int(found[1], 16)
            start = at if start is None else start
            at -= start
    return {offset: names[offset] for offset in offsets if offset in names}


def named(text, symbol):
    """An instruction with the symbol that it names, instead of the number behind that."""
    text = re.sub(r' # (imm = )?0x\w+$', '', text)
    # Where it would jump to is not where it went.
    text = re.sub(r'^(j\w+|b\.\w+|cbn?z \w+,|tbn?z .*,) 0x\w+$', r'\1 ...', text)
    if not symbol:
        return text
    for pattern in (r'-?0x\w+(?=\(%)', r'(?<=\$)-?0x\w+', r'(?<=adrp \w\d, )0x\w+',
                    r'(?<=adrp \w\d\d, )0x\w+', r'#0x\w+'):
        changed = re.sub(pattern, symbol, text, count=1)
        if changed != text:
            return changed
    return text


def around(rows):
    """How many instructions at the start and at the end save and restore registers."""
    saves = r'push\w* %|pac\w+sp|st[rp] .*\[sp|mov x29, sp'
    restores = r'ret|pop\w* %|addq? \$0x\w+, %rsp|aut\w+sp|ld[rp] .*\[sp'
    first = next(i for i, row in enumerate(rows) if not re.match(saves, row[0]))
    last = next(i for i, row in enumerate(reversed(rows)) if not re.match(restores, row[0]))
    return first, len(rows) - last


def window(arch, obj, tracer, texts):
    """One window as it ran: [[instruction, step]]."""
    path, start = tracer.paths['alias', 'write_8'], tracer.starts['alias', 'write_8']
    offsets = [pc - start for pc in path]
    with tempfile.TemporaryDirectory() as folder:
        chains = inlined(folder, arch, obj, offsets)
    names = relocations(obj, offsets)
    rows, step = [], ''
    for pc, offset in zip(path, offsets):
        chain = chains[offset]
        keys = [key for pair in zip(chain, [*chain[1:], '']) for key in (' '.join(pair), pair[0])]
        # What is in none of them goes with what comes before.
        step = next((STEPS[key] for key in keys if key in STEPS), step)
        rows.append([named(texts[pc], names.get(offset)), step])
    first, last = around(rows)
    for row in rows[:first] + rows[last:]:
        row[1] = AROUND
    return rows
