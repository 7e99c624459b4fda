# SPDX-License-Identifier: GPL-2.0-only
"""What `make check` and `make check-full` boot, and what each boot must bring."""
import fnmatch
from typing import NamedTuple

from common import ARCHES, CONFIGS, KERNEL, MAIN


class Scenario(NamedTuple):
    """A kernel and the machine that it boots on."""
    arch: str
    config: str
    cpu: str = 'max'
    append: str = ''
    toolchain: str = 'clang'
    smp: int = 4
    # Of this only a newer QEMU makes what it should.
    machine: str = ''


# How arm64 is told to leave the linear map of modules alone: "on" later means to seal that, too.
NO_LINEAR_MAP = 'rodata=on' if KERNEL == '6.12' else 'rodata=noalias'
# Later the list is for who debugs it, and each but lockdown says that it is there.
LSMS = (r'LSM: initializing lsm=(\w+,)*lockdown,(\w+,)*loadpin,(\w+,)*selinux\b'
        if KERNEL == '6.12' else
        r'LoadPin: ready to pin.*\n(.*\n)*?.*SELinux:  Initializing')

# What must not be done in NMI: its number for the module, and where its BUG() is. A write is a
# macro, and so is where that is.
IN_NMI = {'begin': (1, r'rare_write\.h'), 'write': (2, r'rare_write_kunit\.c')}

# The quick tier. What has no debug options is built for one architecture only: that leaves the
# time to harden both.
QUICK = {
    'x86_64-qemu64-pti': Scenario('x86_64', MAIN, 'qemu64', 'pti=on'),
    'x86_64-max-4level': Scenario('x86_64', MAIN, 'max', 'no5lvl rare_write=reports'),
    'x86_64-max-5level': Scenario('x86_64', MAIN, 'max', ''),
    'x86_64-rodata-off': Scenario('x86_64', MAIN, 'max', 'rodata=off'),
    # prod.config with the benchmark, since that is built anyway.
    'x86_64-prod': Scenario('x86_64', 'bench', 'max', ''),
    'x86_64-off': Scenario('x86_64', 'off', 'max', ''),
    'x86_64-cr0': Scenario('x86_64', 'cr0', 'max', ''),
    # In bochs, since QEMU's TCG has no PCID. Of its newer CPUs, from corei7_skylake_x on, 6.12
    # does not like the XSAVE and warns, with rare_write or without. All its CPUs share one
    # core of ours: two are enough.
    'x86_64-bochs-pcid': Scenario('x86_64', MAIN, 'broadwell_ult', 'pti=on', smp=2),
    'x86_64-bochs-pcid-nopti': Scenario('x86_64', MAIN, 'broadwell_ult', 'pti=off', smp=2),
    'arm64-cortex-a57': Scenario('arm64', MAIN, 'cortex-a57', ''),
    'arm64-max': Scenario('arm64', MAIN, 'max', ''),
    'arm64-max-kpti': Scenario('arm64', MAIN, 'max', 'kpti=on'),
    # With pseudo-NMIs 6.12 leaves a CPU masked after any BUG() in a kernel thread,
    # window or not: none is provoked here.
    'arm64-max-pseudo-nmi': Scenario('arm64', MAIN, 'max', 'irqchip.gicv3_pseudo_nmi=1 '
                             'kunit.filter_glob=rare_write_protect'),
    'arm64-max-rodata-on': Scenario('arm64', MAIN, 'max', NO_LINEAR_MAP),
    'arm64-max-rodata-off': Scenario('arm64', MAIN, 'max', 'rodata=off'),
    # Plain stores are let through, and all else is as ever.
    'x86_64-report': Scenario('x86_64', MAIN, 'max', 'rare_write=report rare_write_audit'),
    'arm64-report': Scenario('arm64', MAIN, 'max', 'rare_write=report rare_write_audit'),
    **{f'x86_64-{what}-in-nmi': Scenario('x86_64', MAIN, 'max', 'kunit.filter_glob=none')
       for what in IN_NMI},
    **{f'arm64-{what}-in-nmi': Scenario('arm64', MAIN, 'max', 'irqchip.gicv3_pseudo_nmi=1 '
                                        'kunit.filter_glob=none') for what in IN_NMI},
}

# What else there is: slower, or with a kernel of its own.
FULL = {
    'x86_64-test': Scenario('x86_64', 'test'),
    'x86_64-qemu64': Scenario('x86_64', MAIN, 'qemu64'),
    'x86_64-smp1': Scenario('x86_64', 'test', smp=1),
    'x86_64-smp2': Scenario('x86_64', 'test', smp=2),
    'x86_64-smp8': Scenario('x86_64', 'test', smp=8),
    'x86_64-nosmap': Scenario('x86_64', 'test', cpu='max,-smap'),
    'x86_64-nokaslr': Scenario('x86_64', 'test', append='nokaslr'),
    'x86_64-gcc': Scenario('x86_64', 'test', toolchain='gcc'),
    'x86_64-voluntary-ubsan': Scenario('x86_64', 'voluntary'),
    'x86_64-rt': Scenario('x86_64', 'rt'),
    # With five levels it has millions of empty entries for an audit to look at: minutes.
    'x86_64-kasan': Scenario('x86_64', 'kasan', append='no5lvl'),
    'x86_64-kcsan': Scenario('x86_64', 'kcsan'),
    'x86_64-cfi-thinlto': Scenario('x86_64', 'cfi'),
    # What the kernel converts behaves as before.
    'x86_64-exposed': Scenario('x86_64', 'exposed'),
    # As hardened as it gets, without any debug checks.
    'x86_64-shipped': Scenario('x86_64', 'shipped'),
    'x86_64-lifecycle': Scenario('x86_64', 'lifecycle', append='maxcpus=2'),
    'arm64-test': Scenario('arm64', 'test'),
    'arm64-prod': Scenario('arm64', 'bench'),
    'arm64-off': Scenario('arm64', 'off'),
    'arm64-neoverse-n1': Scenario('arm64', MAIN, 'neoverse-n1'),
    'arm64-smp1': Scenario('arm64', 'test', smp=1),
    'arm64-smp2': Scenario('arm64', 'test', smp=2),
    'arm64-smp8': Scenario('arm64', 'test', smp=8),
    'arm64-nokaslr': Scenario('arm64', 'test', append='nokaslr'),
    'arm64-gcc': Scenario('arm64', 'test', toolchain='gcc'),
    'arm64-16k': Scenario('arm64', '16k'),
    'arm64-64k': Scenario('arm64', '64k'),
    'arm64-lpa2': Scenario('arm64', 'lpa2'),
    'arm64-nopan-voluntary-ubsan': Scenario('arm64', 'voluntary', cpu='cortex-a57'),
    'arm64-rt': Scenario('arm64', 'rt'),
    'arm64-kasan': Scenario('arm64', 'kasan'),
    'arm64-kasan-mte': Scenario('arm64', MAIN, machine='mte=on'),
    'arm64-kcsan': Scenario('arm64', 'kcsan'),
    'arm64-cfi-scs-thinlto': Scenario('arm64', 'cfi'),
    'arm64-exposed': Scenario('arm64', 'exposed'),
    'arm64-shipped': Scenario('arm64', 'shipped'),
    # Without firmware that keeps them in mind, the next kernel is put where tables of LPIs are.
    'arm64-lifecycle': Scenario('arm64', 'lifecycle',
                                append='maxcpus=2 irqchip.gicv3_nolpi=1'),
}

# What the attacks run under, in boots of their own: `make attack`.
ATTACKED = ('x86_64-max-5level', 'x86_64-bochs-pcid', 'arm64-max', 'arm64-max-rodata-on')
# Two CPUs are needed from the start.
ATTACKED_TOO = ('x86_64-qemu64-pti', 'x86_64-max-4level', 'arm64-cortex-a57', 'arm64-max-kpti',
                'arm64-max-pseudo-nmi', *(name for name in FULL if not name.endswith(
                    ('-smp1', '-lifecycle', '-exposed', '-shipped', '-prod', '-off'))))
# How often each CPU tries to hijack each other's window.
ATTEMPTS = 100000
# By how many of them, which, and as many attempts, where not all can be made: in bochs, which
# takes minutes for one audit, by what is about the TLB; with pseudo-NMIs by what has nobody
# die, as above.
SOME_ATTACKS = {'-bochs-': (2, 'hijack*', 10000), '-pseudo-nmi-': (11, '[!deu]*', ATTEMPTS)}


def some_attacks(name):
    return next((some for part, some in SOME_ATTACKS.items() if part in name), None)


def attacked(names):
    """The same machines, to attack."""
    return {(attack := f'{name}-attack'): what._replace(append=' '.join((
        what.append, f'kunit.filter_glob=rare_write_attack.{some[1]}'
        if (some := some_attacks(attack)) else 'rare_write_audit')).strip())
        for name, what in {**QUICK, **FULL}.items() if name in names}


QUICK.update(attacked(ATTACKED))
FULL.update(attacked(ATTACKED_TOO))
SCENARIOS = {**QUICK, **FULL}
ATTACKS = tuple(name for name in SCENARIOS if name.endswith('-attack'))

# What is booted with rare_write=report.
REPORT = ('x86_64-report', 'arm64-report')

# These must not survive: what the console shows, in this order.
# And what it says last on x86-64: that it was moved to where it is, which it says nowhere else.
DIES = {f'{arch}-{what}-in-nmi': (rf'kernel BUG at \S*{where}',
                                  r'on_nmi|handle_nmi|handle_overflow',
                                  r'Kernel panic - not syncing: .*Fatal exception in interrupt',
                                  *((r'Kernel Offset: 0x',) if arch == 'x86_64' else ()))
        for what, (_, where) in IN_NMI.items() for arch in ARCHES}

# What the kernel says at boot, by scenario or by its kernel; None: nothing.
BOOT_LINE = {
    'test': 'rare_write: temporary alias protects',
    'bench': 'rare_write: temporary alias protects',
    'shipped': 'rare_write: temporary alias protects',
    'off': None,
    'cr0': 'rare_write: CR0.WP toggle protects',
    'x86_64-rodata-off': 'rare_write: nothing is protected: rodata=off',
    'arm64-max-rodata-off': 'rare_write: nothing is protected: rodata=off',
    'arm64-max-rodata-on': 'modules are writable in the linear map',
    'x86_64-report': 'rare_write: REPORT ONLY: nothing is protected',
    'arm64-report': 'rare_write: REPORT ONLY: nothing is protected',
    'arm64-max-rodata-on-attack': 'modules are writable in the linear map',
}

# Where the alias is tells how many levels of page tables the kernel really uses.
ALIAS = {'x86_64-max-4level': 'ffff878', 'x86_64-max-5level': 'ff0f'}

# How many cases of each suite must run, by scenario or by its kernel.
OFF = {'rare_write': 14, 'rare_list': 5, 'rare_sysctl': 1, 'like_the_original': 12}
PROD = {**OFF, 'misuse_is_fatal': 24, 'rare_write_misuse': 3, 'stray_write': 2,
        'list_misuse_is_fatal': 26, 'rare_list_misuse': 1, 'sysctl_misuse_is_fatal': 12,
        'kselftest': 8}
CASES = {'test': {**PROD, 'rare_write_protect': 17}, 'bench': PROD, 'off': OFF,
         # Without what needs an alias.
         'cr0': {**PROD, 'misuse_is_fatal': 21},
         **{name: {'rare_write': 14, 'misuse_is_fatal': 24, 'rare_write_misuse': 3,
                   'stray_write': 2, 'rare_write_protect': 17} for name in REPORT},
         **{name: {'rare_write_attack': some[0]} if (some := some_attacks(name)) else
                  {'rare_write_attack': 17, 'direct_by_helper': 8, 'deputy': 56 * 14 - 3 * 2 + 3}
            for name in ATTACKS},
         # They come to no test.
         **{name: {} for name in DIES}}


# These have the data of the kernel that rare_write_core tries, write-rare or not.
HARDENED = ('hardened', 'exposed', 'shipped')
# What rare_write_core has: sockets and formats, and a kernel that is locked down at last.
CORE_MODULES = ['binfmt_misc', 'inet_diag', 'tcp_diag', 'unix_diag']
CASES['hardened'] = CASES['exposed'] = {**CASES['test'], 'kselftest': 8 + 7}
CASES['shipped'] = {**PROD, 'kselftest': 8 + 7}

# What is the last for others, to be locked down, is not tried there.
CASES['arm64-max-pseudo-nmi'] = {'rare_write_protect': 17, 'kselftest': 8 + 6}

# Five more of rare_write_starve.
CASES.update({f'{arch}-lifecycle': {**CASES['test'], 'kselftest': 8 + 5}
              for arch in ('x86_64', 'arm64')})


def like(config):
    """The kernel whose expectations hold for a kernel, too."""
    return config if config in BOOT_LINE else CONFIGS[config][0]


def expected(table, name):
    """What a table says of a scenario: of it alone, of its kernel, or of one that is like it."""
    config = SCENARIOS[name].config
    return next(table[key] for key in (name, config, like(config)) if key in table)


# The console must show that the machine is what the scenario is for: {case: pattern}.
# For PCID: a register dump from inside a window has CR4.PCIDE set and a PCID in CR3.
PCID = {'cpu.pcid-in-window': r'(?s)inside a window\n(?:(?!CR3: ).)*'
        r'CR3: [0-9a-f]{13}(?!000)[0-9a-f]{3} CR4: [0-9a-f]{11}[2367abef][0-9a-f]{4}\n'}
SMAP = {'cpu.smap': r'flags\t*: .* smap\b'}
# What is read for it.
LOOK_AT = {'x86_64-max-5level': '/proc/cpuinfo', 'x86_64-nosmap': '/proc/cpuinfo',
           'x86_64-nokaslr': '/proc/iomem'}
PROOF = {
    'x86_64-bochs-pcid': {**PCID, 'kernel.pti': 'page tables isolation: enabled'},
    'x86_64-bochs-pcid-nopti': {**PCID, 'kernel.no-pti': 'page tables isolation: disabled'},
    **{f'{arch}-lifecycle': {
        'suspend.slept': r'(?s)PM: suspend entry \(s2idle\).*PM: suspend exit',
        'starve.refused': r'# [1-9]\d* attempts failed',
        'starve.of-ours': r"\] rare_write: no memory for CPU [23]'s page tables\n",
        'kexec.second-kernel': r'(?s)kexec_core: Starting new kernel.*Linux version .*protects',
    } for arch in ('x86_64', 'arm64')},
    'x86_64-rt': {'kernel.rt': r'Linux version .* PREEMPT_RT'},
    'arm64-rt': {'kernel.rt': r'Linux version .* PREEMPT_RT'},
    'arm64-kasan-mte': {'kernel.mte': 'kasan: KernelAddressSanitizer initialized \\(hw-tags'},
    'x86_64-kcsan': {'kernel.kcsan': 'kcsan: enabled'},
    'arm64-kcsan': {'kernel.kcsan': 'kcsan: enabled'},
    **{name: {
        'kernel.init': r'mem auto-init: stack:all\(zero\), heap alloc:on',
        'kernel.lsm': LSMS,
        **more} for name, more in (('x86_64-max-5level', SMAP), ('arm64-max', {
            'kernel.kaslr': 'KASLR enabled',
            'kernel.no-kpti': r'\A(?!(?s:.*)detected: Kernel page table isolation)',
            'kernel.bti': 'CPU features: detected: Branch Target Identification',
            'kernel.pac': 'CPU features: detected: Address authentication',
            'kernel.pan': 'CPU features: detected: Privileged Access Never',
            'kernel.e0pd': 'CPU features: detected: E0PD'}))},
    'x86_64-nosmap': {'cpu.no-smap': r'flags\t*: (?!.* smap\b).* smep\b'},
    # Where a kernel is that nobody moved.
    'x86_64-nokaslr': {'memory.no-kaslr': r'\b0*1000000-[0-9a-f]+ : Kernel code'},
    'arm64-nokaslr': {'kernel.no-kaslr': 'KASLR disabled on command line'},
    'x86_64-qemu64-pti': {'kernel.pti': 'page tables isolation: enabled'},
    'x86_64-qemu64': {'kernel.no-pti': r'\A(?!(?s:.*)page tables isolation: enabled)'},
    'arm64-max-kpti': {'kernel.kpti': 'CPU features: detected: Kernel page table isolation'},
    'arm64-cortex-a57': {'kernel.sw-pan': r'emulated: Privileged Access Never \(PAN\) using TTBR0'},
    'arm64-lpa2': {'kernel.lpa2': r'CPU features: detected: 52-bit Virtual Addressing \(LPA2\)'},
    'x86_64-kasan': {'kernel.kasan': 'kasan: KernelAddressSanitizer initialized'},
    'arm64-kasan': {'kernel.kasan': 'kasan: KernelAddressSanitizer initialized \\(generic'},
}

# What a kernel says of itself it says in the boots of the attacks as well.
PROOF.update({name: {case: pattern for case, pattern in
                     PROOF.get(name.removesuffix('-attack'), {}).items()
                     if case.startswith('kernel.')} for name in ATTACKS})
# Where the firmware has more than idling, with what only that stops: CPUs, and the system's core.
DEEP = ('x86_64-lifecycle',)
PROOF['x86_64-lifecycle']['suspend.core'] = (
    r'(?s)PM: suspend entry \(deep\).*suspend debug: Waiting for \d+ second.*PM: suspend exit')

# What a report says of a store to the kernel's variable, and of what came of it.
REPORTED = {
    'report.who': r'stray write to rare_write_probe\+0x0/\S+ by kunit_try_catch\[\d+\] at '
                  r'plain_store\+\S+ \[rare_write_kunit\]: its page is NO LONGER PROTECTED\n'
                  r'(.*\n)*?.*[Cc]all [Tt]race',
    'report.value': r'rare_write_probe\+0x0/\S+ was 88 77 66 55 44 33 22 11, '
                    r'is 89 77 66 55 44 33 22 11\n',
}
PROOF.update({name: REPORTED for name in REPORT})
PROOF['x86_64-max-4level'] = {'boot.wrong-mode': 'rare_write=reports is neither enforce nor report'}
# It goes off with a splat, and with an oops that a test provokes.
PROOF.update({name: {**PROOF.get(name, {}), 'kernel.lockdep': r'\bdebug_locks: +1\b'}
              for name, (_, config, _, append, *_) in SCENARIOS.items()
              if like(config) == 'test' and 'filter_glob=' not in append and
              not name.endswith('-attack') and name not in REPORT})

# How often each CPU but the first goes off and on while others write.
CYCLES = {'x86_64-max-5level': 70, 'arm64-max': 70}

AUDIT_STEP = 'cat /sys/kernel/debug/rare_write/audit '


ATTACK_MODULES = ['rare_write_attack', 'rare_write_howto']


def unloaded():
    """The steps of an attack on the region of a module that is gone."""
    return ['insmod /lib/rare_write_attack.ko ', 'insmod /lib/rare_write_howto.ko ',
            'rmmod rare_write_howto ', 'write /sys/module/rare_write_attack/parameters/unloaded 1',
            'rmmod rare_write_attack ']


def attacks(name):
    """The steps of the attacks: audits before, between and after all loading of modules."""
    if some := some_attacks(name):
        return [f'insmod /lib/rare_write_attack.ko attempts={some[2]}', AUDIT_STEP,
                'rmmod rare_write_attack ']
    load, *others, unload = unloaded()
    return [AUDIT_STEP, load, *(step for one in others for step in (AUDIT_STEP, one)), unload,
            AUDIT_STEP]


# What each audit must say. With rodata=on it must find the modules' pages in the linear map.
AUDITS = {name: ['ok'] * attacks(name).count(AUDIT_STEP) for name in ATTACKS}
AUDITS.update({name: ['ok'] for name in REPORT})
AUDITS['arm64-max-rodata-on-attack'] = ['ok', 'FAILED', 'FAILED', 'FAILED', 'ok']
PROOF.update({name: {**PROOF.get(name, {}), 'boot.audit': r'\] rare_write: audit: ok: \d+ pages'}
              for name in AUDITS if 'rare_write_audit' in SCENARIOS[name].append})
# Of four CPUs, if there are as many, each has attacked each other.
PROOF.update({name: {**PROOF[name], 'hijack.pairs':
                     rf'# hijack: {n * (n - 1)} pairs, each at least {attempts} attempts'}
              for name in ATTACKS if (n := min(SCENARIOS[name].smp, 4)) and
              (attempts := (some_attacks(name) or (ATTEMPTS,))[-1])})

# Skips that are right: (scenario, suite.case), either a pattern: the reason given.
SKIPS = {
    **{(name, what): 'nothing is protected: rodata=off'
       for name in ('x86_64-rodata-off', 'arm64-max-rodata-off')
       for what in ('rare_write_protect.*', 'stray_write.*')},
    ('arm64-max-rodata-on', 'rare_write_protect.module_linear_map'):
        'modules are writable in the linear map',
    **{(name, f'rare_write_protect.nmi_{what}'): 'a window masks all that this machine has of NMIs'
       for name, (arch, config, _, append, *_) in SCENARIOS.items()
       if arch == 'arm64' and like(config) == 'test' and 'pseudo_nmi' not in append and
       'rodata=off' not in append
       for what in ('in_window', 'storm')},
    ('*-thinlto-attack', 'rare_write_attack.entry_changed'): 'what it probes is inlined',
    ('*-smp1', 'rare_write_protect.no_tearing'): 'needs two CPUs',
    ('*-smp1', 'rare_list.rcu_readers'): 'needs two CPUs',
    ('*-smp1', 'kselftest.'): 'no CPU can be switched off',
    **{(name, what): why for name in ('*-prod', '*-cr0', '*-shipped') for what, why in (
        ('rare_write_misuse.sleep_inside', 'needs DEBUG_ATOMIC_SLEEP'),
        ('rare_list_misuse.corruption_is_reported', 'needs DEBUG_LIST'),
        ('kselftest.', 'counters need RARE_WRITE_DEBUG'))},
}


def skips(name):
    """The skips that are right in a scenario: {pattern of cases: the reasons}."""
    found = {}
    for (where, what), reason in SKIPS.items():
        if fnmatch.fnmatch(name, where):
            found.setdefault(what, []).append(reason)
    return found


def expectations(name):
    """All that is said here of a scenario, to tell if some of it changed."""
    tables = [expected(table, name) for table in (BOOT_LINE, CASES)]
    tables += [table.get(name) for table in (DIES, ALIAS, PROOF, AUDITS)]
    return SCENARIOS[name], tables, skips(name)


# Which suites a module runs when it is loaded.
GLOB = '/sys/module/kunit/parameters/filter_glob'


def suites(module):
    """The steps that run those of a module."""
    return [f'insmod /lib/{module}_kunit.ko ', f'rmmod {module}_kunit ']


# What the kernel does that a scenario's kernel ends as: its steps, modules, and suites, with as
# many cases as they have in the first.
SECOND_STEPS = suites('rare_write')
SECOND_MODULES = ['rare_write_kunit']
SECOND_SUITES = ('rare_write', 'misuse_is_fatal', 'rare_write_misuse', 'rare_write_protect')


def plan(name):
    """The steps of a scenario, and the modules that they need."""
    arch, config, _, append, _, smp, _ = SCENARIOS[name]
    kind = like(config)
    crash = '/sys/kernel/debug/provoke-crash/DIRECT'
    state = '/sys/module/rare_write_howto/parameters/state'
    online = '/sys/devices/system/cpu/cpu{}/online'
    if name in DIES:
        what, _ = IN_NMI[name.removeprefix(f'{arch}-').removesuffix('-in-nmi')]
        return ['insmod /lib/rare_write_kunit.ko ',
                f'write /sys/module/rare_write_kunit/parameters/die_in_nmi {what}'], [
                    'rare_write_kunit']
    if name in REPORT:
        return ['insmod /lib/rare_write_kunit.ko report=1', AUDIT_STEP,
                'rmmod rare_write_kunit '], ['rare_write_kunit']
    if name in AUDITS:
        return attacks(name), ATTACK_MODULES
    steps = [f'cat {LOOK_AT[name]} '] if name in LOOK_AT else []
    if config == 'lifecycle':
        # The last of them are not up yet; and then all have seen a night.
        steps += [f'exec /bin/rare_write_starve {cpu}' for cpu in range(2, smp)]
        wakeup = f'/sys/class/tty/{ARCHES[arch]["tty"]}/power/wakeup'
        steps += [f'write {wakeup} enabled', 'write /sys/power/state freeze',
                  f'write {wakeup} disabled']
    if name in DEEP:
        # Without the last step, from which this machine does not switch itself off. It comes
        # back by itself: a key that is still being pressed would only keep it from going.
        steps += ['write /sys/power/pm_test core', 'write /sys/power/state mem',
                  'write /sys/power/pm_test none']
    # Every CPU but the first goes and returns: the tests then run on returned CPUs.
    steps += [f'write {online.format(cpu)} {on}' for cpu in range(1, smp) for on in (0, 1)]
    if config == 'lifecycle':
        steps.append('exec /bin/rare_write_starve /lib/rare_write_howto.ko')
    steps += ['insmod /lib/rare_write_howto.ko ', f'write {state} 3 /sbin/other', f'cat {state} ']
    modules = ['rare_write_kunit', 'rare_list_kunit', 'rare_sysctl_kunit', 'rare_write_howto',
               'lkdtm']
    if kind != 'off':
        steps += ['cat /sys/kernel/debug/rare_write/regions ',
                  f'exec /bin/rare_write_test {CYCLES.get(name, 5)}']
    if config in HARDENED:
        modules += CORE_MODULES
        steps.append('exec /bin/rare_write_core ')
    if kind == 'test' and 'rodata=' not in append:
        modules.append('rare_write_demo')
        steps += ['insmod /lib/rare_write_demo.ko ',
                  'cat /sys/kernel/debug/rare_write_demo/run ', 'rmmod rare_write_demo ']
    steps.append('rmmod rare_write_howto ')
    # After the first oops lockdep is off: what provokes one comes last.
    if 'filter_glob=' not in append:
        for suite in ('rare_list', 'rare_sysctl'):
            steps += [f'write {GLOB} {suite}', *suites(suite)]
        if kind == 'test':
            steps.append('cat /proc/lockdep_stats ')
        steps.append(f'write {GLOB} *')
    steps += suites('rare_write')
    if 'filter_glob=' not in append:
        steps += [f'write {GLOB} *_misuse', *suites('rare_list'), *suites('rare_sysctl')]
    if kind == 'test':
        steps.append('cat /sys/kernel/debug/rare_write/counters ')
    if 'pseudo_nmi' in append:
        return steps, modules
    steps.append('insmod /lib/lkdtm.ko ')
    if expected(BOOT_LINE, name) and 'rodata=off' not in append:
        steps += [f'kills {crash} WRITE_RARE_WRITE', f'kills {crash} RARE_WRITE']
    else:
        steps += [f'write {crash} WRITE_RARE_WRITE', f'write {crash} RARE_WRITE']
    if config in HARDENED:
        steps.append('exec /bin/rare_write_core lockdown')
    if config == 'lifecycle':
        steps.append('kexec /kernel /second ')
    return steps, modules
