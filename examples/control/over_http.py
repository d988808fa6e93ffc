"""Control from another program, over HTTP, by the standard library alone.

    GET  /tasks                 all tasks, with status, whether enabled, and when next due
    GET  /tasks/NAME/explain    why it starts or does not
    POST /tasks/NAME/run        with its parameters as a JSON object
    POST /tasks/NAME/disable    and /enable
    POST /shut_down

It listens on this machine only and asks nobody who they are: put what checks that in front of it.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from oncue import App
from oncue.exc import OncueError

app = App()


@app.task("every 1 hour & env 'production'")
def greet(name="world"):
    print("hello", name, flush=True)


def answer(method, path, given):
    """What a request is answered: plain values for JSON."""
    match method, [unquote(part) for part in path.strip("/").split("/")]:
        case "GET", ["tasks"]:
            return [shown(task) for task in app.session]
        case "GET", ["tasks", name, "explain"]:
            return app.explain(name).to_dict()
        case "POST", ["tasks", name, "run"]:
            app.session[name].run(**given)
        case "POST", ["tasks", name, "disable" | "enable" as verb]:
            app.session[name].enabled = verb == "enable"
        case "POST", ["shut_down"]:
            app.shut_down()
        case _:
            raise KeyError(f"there is no {method} {path}")
    return {"done": True}


def shown(task):
    return {
        "name": task.name,
        "condition": str(task.start_cond),
        "enabled": task.enabled,
        "running": task.is_running,
        "status": task.status,
        "next_due": task.next_due and task.next_due.isoformat(),
    }


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds, for what a client does not send

    def do_GET(self):
        self.reply({})

    def do_POST(self):
        self.reply(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def reply(self, body):
        try:
            given = json.loads(body) if body else {}
            status, found = 200, answer(self.command, self.path, given)
        except KeyError as error:
            status, found = 404, {"error": str(error.args[0])}
        except (ValueError, TypeError, OncueError) as error:
            status, found = 409, {"error": str(error)}
        data = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *parts): ...


@app.session.hook_startup()
def listen():
    yield  # until the app has started
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)  # a port that is free
    server.daemon_threads = False  # the last answer is waited for
    app.params(server=server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)


@app.session.hook_shutdown()
def close():
    server = app.session.parameters["server"]
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    app.run()
