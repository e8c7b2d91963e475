"""The worker put together: one process that serves the fleet's queue and its machine's own."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from secrets import randbelow

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from activities.allocation import AllocationActivities, Plan
from activities.chain import ChainActivities
from activities.leftovers import LeftOvers
from activities.pieces import DealActivities, PieceActivities
from activities.proving import ProvingActivities
from activities.reporting import ReportingActivities
from activities.snapup import SnapUpActivities
from activities.stages import Stages
from activities.statefile import StateFiles
from activities.step import StepInterceptor
from activities.storage import ConfirmationActivities, StorageActivities
from sealing.cache import cache_dir
from sealing.config import Config, HotFiles
from sealing.jsonrpc.server import JsonRpcServer, application
from sealing.manager.client import Manager
from sealing.manager.worker import PATH
from sealing.pieces.download import PieceStore
from sealing.pieces.fetch import PieceSources
from sealing.processors.admission import Admission, Running
from sealing.processors.folder import JobFolder
from sealing.processors.job import running_jobs
from sealing.processors.streams import streaming
from sealing.sector import ThreadInput, thread_id
from sealing.stores.mounts import Mounts
from sealing.stores.static import StaticTrees
from sealing.tokens import TokenError
from workers.alone import alone
from workers.beside import beside
from workers.connection import StartError, connect, ensure_attributes, ensure_legible
from workers.elsewhere import ensure_only_machine, ensure_still_only_machine
from workers.encryption.codec import tolerant
from workers.keeping import noting_layers
from workers.measuring.endpoint import measured
from workers.measuring.sdk import SdkMetrics
from workers.pool import HEARTBEAT_THROTTLE, guests_of, parcels_of, pool
from workers.presence.callers import callers
from workers.presence.ping import ping_for_ever
from workers.presence.service import WorkerService
from workers.programs import Programs
from workers.runner import WORKFLOWS, runner
from workers.threads import file_threads
from workers.tracing import traced
from workflows.thread import SealingThread

log = logging.getLogger(__name__)

STICKY = timedelta(seconds=5)
"""How long a workflow's task waits for the worker that has the workflow in memory, if that was killed. The SDKs for Go
and Java wait as long; this one's own 10 s are 5 s more in which a sector stands still after each kill."""
MACHINE_SLOTS = 500
"""Activities of this machine at once: plenty, for admission decides who runs."""


async def run_worker(config: Config, stop: asyncio.Event, patience: float = 30.0) -> None:
    """Serve until ``stop`` is set, then drain: activities let go of their jobs, which run on.

    ``patience`` is how many seconds Temporal may be away at the start. Raises StartError.
    """
    with alone(config):
        await _work(config, stop, patience)


async def _work(config: Config, stop: asyncio.Event, patience: float) -> None:
    sdk = SdkMetrics() if config.metrics.enable else None
    client = await connect(config.temporal, patience, sdk.runtime if sdk else None)
    await ensure_attributes(client)
    await ensure_legible(client, config.temporal.task_queue)
    if config.sector_manager is not None:
        await ensure_only_machine(client, config.worker.name, stop)
    async with file_threads(), serving(config, client, sdk):
        await start_threads(config, client)
        _keep_modules()
        log.info("worker %s serves queues %s", config.worker.name, ", ".join(queues_of(config)))
        if config.sector_manager is not None:
            await ensure_still_only_machine(client, config.worker.name, stop)
        await stop.wait()
        log.info("draining: running computations go on without this worker")


def _keep_modules() -> None:
    """Have the garbage collector pass over what the start has made and what stays: else each full look takes 50 ms."""
    gc.collect()
    gc.freeze()


def queues_of(config: Config) -> list[str]:
    """Return the queues that a worker serves: the fleet's and its machine's, and those that it shares."""
    own = [] if config.sector_manager is None else [config.temporal.task_queue, config.worker.name]
    return [*own, *(config.temporal.shared_queue(stage) for stage in config.serves)]


@asynccontextmanager
async def serving(config: Config, client: Client, sdk: SdkMetrics | None = None) -> AsyncIterator[Admission]:
    """Run the fleet's worker, the machine's worker, and those of the shared queues: of these, what the file is for.

    Gives the machine's admission. ``sdk`` is what measures the client.
    """
    admission = Admission(config.processors.limits())
    programs, guests = Programs(config.processors), guests_of(config)
    limits = {str(stage): limit.total_seconds() for stage, limit in config.processors.time_limit.items()}
    mounts = Mounts.remember(folders_of(config))
    stages = Stages(programs.of, admission, limits, mounts)
    admission.adopt(found_running(config, programs))
    admission.adopt(_as_found(files, programs) for files in guests.running())
    async with (
        AsyncExitStack() as stack,
        measured(config, client, admission, mounts, sdk),
        streaming(cache_dir() / "processors" / config.worker.name),
        noting_layers(thread.location for thread in config.sealing_thread),
    ):
        around = StepInterceptor(await stack.enter_async_context(traced(config.worker.name)))
        await stack.enter_async_context(pool(config, client, stages, programs, guests, around=around))
        if config.sector_manager is not None:
            await stack.enter_async_context(sealing(config, client, stages, programs, around))
        yield admission


@asynccontextmanager
async def sealing(
    config: Config, client: Client, stages: Stages, programs: Programs, around: StepInterceptor
) -> AsyncIterator[None]:
    """Run what the sectors of this machine need, which a machine without a manager does not."""
    async with (
        Manager(config.manager.rpc_client.addr, headers=config.manager.headers()) as manager,
        fleet_worker(client, config.temporal.task_queue, manager, around),
        machine_worker(config, client, manager, stages, programs, around=around),
        present(config, client, manager),
    ):
        yield


@asynccontextmanager
async def present(config: Config, client: Client, manager: Manager) -> AsyncIterator[None]:
    """Serve the worker's own JSON-RPC and give signs of life. Raises StartError where port or token do not do."""
    where = config.worker.rpc_server
    async with AsyncExitStack() as stack:
        try:
            service = application(WorkerService(config, client).handlers(), PATH, await callers(config))
            server = await stack.enter_async_context(JsonRpcServer(service, where.host, where.port))
        except (OSError, TokenError) as error:
            raise StartError(f"[worker.rpc_server]: {error}") from error
        log.info("worker %s takes its operators' calls at %s", config.worker.name, server.address)
        async with beside(ping_for_ever(config, client, manager, server.port), "signs of life have ended"):
            yield


def fleet_worker(client: Client, task_queue: str, manager: Manager, around: StepInterceptor) -> Worker:
    """Return the worker for workflows and manager calls, which any machine of the fleet may serve."""
    chain, reporting = ChainActivities(manager), ReportingActivities(manager)
    return Worker(
        tolerant(client),
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[
            DealActivities(manager).acquire_deals,
            chain.assign_ticket,
            chain.submit_precommit,
            chain.check_precommit,
            chain.precommit_on_chain,
            chain.wait_seed,
            chain.submit_proof,
            chain.check_proof,
            chain.submit_snapup_proof,
            ConfirmationActivities(manager).submit_persisted,
            reporting.report_state,
            reporting.await_finalized,
            reporting.report_end,
        ],
        interceptors=[around],
        workflow_runner=runner(),
        sticky_queue_schedule_to_start_timeout=STICKY,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
    )


def machine_worker(  # noqa: PLR0913 - what a machine has
    config: Config, client: Client, manager: Manager, stages: Stages, programs: Programs, *, around: StepInterceptor
) -> Worker:
    """Return the worker for all that needs this machine's files."""
    parcels = parcels_of(config)
    known = config.stores()
    stores = {store.name: store.location for store in known if not store.readonly}
    weighted = config.attached_selection.enable_space_weighted
    attached = {store.name: store.location for store in known}
    proving, snapup, storage, pieces = (
        ProvingActivities(stages, programs.parameters_ready, parcels),
        SnapUpActivities(stages, attached, programs.update_parameters_ready, parcels),
        StorageActivities(manager, stages, stores, randbelow if weighted else None, parcels),
        PieceActivities(stages, sources_of(config), StaticTrees(config.processors.static_tree_d)),
    )
    left_overs = LeftOvers(client, manager, storage.stop, storage.remove, config.policy.terminated_grace)
    allocation = AllocationActivities(client, manager, partial(plan_of, config, HotFiles()), left_overs, stages.mounts)
    return Worker(
        client,
        task_queue=config.worker.name,
        activities=[
            allocation.allocate,
            allocation.await_sector,
            pieces.add_piece,
            pieces.build_tree_d,
            proving.pc1,
            proving.pc2,
            proving.synthetic_porep,
            proving.c1,
            proving.c2,
            proving.pack_c1,
            proving.check_replica,
            proving.stop_jobs,
            snapup.snap_encode,
            snapup.snap_prove,
            snapup.pack_vanilla,
            storage.persist,
            storage.clean_up,
        ],
        interceptors=[around, StateFiles(stages)],
        max_concurrent_activities=MACHINE_SLOTS,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
    )


def folders_of(config: Config) -> list[Path]:
    """Return the folders that may be on disks of their own: locations and stores."""
    return [*(thread.location for thread in config.sealing_thread), *(store.location for store in config.stores())]


def sources_of(config: Config) -> PieceSources:
    """Return where the data of pieces comes from."""
    manager = config.manager
    return PieceSources(config.worker.local_pieces_dirs, PieceStore(manager.url, manager.pieces_token()))


def found_running(config: Config, programs: Programs) -> list[Running]:
    """Return the jobs that run on from before this worker started."""
    roots = [thread.location / "data" / "jobs" for thread in config.sealing_thread]
    return [_as_found(files, programs) for root in roots for files in running_jobs(root)]


def _as_found(files: JobFolder, programs: Programs) -> Running:
    """Return a running job with the processor that it was given, or, where the file names that no more, another."""
    stage, record = files.path.name, files.record()
    known = {each.name: each for each in programs.of(stage)}
    name, started = (record.processor, record.started) if record else ("", time.time())
    return Running(stage, files.path, known.get(name, next(iter(known.values()))), started)


def plan_of(config: Config, files: HotFiles, location: str) -> Plan:
    """Return what the configuration says about the thread of ``location``, and its hot configuration there over it."""
    index = [str(thread.location) for thread in config.sealing_thread].index(location)
    hot, note = files.of(Path(location))
    config = config.heated(index, hot)
    sealing = config.sealing_of(index)
    return Plan(
        flow=config.sealing_thread[index].plan,
        settings=config.thread_settings(index),
        seal_interval=sealing.seal_interval,
        allowed_miners=sealing.allowed_miners,
        allowed_proof_types=sealing.allowed_proof_types,
        note=note,
    )


async def start_threads(config: Config, client: Client) -> Mapping[str, str]:
    """Start the workflow of each thread that does not run yet. Returns their ids by location."""
    started = {}
    for index, thread in enumerate(config.sealing_thread):
        given = ThreadInput(
            worker=config.worker.name,
            location=str(thread.location),
            index=index,
            heartbeat_timeout=config.temporal.heartbeat_timeout,
        )
        started[given.location] = thread_id(config.worker.name, thread.location)
        await client.start_workflow(
            SealingThread.run,
            given,
            id=started[given.location],
            task_queue=config.temporal.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"thread {index} of {config.worker.name}: {thread.location}",
        )
    return started
