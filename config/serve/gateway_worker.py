"""gunicorn's worker class of the gateway: runs the gateway's HTTP server on uvloop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from socket import AF_UNIX
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

import uvloop
from gunicorn.workers.base import Worker

from config.cpu_affinity import bind_to_cores, get_usable_cores
from config.serve import ready_signal
from gateway import database_history  # noqa: F401 - its memory must be mapped before gunicorn forks the workers
from gateway.error_log import ERROR, report
from gateway.http.connections import ConnectionRegistry, get_max_connections
from gateway.http.http_limits import DRAIN_SECONDS
from gateway.http.server import TICK_SECONDS, Listener, Server
from gateway.metrics import ROWS

if TYPE_CHECKING:
    from gateway.app import Gateway

READY_POLL_SECONDS = 0.2


class GatewayWorker(Worker):
    """Serve the sockets that gunicorn opened, and notify gunicorn every second."""

    row: int
    core_index: int
    _living: ClassVar[WeakSet[GatewayWorker]] = WeakSet()

    def __init__(self, *arguments: Any) -> None:
        """Reserve a row of the metrics. Runs in gunicorn's master, where workers that have ended are
        garbage-collected."""
        super().__init__(*arguments)
        used_rows = {worker.row for worker in self._living}
        self.row = next((row for row in range(ROWS) if row not in used_rows), ROWS - 1)
        core_indexes = [worker.core_index for worker in self._living]
        self.core_index = min(range(self.cfg.workers), key=core_indexes.count)
        self._living.add(self)

    def init_signals(self) -> None:
        # The event loop handles the worker's signals (_serve); those of gunicorn's master are reset.
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGABRT, self.handle_abort)

    def run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._stop_event = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._stop_event.set)
        loop.add_signal_handler(signal.SIGUSR1, self.log.reopen_files)
        loop.add_signal_handler(signal.SIGWINCH, lambda: None)
        self._bind_to_core()
        gateway = self.wsgi
        gateway.use_shared_row(self.row)
        await gateway.start(is_only_process=self.cfg.workers == 1)
        # Meanwhile the previous process takes the calls.
        while ready_signal.is_awaited() and not self._is_stopping() and not await gateway.is_ready():
            self.notify()
            await asyncio.sleep(READY_POLL_SECONDS)
        connections = ConnectionRegistry(get_max_connections())
        listeners = self._open_listeners(gateway, connections)
        servers = [listener.server for listener in listeners]
        ready_signal.announce_ready()
        await self._watch(gateway, servers, connections)
        for listener in listeners:
            await listener.close()
        # gunicorn kills the worker after graceful_timeout; both steps below must fit.
        timeout_seconds = self.cfg.graceful_timeout * 0.4
        await asyncio.gather(*(server.stop(timeout_seconds, drain_seconds=DRAIN_SECONDS) for server in servers))
        await gateway.stop(timeout_seconds)

    def _open_listeners(self, gateway: Gateway, connections: ConnectionRegistry) -> list[Listener]:
        """Listen on gunicorn's sockets, each with a server of its own."""
        listeners = []
        for listening in (each.sock for each in self.sockets):
            # The first worker that can answer opens it for all.
            listening.listen(self.cfg.backlog)
            local = listening.family == AF_UNIX
            application = gateway.get_application(None if local else listening.getsockname()[1])
            server = Server(
                application, report=report, idle_timeout_seconds=self.cfg.keepalive, all_connections=connections
            )
            listeners.append(Listener(server, listening))
        return listeners

    async def _watch(self, gateway: Gateway, servers: Sequence[Server], connections: ConnectionRegistry) -> None:
        """Notify gunicorn and tick the servers every TICK_SECONDS, until the worker stops or the gateway fails."""
        while not self._is_stopping():
            if (failure := gateway.failure) is not None:
                # Exit, so that gunicorn starts another worker.
                report(ERROR, "gateway.given_up", failure)
                return
            self.notify()
            for server in servers:
                server.tick()
            gateway.metrics.set_connections(len(connections), evicted=connections.evicted)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop_event.wait(), TICK_SECONDS)

    def _is_stopping(self) -> bool:
        return self._stop_event.is_set() or os.getppid() != self.ppid

    def _bind_to_core(self) -> None:
        """Bind the worker to a core of its own if there is one for each: otherwise the system sometimes runs two
        workers on one core while another is idle."""
        cores = get_usable_cores()
        if self.cfg.workers == len(cores):
            bind_to_cores(0, [cores[self.core_index]])
