"""Chance that can be repeated, and calls that may fail because of it."""

import os
import random


def chance() -> random.Random:
    """Drawn from `DUCKSYNC_CRASH_SEED`, or from a new seed; a failed test shows which."""
    seed = int(os.environ.get("DUCKSYNC_CRASH_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"DUCKSYNC_CRASH_SEED={seed}")
    return random.Random(seed)


def doomed(function, *arguments):
    """The answer of a call whose server may be lost meanwhile, or the error."""
    try:
        return function(*arguments)
    except Exception as error:
        return error
