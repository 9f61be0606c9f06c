"""What every online store must pass: the embedded one is held to it, and so is any other.

Each check is a function of one argument, `make`, which opens a handle of the store that is being
checked. The store is empty when a check begins; every further call opens one more handle of the
same store, as another process would. A check that is not met raises `Unmet`, which says how.

    from groundplan.checks.online_store import CHECKS

    @pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
    def test_conformance(check, tmp_path):
        check(lambda inputs: MyStore(tmp_path, inputs))

Leave a check out only with a written reason beside it.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from groundplan.checks.online_store import batches, identifiers, labels, life, windows, writers
from groundplan.checks.online_store.handle import Make, Unmet

Check: TypeAlias = Callable[[Make], None]

CHECKS: Final[Mapping[str, Check]] = {
    check.__name__: check
    for check in (
        windows.values_in_order,
        windows.values_out_of_order,
        windows.ties_never_count_for_each_other,
        windows.too_late_is_refused,
        windows.too_late_is_counted,
        windows.past_every_window_is_refused,
        windows.a_peek_changes_nothing,
        identifiers.a_repeat_counts_once,
        identifiers.an_identifier_names_one_event,
        identifiers.zero_has_one_sign,
        labels.labels_come_after,
        labels.labels_come_before,
        labels.labels_come_along,
        labels.an_unknown_label_is_refused,
        batches.a_batch_is_recorded_whole_or_not_at_all,
        batches.offsets_lie_beside_the_state,
        writers.handles_see_each_other,
        writers.concurrent_writers_lose_nothing,
        writers.concurrent_repeats_count_once,
        writers.concurrent_labels_are_all_kept,
        life.a_restart_keeps_everything,
        life.old_state_goes,
        life.stats_say_what_is_there,
        life.a_history_and_live_events_agree,
        life.a_history_goes_on_where_it_was_cut_off,
    )
}
"""Every check by its name."""

__all__ = ["CHECKS", "Check", "Make", "Unmet"]
