"""What comes next when a machine is full: more of what is stated, one large machine, several."""

from groundplan.constraints import Answers
from groundplan.decision.work import MACHINE
from groundplan.plan.capacity import factors
from groundplan.units import show_size


def beyond_cores(answers: Answers, several: str) -> str:
    """More cores than are stated, up to one large machine; then what takes several."""
    cores = answers.policy.cores
    if cores is None or cores >= MACHINE:
        return _allowed(answers, several)
    return f"more cores than {cores} (policy.cores), up to {MACHINE}; then {several}"


def beyond_memory(answers: Answers, several: str) -> str:
    """More memory than is stated, up to one large machine; then what takes several."""
    memory = answers.policy.memory
    if memory is None or memory >= factors.LARGE:
        return _allowed(answers, several)
    return (
        f"more memory than {show_size(memory)} (policy.memory), up to "
        f"{show_size(factors.LARGE)}; then {several}"
    )


def elsewhere(answers: Answers) -> str:
    """What writes answers when the cores do not."""
    if answers.policy.external_api == "none":
        return "accelerators; policy.external_api = none rules a hosted model out"
    return "accelerators, or a hosted model where policy.external_api allows it"


def _allowed(answers: Answers, several: str) -> str:
    """What takes several hosts, and that the answers state fewer."""
    hosts = answers.policy.hosts
    if hosts is None or "hosts" not in several:
        return several
    return f"{several} (policy.hosts = {hosts} would have to grow)"
