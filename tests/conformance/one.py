"""`python -m tests.conformance.one TEST_ID...`: what the suite sees, asked of a fresh cache.

Prints every request and response as the suite's client and its origin saw them, then the verdict.
"""

from __future__ import annotations

import sys

from tests.conformance import ledger
from tests.conformance.outcomes import judge
from tests.conformance.package import UnavailableError, suite_folder
from tests.conformance.suite import run


def main(ids: list[str]) -> int:
    known = ledger.parse(ledger.LEDGER.read_text())
    strangers = [test_id for test_id in ids if test_id not in known]
    if strangers or not ids:
        print(f"usage: one TEST_ID...; not in the ledger: {' '.join(strangers) or '-'}")
        return 2
    try:
        suite = suite_folder()
    except UnavailableError as error:
        print(f"not run: {error}", file=sys.stderr)
        return 1
    for test_id in ids:  # one at a time: their transcripts would mingle
        for outcome in judge(run(suite, [test_id], log=sys.stdout)).values():
            was = known[test_id]
            print(f"==== {test_id} ({outcome.kind}): {outcome.result} {outcome.message}")
            print(f"     the ledger says {was.result} {was.why}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
