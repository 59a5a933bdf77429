"""The commands, a file for each few that belong together. Each checks what it was asked and calls a suite or results.

Whatever a command needs beyond click it imports when it is called, so that it starts quickly and another's missing
package is no concern of it.
"""

from focalbench_suite.commands.check import check, scan
from focalbench_suite.commands.compare import calibrate, compare_command
from focalbench_suite.commands.data import data_command
from focalbench_suite.commands.history import history_command, upgrade_command
from focalbench_suite.commands.report import baseline, report_command, trend_command
from focalbench_suite.commands.run import list_command, main
from focalbench_suite.commands.site import finding_command, site_command

for command in (
    *(baseline, calibrate, check, compare_command, data_command, finding_command, history_command, list_command),
    *(report_command, scan, site_command, trend_command, upgrade_command),
):
    main.add_command(command)
