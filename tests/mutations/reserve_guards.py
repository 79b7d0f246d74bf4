"""The guards of the reserve: what is in a bucket is judged before anybody is given it."""

from __future__ import annotations

from tests.mutations.guard import Guard

RESERVE = "tests/plays/test_reserve.py"
REFUSALS = "tests/plays/test_reserve_refusals.py"
ALONE = "tests/store/reserve/test_store.py"

RESERVE_GUARDS = (
    Guard(
        "what the log tells no more is not believed of the reserve",
        "store/reserve/store.py",
        "if mark == UNKNOWN or mark < self._world.marks.floor:",
        "if mark == UNKNOWN:",
        "test_what_the_log_tells_no_more_",
        RESERVE,
    ),
    Guard(
        "an object of the reserve is compared by its whole key",
        "store/reserve/store.py",
        "if record.key != key:",
        "if False:",
        "test_what_others_wrote_",
        ALONE,
    ),
    Guard(
        "a seal is looked at before anything else",
        "store/reserve/sealed_object.py",
        "if not hmac.compare_digest(made, data[HEAD_AT - SEAL_BYTES : HEAD_AT]):",
        "if False:",
        "test_what_others_wrote_",
        ALONE,
    ),
    Guard(
        "what could not be removed from the reserve is not believed",
        "store/reserve/store.py",
        "or record.requested_at <= removed_at",
        "or False",
        "test_what_could_not_be_removed_",
        REFUSALS,
    ),
    Guard(
        "what changed while the reserve was looked at is not given out",
        "store/reserve/store.py",
        "if entry is None or look.void:",
        "if entry is None:",
        "test_a_change_of_its_key_",
        ALONE,
    ),
)
