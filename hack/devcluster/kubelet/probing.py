"""Is a server ready? `GET /health` answers 200."""

import asyncio
import contextlib

PROBE_TIMEOUT_SECONDS = 1.0
_OK = b" 200 "


async def probe_health(ip: str, port: int) -> bool:
    """Ask once, on a connection of its own: cheaper than a client with a pool for one line of interest."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(ip, port)
            try:
                request = f"GET /health HTTP/1.1\r\nHost: {ip}:{port}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                return _OK in await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
