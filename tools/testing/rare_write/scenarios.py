# SPDX-License-Identifier: GPL-2.0-only
"""What `make check` boots, and what each boot must bring."""

# name: kernel, CPU, command line
SCENARIOS = {
    'x86_64-qemu64': ('x86_64', 'test', 'qemu64', ''),
    'x86_64-qemu64-pti': ('x86_64', 'test', 'qemu64', 'pti=on'),
    'x86_64-max-4level': ('x86_64', 'test', 'max', 'no5lvl'),
    'x86_64-max-5level': ('x86_64', 'test', 'max', ''),
    'x86_64-rodata-off': ('x86_64', 'test', 'max', 'rodata=off'),
    # prod.config with the benchmark, since that is built anyway.
    'x86_64-prod': ('x86_64', 'bench', 'max', ''),
    'x86_64-off': ('x86_64', 'off', 'max', ''),
    'x86_64-cr0': ('x86_64', 'cr0', 'max', ''),
    # In bochs, since QEMU's TCG has no PCID. Of its newer CPUs, from corei7_skylake_x on, 6.12
    # does not like the XSAVE and warns, with rare_write or without.
    'x86_64-bochs-pcid': ('x86_64', 'test', 'broadwell_ult', 'pti=on'),
    'x86_64-bochs-pcid-nopti': ('x86_64', 'test', 'broadwell_ult', 'pti=off'),
    'arm64-cortex-a57': ('arm64', 'test', 'cortex-a57', ''),
    'arm64-neoverse-n1': ('arm64', 'test', 'neoverse-n1', ''),
    'arm64-max': ('arm64', 'test', 'max', ''),
    'arm64-max-kpti': ('arm64', 'test', 'max', 'kpti=on'),
    # With pseudo-NMIs 6.12 leaves a CPU masked after any BUG() in a kernel thread,
    # window or not: none is provoked here.
    'arm64-max-pseudo-nmi': ('arm64', 'test', 'max', 'irqchip.gicv3_pseudo_nmi=1 '
                             'kunit.filter_glob=rare_write_protect'),
    'arm64-max-rodata-on': ('arm64', 'test', 'max', 'rodata=on'),
    'arm64-max-rodata-off': ('arm64', 'test', 'max', 'rodata=off'),
    'arm64-prod': ('arm64', 'bench', 'max', ''),
    'arm64-off': ('arm64', 'off', 'max', ''),
    'x86_64-begin-in-nmi': ('x86_64', 'test', 'max', 'kunit.filter_glob=none'),
    'arm64-begin-in-nmi': ('arm64', 'test', 'max', 'irqchip.gicv3_pseudo_nmi=1 '
                           'kunit.filter_glob=none'),
}

# These must not survive: what the console shows, in this order.
DIES = {name: (r'kernel BUG at \S*rare_write\.h|Oops - BUG', r'on_nmi|handle_nmi|handle_overflow',
               r'Kernel panic - not syncing: .*Fatal exception in interrupt')
        for name in ('x86_64-begin-in-nmi', 'arm64-begin-in-nmi')}

# What the kernel says at boot, by scenario or by its kernel; None: nothing.
BOOT_LINE = {
    'test': 'rare_write: temporary alias protects',
    'bench': 'rare_write: temporary alias protects',
    'off': None,
    'cr0': 'rare_write: CR0.WP toggle protects',
    'x86_64-rodata-off': 'rare_write: nothing is protected: rodata=off',
    'arm64-max-rodata-off': 'rare_write: nothing is protected: rodata=off',
    'arm64-max-rodata-on': 'modules are writable in the linear map',
}

# Where the alias is tells how many levels of page tables the kernel really uses.
ALIAS = {'x86_64-max-4level': 'ffff878', 'x86_64-max-5level': 'ff0f'}

# How many cases of each suite must run, by scenario or by its kernel.
OFF = {'rare_write': 12}
PROD = {**OFF, 'misuse_is_fatal': 23, 'rare_write_misuse': 2, 'kselftest': 8}
CASES = {'test': {**PROD, 'rare_write_protect': 17}, 'bench': PROD, 'off': OFF,
         # Without what needs an alias.
         'cr0': {**PROD, 'misuse_is_fatal': 20},
         'arm64-max-pseudo-nmi': {'rare_write_protect': 17, 'kselftest': 8}}

# The console must show that the machine is what the scenario is for: {case: pattern}.
# For PCID: a register dump from inside a window has CR4.PCIDE set and a PCID in CR3.
PCID = {'cpu.pcid-in-window': r'(?s)inside a window\n(?:(?!CR3: ).)*'
        r'CR3: [0-9a-f]{13}(?!000)[0-9a-f]{3} CR4: [0-9a-f]{11}[2367abef][0-9a-f]{4}\n'}
PROOF = {
    'x86_64-bochs-pcid': {**PCID, 'cpu.pti': 'page tables isolation: enabled'},
    'x86_64-bochs-pcid-nopti': {**PCID, 'cpu.nopti': 'page tables isolation: disabled'},
}

# All CPUs of bochs share one core of ours: two are enough. All else is as in QEMU.
BOCHS = {'smp': 2}

# Skips that are right: (scenario, suite.case), either a pattern: the reason given.
SKIPS = {
    ('x86_64-rodata-off', 'rare_write_protect.*'): 'nothing is protected: rodata=off',
    ('arm64-max-rodata-off', 'rare_write_protect.*'): 'nothing is protected: rodata=off',
    ('arm64-max-rodata-on', 'rare_write_protect.module_linear_map'):
        'modules are writable in the linear map: rodata=on',
    **{(f'arm64-{name}', f'rare_write_protect.nmi_{what}'):
       'a window masks all that this machine has of NMIs'
       for name in ('cortex-a57', 'neoverse-n1', 'max', 'max-kpti', 'max-rodata-on')
       for what in ('in_window', 'storm')},
    ('*-prod', 'rare_write_misuse.sleep_inside'): 'needs DEBUG_ATOMIC_SLEEP',
    ('*-prod', 'kselftest.'): 'counters need RARE_WRITE_DEBUG',
}


def plan(arch, config, name):
    """The steps of a scenario, and the modules that they need."""
    crash = '/sys/kernel/debug/provoke-crash/DIRECT'
    state = '/sys/module/rare_write_howto/parameters/state'
    if name in DIES:
        return ['insmod /lib/rare_write_kunit.ko ',
                'write /sys/module/rare_write_kunit/parameters/die_in_nmi 1'], ['rare_write_kunit']
    # Every CPU but the first goes and returns: the tests then run on returned CPUs.
    steps = [f'write /sys/devices/system/cpu/cpu{cpu}/online {on}'
             for cpu in range(1, BOCHS['smp'] if '-bochs-' in name else 4) for on in (0, 1)]
    steps += ['insmod /lib/rare_write_kunit.ko ', 'rmmod rare_write_kunit ',
             'insmod /lib/rare_write_howto.ko ', f'write {state} 3 /sbin/other', f'cat {state} ']
    modules = ['rare_write_kunit', 'rare_write_howto', 'lkdtm']
    if config != 'off':
        steps += ['cat /sys/kernel/debug/rare_write/regions ', 'exec /bin/rare_write_test ']
    if config == 'test':
        steps.append('cat /sys/kernel/debug/rare_write/counters ')
        if 'rodata-off' not in name and 'rodata-on' not in name:
            modules.append('rare_write_demo')
            steps += ['insmod /lib/rare_write_demo.ko ',
                      'cat /sys/kernel/debug/rare_write_demo/run ', 'rmmod rare_write_demo ']
    steps.append('rmmod rare_write_howto ')
    if 'pseudo-nmi' in name:
        return steps, modules
    steps.append('insmod /lib/lkdtm.ko ')
    if BOOT_LINE.get(name, BOOT_LINE[config]) and 'rodata-off' not in name:
        steps += [f'kills {crash} WRITE_RARE_WRITE', f'kills {crash} RARE_WRITE']
    else:
        steps += [f'write {crash} WRITE_RARE_WRITE', f'write {crash} RARE_WRITE']
    return steps, modules
