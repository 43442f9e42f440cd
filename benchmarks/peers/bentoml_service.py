"""BentoML's service: rows of CSV as text in, the scores as text out."""

import bentoml
import scoring


@bentoml.service
class Model:
    def __init__(self) -> None:
        self.score = scoring.load()

    @bentoml.api
    def predict(self, rows: str, /) -> str:
        return "\n".join(map(str, self.score(rows).tolist()))
