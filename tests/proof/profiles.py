"""How much of the proofs is run: the profiles of Hypothesis, and what else goes by them.

``ci`` is what runs without a profile: always the same examples, so that a failure is due to the
change at hand and is found again by running again. ``dev`` takes the same ones and shrinks what
fails, which takes minutes. ``long`` draws many more, other ones each time, says how to repeat a
failure, and adds the tests that are marked ``long``. Without a profile those that are marked
``crowded`` are left out: a run of all tests has minutes to do without them.
"""

from __future__ import annotations

from typing import Final, TypeVar

from hypothesis import Phase, settings

T = TypeVar("T")

CI: Final = "ci"
DEV: Final = "dev"
LONG: Final = "long"


def register_profiles() -> None:
    """Make them known to ``--hypothesis-profile``."""
    settings.register_profile(
        CI,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.generate],
        report_multiple_bugs=False,
    )
    settings.register_profile(
        DEV, deadline=None, derandomize=True, database=None, report_multiple_bugs=False
    )
    settings.register_profile(LONG, deadline=None, print_blob=True, report_multiple_bugs=False)


def profile_in_use() -> settings:
    """Return the profile that the run was given, or ``ci``."""
    name = settings.get_current_profile_name()
    return settings.get_profile(name if name in {DEV, LONG} else CI)


def is_proof_run() -> bool:
    """Tell whether the run was given a profile, and so is about the proofs."""
    return settings.get_current_profile_name() in {CI, DEV, LONG}


def is_long_run() -> bool:
    return settings.get_current_profile_name() == LONG


def amount(*, ci: T, long: T) -> T:
    """Return how much of something is to be done."""
    return long if is_long_run() else ci
