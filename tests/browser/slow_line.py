"""A line of so many Mbit/s with so much delay, between a page and a server on this machine: a proxy that holds back."""

import asyncio
import contextlib
import threading


@contextlib.contextmanager
def slow_line(port: int, mbit: float = 5.0, delay: float = 0.15):
    """Yields the port to connect to in place of `port`; each way has its own `mbit` Mbit/s and `delay` seconds."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), []

    async def serve():
        lines = [_Line(mbit * 125_000, delay) for _ in range(2)]  # shared by all connections, as a real line is

        async def connect(reader, writer):
            there, back = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(lines[0].carry(reader, back), lines[1].carry(there, writer))

        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        found.append(server.sockets[0].getsockname()[1])
        ready.set()
        async with server:
            await server.serve_forever()

    def run():
        asyncio.set_event_loop(loop)
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        left = asyncio.all_tasks(loop)
        for each in left:
            each.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    task = loop.create_task(serve())
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(5)


class _Line:
    def __init__(self, rate: float, delay: float):
        self.rate, self.delay, self.free = rate, delay, 0.0

    async def carry(self, reader, writer) -> None:
        """Hand on what comes, each piece when the line has carried all before it, `delay` later."""
        loop, under_way = asyncio.get_running_loop(), asyncio.Queue()

        async def deliver():
            with contextlib.suppress(ConnectionError):
                while (item := await under_way.get()) is not None:
                    due, data = item
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    writer.write(data)
                    await writer.drain()
            writer.close()

        delivery = loop.create_task(deliver())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(8192):
                self.free = max(self.free, loop.time()) + len(data) / self.rate
                under_way.put_nowait((self.free + self.delay, data))
        under_way.put_nowait(None)
        await delivery
