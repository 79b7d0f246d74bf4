"""`python -m tests.conformance.record`: run the suite and write its results into the ledger."""

from __future__ import annotations

import sys

from tests.conformance import ledger
from tests.conformance.outcomes import judge
from tests.conformance.package import UnavailableError, suite_folder
from tests.conformance.suite import run


def main() -> int:
    try:
        suite = suite_folder()
    except UnavailableError as error:
        print(f"not recorded: {error}", file=sys.stderr)
        return 1
    before = ledger.parse(ledger.LEDGER.read_text()) if ledger.LEDGER.exists() else {}
    outcomes = judge(run(suite))
    after = ledger.recorded(before, outcomes)
    ledger.LEDGER.write_text(ledger.render(after))
    for line in ledger.differences(before, outcomes).values():
        print(line)
    print(ledger.summary(after))
    unexplained = [test_id for test_id, line in after.items() if line.lacks_reason]
    if unexplained:
        print(f"without a reason: {' '.join(unexplained)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
