"""Step 2: how often, and when."""

from oncue import App

app = App(timezone="Europe/Dublin")


@app.task("every 30 minutes & time of day between 08:00 and 18:00 & on weekdays")
def refresh(): ...


@app.task("daily after 18:00")
def report(): ...


@app.task("monthly on last Fri 17:00")
def invoice(): ...


if __name__ == "__main__":
    app.run()
