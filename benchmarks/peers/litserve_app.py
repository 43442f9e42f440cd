"""LitServe's application: `{"rows": "1,2,…"}` in, `{"scores": […]}` out."""

import sys

import litserve
import scoring


class Model(litserve.LitAPI):
    def setup(self, device):
        self.score = scoring.load()

    def decode_request(self, request):
        return request["rows"]

    def predict(self, rows):
        return self.score(rows)

    def encode_response(self, scores):
        return {"scores": scores.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu")
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False)
