"""Hypothesis looks for new examples on a developer's machine; in CI it repeats the same ones.

A run in CI answers for one change, and must not fail by an example that nobody has looked at yet.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
