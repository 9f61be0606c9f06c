"""What every store of published scores must pass: the embedded one is held to it, and any other.

Each check is a function of one argument, `make`, which opens a handle of the store that is being
checked. The store is empty when a check begins; every further call opens one more handle of the
same store, as another process would. A check that is not met raises `Unmet`, which says how.

    from groundplan.checks.scores import CHECKS

    @pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
    def test_conformance(check, tmp_path):
        check(lambda: MyScores(tmp_path))

A handle follows the pointer that another one moved within `PATIENCE` seconds, and the pointer that
it moved itself at once. Leave a check out only with a written reason beside it.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from groundplan.checks.scores import answers, handles, refusals, swaps, versions
from groundplan.checks.scores.handle import PATIENCE, Make, Unmet

Check: TypeAlias = Callable[[Make], None]

CHECKS: Final[Mapping[str, Check]] = {
    check.__name__: check
    for check in (
        answers.every_key_has_its_answer,
        answers.integer_keys_reach_the_ends,
        answers.text_keys_are_any_text,
        answers.a_key_that_was_not_scored_has_none,
        answers.scores_come_back_bit_for_bit,
        answers.reasons_are_named,
        answers.many_keys_come_in_their_order,
        answers.a_population_may_be_empty,
        versions.nothing_is_live_at_first,
        versions.a_version_is_invisible_until_it_is_live,
        versions.records_come_back_whole,
        versions.the_pointer_moves_back,
        versions.many_versions_stand_in_order,
        versions.an_unknown_version_cannot_be_live,
        versions.the_live_version_is_not_dropped,
        versions.a_version_is_loaded_again,
        refusals.a_key_that_stands_twice_is_refused,
        refusals.a_wrong_number_of_rows_is_refused,
        refusals.keys_of_another_type_are_refused,
        refusals.places_out_of_range_are_refused,
        refusals.a_damaged_part_leaves_nothing,
        handles.handles_follow_each_other,
        handles.a_dropped_version_serves_those_who_read_it,
        handles.closing_one_handle_leaves_the_others,
        handles.a_load_tells_how_far_it_is,
        swaps.readers_see_one_version_at_a_time,
        swaps.readers_outlive_retention,
    )
}
"""Every check by its name."""

__all__ = ["CHECKS", "PATIENCE", "Check", "Make", "Unmet"]
