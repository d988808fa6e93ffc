"""Routes that look at the scheduler and change it."""

from scheduler import app as app_rocketry

session = app_rocketry.session
ROUTES = {}


def route(path):
    return lambda function: ROUTES.setdefault(path, function)


@route("GET /tasks")
async def get_tasks():
    return [(task.name, task.disabled, str(task.status)) for task in session.tasks]


@route("POST /disable")
async def disable(name):
    task = session[name]
    task.disabled = True


@route("POST /run")
async def run_task(name, **params):
    session.get_task(name).run(**params)


@route("POST /config")
async def patch(values):
    for key, value in values.items():
        setattr(session.config, key, value)


@route("POST /shut_down")
async def shut_down():
    session.shutdown()

# differs: 26 of a disabled task is refused
