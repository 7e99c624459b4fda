#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make model: search all that the TLB may do in a window, and break the window to see it caught."""
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from common import BUILD, HERE, die

FOLDER = os.path.join(HERE, 'model')
LOGS = os.path.join(BUILD, 'model')

# Every promise must hold, whatever the order of events.
HOLDS = {
    'x86': {
        '': 'the window: current PCID, no flush at CR3 writes',
        'NO_PCID': 'a CPU without PCIDs',
        'FLUSH_ON_ENTRY FLUSH_ON_EXIT': 'CR3 written without the no-flush bit',
        'PRIVATE_PCID FLUSH_ON_ENTRY': 'a PCID of its own, flushed on entry',
        'TCE': 'INVLPG leaves the upper entries of other addresses',
        'GLOBAL_PTE': 'INVLPG drops a global alias as well',
        'NO_INVLPG FLUSH_ON_EXIT': 'flushed by the CR3 write instead of INVLPG',
        'INVLPG_AFTER_CR3': 'INVLPG last: the same PCID, so the order does not matter',
        'INVLPG_AFTER_CR3 NOTHING_LEFT': 'and then no upper-level entry is left either',
    },
    'arm64': {
        '': 'the window',
        'STRAGGLER': 'walks under way outlive an ISB and a TLBI',
        'OWN_ASID': 'an ASID of its own instead of 0',
        'TTBR_UNORDERED ISB_BETWEEN': 'no order of TTBR writes, but an ISB after each',
        'ALIAS_IN_SHARED_TABLES ATTACK_LATE TLBI_BROADCAST':
            'what a shared alias needs, if it is attacked only later',
        # The same five barriers, or fewer: see what breaks below.
        'EMPTY_BEFORE_TLBI': 'an empty TTBR0 and ISB instead of the first DSB of end',
        'TLBI_LAST': 'TTBRs restored before the TLBI',
        'TLBI_LAST ISB_IF_NOBODY': 'the same, 4 barriers if the context has an ASID',
        'TLBI_LAST NO_ISB_END OWN_ASID': 'the same, 4 barriers',
        'ETS2': 'the window, with FEAT_ETS2',
        'ETS2 STRAGGLER NO_DSB_BEGIN NO_DSB_MAP NO_ISB_MAP':
            'FEAT_ETS2: 4 barriers, and 2 less in turn',
        'ETS2 NO_DSB_BEGIN TLBI_LAST NO_ISB_END': 'FEAT_ETS2 and TLBI last: 3 barriers',
    },
}

# The promise named must break, or the model could not see the mistake.
BREAKS = {
    'x86': [
        ('NO_INVLPG', 'P3_NO_TLB_ENTRY'),
        ('INVLPG_WRONG_ADDRESS', 'P3_NO_TLB_ENTRY'),
        ('PTE_NOT_CLEARED', 'P3_PTE_CLEAR'),
        # Refilled between the INVLPG and the CR3 write.
        ('PTE_NOT_CLEARED', 'P3_NO_TLB_ENTRY'),
        ('CLEAR_AFTER_INVLPG', 'P3_NO_TLB_ENTRY'),
        ('TURN_WITHOUT_INVLPG', 'WRITE_ARRIVES'),
        ('TURN_WITHOUT_INVLPG', 'P2_ONLY_THIS_PAGE'),
        ('NO_INVLPG FLUSH_ON_EXIT GLOBAL_PTE', 'P3_NO_TLB_ENTRY'),
        # INVLPG with the wrong PCID loaded.
        ('PRIVATE_PCID FLUSH_ON_ENTRY INVLPG_AFTER_CR3', 'P3_NO_TLB_ENTRY'),
        ('PRIVATE_PCID FLUSH_ON_ENTRY NO_INVLPG FLUSH_ON_EXIT', 'P3_NO_TLB_ENTRY'),
        # flush_tlb_kernel_range() does not know this PCID.
        ('PRIVATE_PCID', 'KERNEL_CURRENT'),
        ('ALIAS_IN_SHARED_TABLES', 'P2_ONLY_THIS_CPU'),
        ('ALIAS_IN_SHARED_TABLES ATTACK_LATE', 'P2_ONLY_THIS_CPU'),
        ('ONE_TABLE_FOR_ALL', 'P2_ONLY_THIS_CPU'),
        ('ALIAS_IN_USER_HALF', 'WRITE_ARRIVES'),
        ('WRONG_PCID_BACK', 'P3_CONTEXT_BACK'),
        ('ENTRY_CR3_KEPT', 'P3_CONTEXT_BACK'),
        ('UACCESS_UNCHECKED', 'P4_NO_USER_ACCESS'),
        # Another task comes in between, in page tables of its own.
        ('INTERRUPTS_ON', 'P3_NO_TLB_ENTRY'),
        ('INTERRUPTS_ON', 'WRITE_ARRIVES'),
        # Refilled between the INVLPG and the CR3 write, or left there.
        ('EFI_NOT_FLUSHED', 'FIRMWARE_THERE'),
        ('EFI_NOT_FLUSHED TCE', 'FIRMWARE_THERE'),
        # No mistake: the window promises that the PTE is clear, not this.
        ('NOTHING_LEFT', 'NOTHING_LEFT'),
    ],
    'arm64': [
        # Each barrier of begin and end, and of turn.
        ('NO_DSB_BEGIN', 'WRITE_ARRIVES'),
        ('NO_ISB_BEGIN', 'WRITE_ARRIVES'),
        ('NO_DSB_END_CLEAR', 'P3_NO_TLB_ENTRY'),
        ('NO_DSB_END_TLBI', 'P3_NO_TLB_ENTRY'),
        ('DSB_ST_END_TLBI', 'P3_NO_TLB_ENTRY'),
        ('NO_ISB_END', 'P3_CONTEXT_BACK'),
        ('NO_DSB_TURN_CLEAR', 'WRITE_ARRIVES'),
        ('NO_DSB_TURN_TLBI', 'WRITE_ARRIVES'),
        ('NO_DSB_TURN_TLBI', 'P2_ONLY_THIS_PAGE'),
        ('NO_DSB_MAP', 'WRITE_ARRIVES'),
        ('NO_ISB_MAP', 'WRITE_ARRIVES'),
        # Less than what the reordered ends above have.
        ('TLBI_LAST NO_ISB_END', 'P3_NO_TLB_ENTRY'),
        ('TLBI_LAST NO_ISB_BACK', 'P3_NO_TLB_ENTRY'),
        ('TLBI_LAST ISB_IF_NOBODY STRAGGLER', 'P3_NO_TLB_ENTRY'),
        ('TLBI_LAST NO_ISB_END OWN_ASID STRAGGLER', 'P3_NO_TLB_ENTRY'),
        ('EMPTY_BEFORE_TLBI STRAGGLER', 'P3_NO_TLB_ENTRY'),
        ('EMPTY_BEFORE_TLBI NO_ISB_EMPTY', 'P3_NO_TLB_ENTRY'),
        ('ETS2 NO_ISB_BEGIN', 'WRITE_ARRIVES'),
        ('ETS2 NO_DSB_END_CLEAR', 'P3_NO_TLB_ENTRY'),
        ('ETS2 NO_DSB_END_TLBI', 'P3_NO_TLB_ENTRY'),
        ('ETS2 NO_ISB_END', 'P3_CONTEXT_BACK'),
        # The flush itself.
        ('NO_TLBI', 'P3_NO_TLB_ENTRY'),
        ('TLBI_WRONG_ADDRESS', 'P3_NO_TLB_ENTRY'),
        ('TLBI_WRONG_ASID', 'P3_NO_TLB_ENTRY'),
        ('PTE_NOT_CLEARED', 'P3_PTE_CLEAR'),
        ('PTE_NOT_CLEARED', 'P3_NO_TLB_ENTRY'),
        ('CLEAR_AFTER_TLBI', 'P3_NO_TLB_ENTRY'),
        ('TURN_WITHOUT_TLBI', 'WRITE_ARRIVES'),
        # The ASID, and the order in which it and the table change.
        ('USER_ASID_KEPT', 'P3_NO_TLB_ENTRY'),
        ('USER_ASID_KEPT TLBI_WRONG_ASID', 'WRITE_ARRIVES'),
        ('BEGIN_ASID_FIRST', 'WRITE_ARRIVES'),
        ('BEGIN_TABLE_FIRST', 'P3_NO_TLB_ENTRY'),
        ('END_ASID_FIRST', 'P3_NO_WALK_ENTRY'),
        ('END_TABLE_FIRST', 'WRITE_ARRIVES'),
        ('TTBR_UNORDERED', 'WRITE_ARRIVES'),
        ('ENTRY_TTBR_KEPT', 'P3_CONTEXT_BACK'),
        # Where the alias is, and who else sees it.
        ('GLOBAL_PTE', 'ONE_TRANSLATION'),
        ('CNP_SET', 'P2_ONLY_THIS_CPU'),
        ('ALIAS_IN_SHARED_TABLES', 'P2_ONLY_THIS_CPU'),
        ('ALIAS_IN_SHARED_TABLES ATTACK_LATE', 'P2_ONLY_THIS_CPU'),
        ('ONE_TABLE_FOR_ALL', 'P2_ONLY_THIS_CPU'),
        ('UACCESS_UNCHECKED', 'P4_NO_USER_ACCESS'),
        ('INTERRUPTS_ON', 'P3_NO_TLB_ENTRY'),
        ('INTERRUPTS_ON', 'WRITE_ARRIVES'),
    ],
}


def source(model):
    with open(os.path.join(FOLDER, f'{model}.pml'), encoding='ascii') as file:
        return file.read()


def cases():
    """(model, defines, what is expected, what it is)."""
    for model in HOLDS:
        text = source(model)
        promises = set(re.findall(r'^\t(\w+)', re.search(r'mtype = {(.*?)}', text, re.S)[1], re.M))
        # A define that the model does not know would test the window once more.
        defines = ' '.join([*HOLDS[model], *(d for d, _ in BREAKS[model])]).split()
        unknown = {d for d in defines if not re.search(rf'^#.*\b{d}\b', text, re.M)}
        if unknown:
            die(f'{model}: the model does not know {" ".join(sorted(unknown))}')
        unbroken = promises - {promise for _, promise in BREAKS[model]}
        if unbroken:
            die(f'{model}: no mutant shows that these can fail: {" ".join(sorted(unbroken))}')
        for names, what in HOLDS[model].items():
            yield model, names.split(), 'holds', what
        # That the search gets there: each of these points must be found.
        for point in sorted(set(re.findall(r'REACHED\((\d+)\)', text)), key=int):
            yield model, [f'WITNESS={point}'], 'reached', ''
        for names, promise in BREAKS[model]:
            yield model, names.split(), promise, ''


def search(case):
    """Run one case, return (what was found, states)."""
    model, defines, expected, _ = case
    breaks = expected not in ('holds', 'reached')
    name = '-'.join([model, *defines, *([expected] if breaks else [])]).replace('=', '')
    folder = os.path.join(LOGS, name)
    os.makedirs(folder)
    flags = [f'-D{d}' for d in defines]
    if breaks and expected != 'NOTHING_LEFT':
        flags.append(f'-DONLY={expected}')
    pml = os.path.join(FOLDER, f'{model}.pml')
    # Breadth first gives the shortest counterexample.
    how = ['-DNOREDUCE'] if expected == 'holds' else ['-DBFS']
    output = ''
    for argv in (['spin', *flags, '-a', pml],
                 ['gcc', '-O0', '-w', '-DSAFETY', *how, '-o', 'pan', 'pan.c'],
                 ['./pan', '-m100000', '-w20']):
        try:
            run = subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, text=True,
                                 stderr=subprocess.STDOUT, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return 'timed out', '-'
        output += run.stdout
        if run.returncode:
            break
    trail = os.path.join(folder, f'{model}.pml.trail')
    steps = ''
    if os.path.exists(trail):
        # Spin looks for the trail beside the model unless told where it is.
        steps = subprocess.run(['spin', *flags, '-k', trail, '-t', '-p', '-g', pml], cwd=folder,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               check=False).stdout
    with open(os.path.join(LOGS, f'{name}.log'), 'w', encoding='ascii', errors='replace') as log:
        log.write(' '.join(flags) + '\n' + output + '\n' + steps)
    shutil.rmtree(folder)

    count = re.search(r'(\d+) states, stored', output)
    states = count[1] if count else '-'
    errors = re.search(r'errors: (\d+)', output)
    if not errors or run.returncode:
        return 'did not run', states
    if errors[1] == '0':
        cut = re.search(r'Search not completed|too small|out of memory|truncated', output)
        whole = 'Full statespace search' in output and not cut
        return 'holds' if whole else 'search was cut short', states
    if 'assertion violated' not in output:
        return 'invalid end state', states
    # A search that looks for one promise or one point can only have found that.
    return 'broken' if expected == 'holds' else expected, states


def searched():
    """Search all cases, some at a time: (case, what was found, states) in their order."""
    for tool in ('spin', 'gcc'):
        if not shutil.which(tool):
            die(f'{tool} is missing')
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS)
    todo = list(cases())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for case, (found, states) in zip(todo, pool.map(search, todo)):
            yield case, found, states


def run():
    """Return {case: 'ok' or 'failed...'} for make check."""
    return {' '.join((model, *defines, expected)): 'ok' if found == expected else f'failed: {found}'
            for (model, defines, expected, _), found, _ in searched()}


def main():
    """Show all cases; return how many are not as expected."""
    total = len(list(cases()))
    start = time.monotonic()
    failed = 0
    layout = '{:>7}  {:5}  {:56}  {:17}  {:17}  {:>7}  {}'
    print(layout.format('', 'model', 'variant or mutant', 'expected', 'found', 'states', ''))
    for n, ((model, defines, expected, what), found, states) in enumerate(searched(), 1):
        mark = '' if found == expected else '  <-- FAILED'
        failed += bool(mark)
        print(layout.format(f'{n}/{total}', model, ' '.join(defines) or '-', expected, found,
                            states, what).rstrip() + mark, flush=True)
    print(f'{time.monotonic() - start:.0f} s; counterexamples are in {os.path.relpath(LOGS)}')
    print(f'{total - failed} passed, {failed} failed, 0 skipped')
    return failed


if __name__ == '__main__':
    sys.exit(1 if main() else 0)
