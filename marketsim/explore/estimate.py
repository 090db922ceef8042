"""How many runs it would take if nothing were merged or cut: an estimate from a few random ones."""

import msgspec

from marketsim.explore.budget import allows, left_of
from marketsim.explore.faults import menus_of
from marketsim.explore.model import Bound, Case
from marketsim.explore.trial import Tried, try_script
from marketsim.saga.tape import Tape

__all__ = ["SAMPLES", "runs_without_reduction"]

SAMPLES = 50
"""How many random scripts are followed to their ends."""


def runs_without_reduction(case: Case, bound: Bound, samples: int = SAMPLES) -> int:
    """About how many runs there are within a bound; the same each time it is asked.

    Of a tree whose branches are counted on random ways down it (Knuth, Estimating the efficiency of
    backtrack programs, 1975). It is right on average, and may be off by half.
    """
    whole = msgspec.structs.replace(bound, reduction=False)
    menus, tape, total = menus_of(case, whole), Tape(0), 0
    for sample in range(samples):
        script, ways, depth = b"", 1, 0
        while ways:
            total += ways
            scripts = _scripts(whole, try_script(case, whole, menus, script, None))
            if not scripts:
                break
            ways *= len(scripts)
            script = scripts[tape.draw(f"{sample}/{depth}", len(scripts))]
            depth += 1
    return total // samples


def _scripts(bound: Bound, tried: Tried) -> list[bytes]:
    left = left_of(bound, tried.taken)
    return [
        tried.script + bytes(at) + bytes((value,))
        for at, kinds in enumerate(tried.kinds)
        for value, kind in enumerate(kinds)
        if value and allows(left, kind)
    ]
