"""How a run can fail, in the words AWS's toolkit writes to `/opt/ml/output/failure`.

ToolkitError
├── DistributionError          the launcher that was asked for is not to be had
├── ImportModuleError          nothing to run, or it is not where it was said to be
└── CommandFailed              a process ended with an error
    ├── InstallRequirementsError
    ├── InstallModuleError
    └── ExecuteUserScriptError
"""

KILLED = 137


class ToolkitError(Exception):
    """`str()` of it is the failure text. `exit_code` ends the toolkit: 1 says the user can mend it."""

    exit_code = 1


class ImportModuleError(ToolkitError):
    def __str__(self) -> str:
        return f"ImportModuleError: {super().__str__()}"


class DistributionError(ToolkitError):
    def __str__(self) -> str:
        return f"DistributionError: {super().__str__()}"


class CommandFailed(ToolkitError):
    """`message` is what the process said last on stderr; `code` its exit code, 128 + signal when killed."""

    def __init__(self, command: str, code: int, message: str = "") -> None:
        super().__init__(command)
        self.command, self.code, self.message = command, code, message

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}:", f"ExitCode {self.code}", f'ErrorMessage "{self.message}"']
        if self.code == KILLED:
            lines.append('ExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"')
        return "\n".join([*lines, f'Command "{self.command}"'])


class InstallRequirementsError(CommandFailed):
    pass


class InstallModuleError(CommandFailed):
    pass


class ExecuteUserScriptError(CommandFailed):
    pass
