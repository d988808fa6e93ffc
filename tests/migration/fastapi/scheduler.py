from rocketry import Rocketry

app = Rocketry(execution="async")


@app.task("every 100 ms")
async def do_things(times=1):
    print("things", times)


@app.task()
async def by_hand(x):
    print("by hand", x)

# differs: 6 keeps its rhythm
