"""All rows that are plays of their own."""

from __future__ import annotations

from tests.hostile.rows_addresses import ADDRESSES
from tests.hostile.rows_cancelled import CANCELLED
from tests.hostile.rows_exhaustion import EXHAUSTION
from tests.hostile.rows_floods import FLOODS
from tests.hostile.rows_http2 import HTTP2
from tests.hostile.rows_http2_origin import HTTP2_ORIGINS
from tests.hostile.rows_http3 import HTTP3
from tests.hostile.rows_shares import SHARES
from tests.hostile.rows_slow import SLOW
from tests.hostile.rows_storms import STORMS
from tests.hostile.trial import Trial

TRIALS: list[Trial] = [*EXHAUSTION, *SLOW, *SHARES, *STORMS, *FLOODS, *CANCELLED, *ADDRESSES]
TRIALS += [*HTTP2, *HTTP2_ORIGINS]
TRIALS += HTTP3
