"""XGBoost: the built-in algorithm's model when there is no script, else the script with XGBoost's own codecs."""

from clary.algorithms import tables
from clary.serving.server import script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded
from clary.serving.server.lean import hide

OPTIONAL = ("pandas", "sklearn", "pyarrow")


def load(config: Config) -> Loaded:
    program = config.program or "inference.py"
    module = script.load_module(config.code_dir, program)
    if module:
        from clary.serving.server.frameworks.xgboost_script import Defaults

        serve = script.build(module, Defaults(), config.model_dir, config.default_accept)
        return Loaded(serve, execution_parameters=script.execution_parameters(module))
    if config.program:
        raise FileNotFoundError(f"{program} is not in {config.code_dir}")
    if not config.register:
        tables.prepare()
    hide(*OPTIONAL)
    from clary.serving.server.frameworks import xgboost_algorithm

    return Loaded(xgboost_algorithm.serving(config))
