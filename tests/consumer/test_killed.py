"""examples/mirror as a process that is killed by the system, over HTTP."""

import os
import sys
from asyncio import create_subprocess_exec
from pathlib import Path
from random import Random

import httpx
from aiohttp import web

from tests.consumer.directories import FEED_TOKEN, Directory, Provider
from tests.consumer.test_mirror import holds
from tests.running import ROOT

KILLS = 8


async def test_a_mirror_that_the_system_kills_in_the_middle_of_requests_equals_the_directory_at_the_end(
    tmp_path: Path,
) -> None:
    chance, directory, file = Random(9), Directory(), tmp_path / "directory.db"
    provider, left, process = Provider(directory, chance), 0, None
    application = web.Application()

    async def serve(request: web.Request) -> web.Response:
        nonlocal left
        asked = httpx.Request("GET", f"https://scim.example.com{request.path_qs}", headers=dict(request.headers))
        for _ in range(chance.randint(0, 15) if left > 0 else 0):
            await provider.change()
        answer = await directory.answer(asked)
        left -= 1
        if left == 0:
            assert process is not None
            process.kill()
        return web.Response(status=answer.status_code, body=answer.content, headers=dict(answer.headers))

    async def mirror(requests: int) -> int:
        nonlocal left, process
        left = requests
        process = await create_subprocess_exec(
            *(sys.executable, str(ROOT / "examples" / "mirror" / "mirror.py"), url, str(file), "--once"),
            env={**os.environ, "PYTHONPATH": str(ROOT), "SCIM_FEED_TOKEN": FEED_TOKEN},
        )
        return await process.wait()

    application.router.add_get("/feed/v1/{name}", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/feed/v1"
        for _ in range(60):
            await provider.change()
        deaths = [await mirror(chance.randint(1, 4)) for _ in range(KILLS)]
        assert await mirror(0) == 0
    finally:
        await runner.cleanup()
    assert deaths.count(-9) > KILLS / 2
    assert holds(file) == await directory.holds()
