from rocketry.args import argument


@argument()
def greeting():
    return "hello"
