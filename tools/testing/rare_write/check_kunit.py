# SPDX-License-Identifier: GPL-2.0-only
"""kunit.py, as README has it: the tests of the interface, in a kernel that it builds and boots."""
import os
import re

import build
from common import BUILD, SRC, captured
from scenarios import PROD

KUNITCONFIG = 'mm/tests/rare_write.kunitconfig'
# Of rare_write and rare_list. Its machine has one CPU: one test needs two.
RUN = PROD['rare_write'] + PROD['rare_list']
SAYS = f'Testing complete. Ran {RUN} tests: passed: {RUN - 1}, skipped: 1'


def run(arch):
    """Return {case: 'ok' or 'failed...'}."""
    status, output = captured(
        ['tools/testing/kunit/kunit.py', 'run', '--kunitconfig', KUNITCONFIG, f'--arch={arch}',
         f'--build_dir={os.path.join(BUILD, f"{arch}-kunit")}', '--make_options', 'LLVM=-19'],
        cwd=SRC, env=build.environment())
    said = re.findall(r'Testing complete\..*|.*\berror\b.*', output, re.I)
    return {'kunit.py': 'ok' if not status and SAYS in said else
            f'failed: status {status}: {" / ".join(said[:3])}'}
