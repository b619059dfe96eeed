"""albacore against HAProxy under load: what `fixed`, `fixed-tls` and `handshakes` share."""

from .. import rounds, servers
from ..context import Context
from ..failure import Broken
from ..load import Load
from ..report import Section, load_table, ratio_verdict
from ..rounds import Candidate, Run
from ..servers import Work

ALBACORE = "albacore"
HAPROXY = "HAProxy"
WITHOUT_LOG = "HAProxy, no log"


def against_haproxy(context: Context, work: Work, load: Load, limit: float) -> Section:
    """`limit` is the budget for the ratio to the HAProxy that logs, because albacore logs too."""
    candidates = [
        Candidate(ALBACORE, lambda: servers.albacore(context, work)),
        Candidate(HAPROXY, lambda: servers.haproxy(context, work, log=True)),
        Candidate(WITHOUT_LOG, lambda: servers.haproxy(context, work, log=False)),
    ]
    runs = rounds.interleaved(candidates, context.rounds, lambda candidate: rounds.under_load(context, candidate, load))
    ratio = rounds.ratios(runs, ALBACORE, HAPROXY, lambda run: run.cpu_us_per_request)
    without_log = rounds.ratios(runs, ALBACORE, WITHOUT_LOG, lambda run: run.cpu_us_per_request)
    return Section(
        verdicts=[ratio_verdict(f"CPU per {load.unit}, albacore / HAProxy", ratio, limit)],
        table=load_table(runs, HAPROXY, load.unit),
        notes=[f"albacore / HAProxy without any log: {without_log.text()}", *negotiated(runs)],
        commands=[*(runs[name][0].commands[0] for name in (ALBACORE, HAPROXY)), runs[ALBACORE][0].commands[1]],
    )


def negotiated(runs: dict[str, list[Run]]) -> list[str]:
    """The one TLS parameter set that all candidates used in all rounds."""
    found = {run.tls for of_name in runs.values() for run in of_name}
    if len(found) != 1:
        raise Broken(f"the candidates negotiate differently: {found}")
    return [f"negotiated by each: {tls}" for tls in found if tls]
