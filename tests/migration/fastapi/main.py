"""The scheduler beside a server, on one loop. The server is a stand-in that calls each route."""

import asyncio

from api import ROUTES
from scheduler import app as app_rocketry


async def serve():
    while app_rocketry.session["do_things"].status != "success":
        await asyncio.sleep(0.01)
    await ROUTES["POST /disable"]("do_things")
    await ROUTES["POST /config"]({"timeout": "10 seconds"})
    await ROUTES["POST /run"]("by_hand", x=1)
    while app_rocketry.session["by_hand"].is_running:
        await asyncio.sleep(0.01)
    print(await ROUTES["GET /tasks"]())
    await ROUTES["POST /shut_down"]()


async def main():
    server = asyncio.create_task(serve())
    scheduler = asyncio.create_task(app_rocketry.serve())
    await asyncio.wait([server, scheduler])
    await server


if __name__ == "__main__":
    asyncio.run(main())

# prints: things 1
# prints: by hand 1
# prints: [('do_things', True, 'success'), ('by_hand', False, 'success')]
