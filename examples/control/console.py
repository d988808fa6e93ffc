"""Control from a user interface: commands from standard input, read in a thread of their own.

list | run TASK [NAME=VALUE]... | disable TASK | enable TASK | why TASK | quit
"""

import threading

from oncue import App
from oncue.exc import OncueError

app = App()


@app.task("every 1 hour & env 'production'")
def greet(name="world"):
    print("hello", name, flush=True)


def obey(line):
    """What one command answers. The session may be asked from any thread."""
    match line.split():
        case ["list"]:
            return "\n".join(
                f"{task.name}: {task.status or 'never ran'}{'' if task.enabled else ', disabled'}"
                for task in app.session
            )
        case ["run", name, *given]:
            app.session[name].run(**dict(part.split("=", 1) for part in given))
            return f"{name} is asked to run"
        case ["disable" | "enable" as verb, name]:
            app.session[name].enabled = verb == "enable"
            return f"{name} is {verb}d"
        case ["why", name]:
            return str(app.explain(name))
        case ["quit"]:
            raise EOFError
    return "list, run, disable, enable, why or quit"


def read_commands():
    while True:
        try:
            answer = obey(input())
        except EOFError:
            return app.shut_down()
        except (KeyError, ValueError, OncueError) as error:
            answer = f"error: {error.args[0]}"
        print(answer, flush=True)


@app.setup()
def open_console():
    yield  # until the app has started
    threading.Thread(target=read_commands, daemon=True).start()


if __name__ == "__main__":
    app.run()
