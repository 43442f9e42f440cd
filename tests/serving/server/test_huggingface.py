"""HuggingFace's contract with a tiny model that was never trained, in the real environment."""

import json
import subprocess

import pytest
from tests.serving.artefacts import python
from tests.serving.server.conftest import ModelServer, Start

MAKE = """
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from tokenizers import Tokenizer, models, pre_tokenizers
words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "good", "bad", "film"])}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained("model")
config = BertConfig(vocab_size=5, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
                    max_position_embeddings=16, id2label={0: "down", 1: "up"}, label2id={"down": 0, "up": 1})
BertForSequenceClassification(config).save_pretrained("model")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("hub")
    subprocess.run([python("huggingface"), "-c", MAKE], cwd=folder, check=True, capture_output=True)
    return {file.name: file.read_bytes() for file in (folder / "model").iterdir()}


@pytest.fixture(scope="module")
def serving(start: Start, model: dict[str, bytes]) -> ModelServer:
    """Its task is read from the architecture."""
    return start("huggingface", model)


def ask(server: ModelServer, body: object) -> object:
    reply = server.call(json.dumps(body).encode(), "application/json")
    return json.loads(reply.body)


def test_inputs_and_parameters(serving: ModelServer) -> None:
    found = ask(serving, {"inputs": "good film"})
    assert isinstance(found, list) and found[0].keys() == {"label", "score"}
    assert ask(serving, {"inputs": ["good film", "bad film"]}) == [*found, *_list(ask(serving, {"inputs": "bad film"}))]
    every = ask(serving, {"inputs": "good film", "parameters": {"top_k": None}})
    assert {each["label"] for each in _list(every)} == {"up", "down"}


def _list(found: object) -> list[dict[str, float]]:
    assert isinstance(found, list)
    return found


def test_csv_both_ways(serving: ModelServer) -> None:
    status, kind, body = serving.said(b"inputs\ngood film\nbad film\n", "text/csv", "text/csv")
    lines = body.decode().splitlines()
    assert (status, kind, lines[0], len(lines)) == (200, "text/csv", "label,score", 3)


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"good film\n", "text/csv", 400, "correct CSV with Header columns"),
        (b"{", "application/json", 400, "Expecting property name"),
        (b"x", "application/x-unknown", 415, "is not supported"),
        (b'{"inputs": 5}', "application/json", 400, ""),
    ],
)
def test_refusals(serving: ModelServer, body: bytes, kind: str, status: int, words: str) -> None:
    reply = serving.call(body, kind)
    told = json.loads(reply.body)
    assert (reply.status, told["code"], words in told["message"]) == (status, status, True)
