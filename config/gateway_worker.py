"""The gateway's worker: gunicorn's life of a process around the gateway's own server, on uvloop."""

from __future__ import annotations

import asyncio
import os
import signal
from socket import AF_UNIX
from typing import Any

import uvloop
from gunicorn.workers.base import Worker

from gateway.server import TICK, Server


class GatewayWorker(Worker):
    """Accepts on the sockets that gunicorn opened, and tells gunicorn every second that it is alive."""

    def init_signals(self) -> None:
        # The event loop takes them (see _serve); what gunicorn's master handles for itself is not this process's.
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGABRT, self.handle_abort)

    def run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGUSR1, self.log.reopen_files)
        loop.add_signal_handler(signal.SIGWINCH, lambda: None)
        gateway = self.wsgi
        await gateway.start()
        server = Server(gateway, idle=self.cfg.keepalive)
        listeners = [await self._listen(loop, sock, server) for sock in self.sockets]
        while not self._ending.is_set() and os.getppid() == self.ppid:
            self.notify()
            server.tick()
            try:
                await asyncio.wait_for(self._ending.wait(), TICK)
            except TimeoutError:
                continue
        for listener in listeners:
            listener.close()
        # gunicorn waits for graceful_timeout and then kills.
        patience = self.cfg.graceful_timeout / 2
        await server.stop(patience)
        await gateway.stop(patience)

    async def _listen(self, loop: asyncio.AbstractEventLoop, sock: Any, server: Server) -> asyncio.Server:
        opened, backlog = sock.sock, self.cfg.backlog
        if opened.family == AF_UNIX:
            return await loop.create_unix_server(server, sock=opened, backlog=backlog)
        return await loop.create_server(server, sock=opened, backlog=backlog)
