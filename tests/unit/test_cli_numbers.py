"""What a command line may give as a number."""

import pytest
from click.testing import CliRunner

from npubench.cli.run import run


@pytest.mark.parametrize("option", ["--wait", "--deadline", "--min-duration"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
def test_what_no_clock_reaches_is_no_number_of_seconds(option, value):
    done = CliRunner().invoke(run, [option, value, "--dry-run"])
    assert done.exit_code == 2
    assert "not a number that can be reached" in done.output
