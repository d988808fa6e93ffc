"""Step 5: a log that outlives the program."""

from oncue import App

END = "task 'report' has succeeded today & scheduler has run over 1 second"
app = App("jobs.db", shut_cond=END)


@app.task("daily")
def report():
    print("the report of today")


if __name__ == "__main__":
    app.run()
    runs = app.session.get_repo().filter_by(task_name="report", action="success")
    print("reports so far:", runs.count())
