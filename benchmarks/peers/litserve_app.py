"""LitServe's application: `{"row": "1,2,…"}` in, `{"score": …}` out."""

import os
import sys

import litserve
import numpy as np
import xgboost


class Model(litserve.LitAPI):
    def setup(self, device):
        self.booster = xgboost.Booster(model_file=os.environ["BENCH_MODEL"])
        self.booster.set_param({"nthread": 1})

    def decode_request(self, request):
        return np.array([request["row"].split(",")], dtype=np.float32)

    def predict(self, rows):
        return self.booster.inplace_predict(rows)

    def encode_response(self, scores):
        return {"score": float(scores[0])}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu")
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False)
