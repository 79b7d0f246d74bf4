"""The page of answers is of these rows."""

from __future__ import annotations

from tests.hostile.report import PAGE
from tests.hostile.rows_cache import DECEPTION, HOPS, KEYS, POISON
from tests.hostile.rows_faults import CLOCKS, FAULTS
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_loads import LOADS
from tests.hostile.rows_origin import CONTENT, MISBEHAVING, RANGES
from tests.hostile.rows_signed import SIGNED
from tests.hostile.rows_target import TARGETS
from tests.hostile.trials import TRIALS


def test_the_page_has_every_row_and_hides_no_failure() -> None:
    rows = [(row.id, row.wrong) for row in (*FRAMING, *PIPELINED, *CHUNKS, *TARGETS)]
    stories = (*HOPS, *POISON, *DECEPTION, *KEYS, *RANGES, *CONTENT, *MISBEHAVING, *SIGNED)
    rows += [(row.id, row.wrong) for row in stories]
    rows += [(row.id, row.wrong) for row in TRIALS]
    rows += [(row.id, "") for row in (*FAULTS, *LOADS)] + [(row.id, "") for row in CLOCKS]
    lines = [line for line in PAGE.read_text().splitlines() if line.endswith((" yes |", "no** |"))]
    assert sorted(id_ for id_, _ in rows) == sorted(line.split(" ")[1] for line in lines)
    known = sum(bool(wrong) for _, wrong in rows)
    assert sum("**no**" in line for line in lines) == known
