from rocketry.conds import condition


@condition()
def awake():
    return True
