"""Everything that is wrong with a results folder, and the mending of what can be mended. No torch."""

from dataclasses import dataclass

from engine.doctor import folder, jobs
from engine.doctor.finding import Check, Finding
from engine.errors import RequestError, WorkError
from engine.storage.store import Store

# What stands in the way of others comes first: a worker is started in a folder whose links are gone.
QUICK: tuple[Check, ...] = (
    folder.check_writable,
    folder.check_disk,
    folder.check_links,
    jobs.check_readable,
    folder.check_devices,
    folder.check_leftovers,
    folder.check_worker,
)
THOROUGH: tuple[Check, ...] = (
    folder.check_writable,
    folder.check_sharing,
    folder.check_disk,
    folder.check_links,
    jobs.check_odd_files,
    jobs.check_damage,
    folder.check_devices,
    folder.check_leftovers,
    folder.check_index,
    folder.check_worker,
)


@dataclass(frozen=True)
class Outcome:
    """What came of mending a finding: None where it was mended, else why it was not."""

    finding: Finding
    refusal: str | None


def examine(store: Store, checks: tuple[Check, ...] = THOROUGH) -> list[Finding]:
    """What is wrong. A check that cannot be made says why, and hides none of the others."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(store)
        except (RequestError, WorkError, OSError) as error:
            findings.append(Finding("permission", str(store.root), str(error)))
    return findings


def fix(store: Store) -> list[Outcome]:
    """Mends what can be, check by check, as one thing that is wrong may hide another."""
    return [Outcome(finding, _mend(finding)) for check in THOROUGH for finding in examine(store, (check,))]


def _mend(finding: Finding) -> str | None:
    if finding.fix is None:
        return "it cannot be mended by itself"
    try:
        finding.fix()
    except (RequestError, WorkError, OSError) as error:
        return str(error)
    return None
