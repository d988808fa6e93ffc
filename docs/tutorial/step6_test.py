"""Step 6: a week of the app of step 2, in a test."""

from datetime import datetime, timedelta

from step2_windows import app

from oncue.testing import simulate

MONDAY = datetime(2026, 3, 23)


def test_the_cache_is_fresh_in_working_hours():
    week = simulate(app, MONDAY, timedelta(days=7))
    runs = week.of("refresh")
    assert len(runs) == 5 * 20  # five days, ten hours, twice an hour
    assert all(8 <= run.started.hour < 18 for run in runs)


def test_the_report_comes_once_a_day_also_when_the_clocks_change():
    week = simulate(app, MONDAY, timedelta(days=7))
    assert [run.started.hour for run in week.of("report")] == [18] * 7


def test_the_invoice_comes_with_the_last_friday():
    week = simulate(app, MONDAY, timedelta(days=7))
    (run,) = week.of("invoice")
    assert f"{run.started:%a %d %H:%M}" == "Fri 27 17:00"
