#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: summary.py TESTLOG.json...

Counts test cases in meson's logs: those that a program reports as TAP, or the program itself where it reports none.
Names what failed and what was skipped, with the reason, then prints the one line of totals. Exit status 1 when something
failed or nothing was run.
"""
import json
import re
import sys

CASE = re.compile(r'(not )?ok\s+\d+\b\s*-?\s*(.*)')
PLAN = re.compile(r'1\.\.(\d+)')


def cases(test):
    """Yields (outcome, name, detail) for each test case of one program."""
    planned, seen, failed = 0, 0, False
    said = ''  # the last line that is not TAP: what a case had to say about itself
    for line in test.get('stdout', '').splitlines():
        plan, case = PLAN.match(line), CASE.match(line)
        if plan:
            planned += int(plan[1])
        elif case:
            seen += 1
            name, _, skip = case[2].partition('# SKIP')
            if '# SKIP' in line:
                reason = said if skip.strip() and not name.strip() else skip.strip() or said
                yield 'skipped', name.strip() or skip.strip(), reason or 'no reason given'
            else:
                failed |= bool(case[1])
                yield ('failed' if case[1] else 'passed'), name.strip(), said
            said = ''
        elif line.strip():
            said = line.strip().lstrip('# ')
    for i in range(seen, planned):
        failed = True
        yield 'failed', 'case %d' % (i + 1), 'never ran: ' + verdict(test)
    if test['result'] == 'SKIP' and not seen:
        yield 'skipped', '', said or 'no reason given'
    elif not good(test) and not failed:
        yield 'failed', '', verdict(test)
    elif good(test) and not seen:
        yield 'passed', '', ''


def good(test):
    return test['result'] in ('OK', 'SKIP', 'EXPECTEDFAIL')


def verdict(test):
    if good(test):
        return 'the program ended early'
    return '%s, exit status %s' % (test['result'].lower(), test['returncode'])


def main(paths):
    count = {'passed': 0, 'failed': 0, 'skipped': 0}
    for path in paths:
        for line in open(path, encoding='utf-8', errors='replace'):
            test = json.loads(line)
            broken = False
            for outcome, name, detail in cases(test):
                count[outcome] += 1
                broken |= outcome == 'failed'
                if outcome != 'passed':
                    print('%s: %s %s: %s' % (outcome, test['name'], name, detail))
            if broken:
                print((test.get('stdout', '') + test.get('stderr', ''))[-8000:])
    print('%(passed)d passed, %(failed)d failed, %(skipped)d skipped' % count)
    return count['failed'] > 0 or count['passed'] == 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
