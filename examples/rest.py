"""An app inside a web service: it lives as long as the service does, and is controlled over HTTP.

    uvicorn rest:api

GET /tasks · GET /tasks/NAME · POST /tasks/NAME/run?x=1 · POST /tasks/NAME/disable · …/enable
"""

import asyncio
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request

from oncue import App
from oncue.exc import OncueError

app = App()


@app.task("every 10 minutes")
async def refresh():
    """Keeps the cache warm."""


@app.task()  # only when somebody asks for it
async def report(x: str = "nothing"):
    """Writes a report."""
    return f"a report of {x}"


@asynccontextmanager
async def lifespan(api: FastAPI):
    serving = asyncio.create_task(app.serve())
    yield
    app.shut_down()
    await serving


api = FastAPI(lifespan=lifespan)


def shown(task):
    return {
        "name": task.name,
        "description": task.description,
        "condition": str(task.start_cond),
        "status": task.status,
        "running": task.is_running,
        "enabled": task.enabled,
        "next": task.next_due,
        "last_success": task.last_success,
        "returned": app.session.returns.get(task.name),
    }


def task_named(name: str):
    if name not in app:
        raise HTTPException(404, f"there is no task {name!r}")
    return app[name]


@api.get("/tasks")
async def tasks():
    return [shown(task) for task in app]


@api.get("/tasks/{name}")
async def explained(name: str):
    task = task_named(name)
    return {**shown(task), "why": task.explain().to_dict()}


@api.post("/tasks/{name}/run", status_code=202)
async def run(name: str, request: Request):
    try:
        task_named(name).run(**request.query_params)
    except OncueError as error:
        raise HTTPException(409, str(error)) from error


@api.post("/tasks/{name}/disable", status_code=204)
async def disable(name: str):
    task_named(name).enabled = False


@api.post("/tasks/{name}/enable", status_code=204)
async def enable(name: str):
    task_named(name).enabled = True
