"""One model that scores a live request with fresh features.

`definition` is what a project's `system.py` says, `training` the offline flow from past events
to a build, `scoring` the online flow from a request to an answer, `service` its HTTP routes,
`opening` what happens between a build and its first request.
"""

from groundplan.patterns.realtime.opening import serve
from groundplan.patterns.realtime.training import build

__all__ = ["build", "serve"]
