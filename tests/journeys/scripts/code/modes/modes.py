"""Each part of the data comes three times: as a file, and as a record of two passes over an augmented manifest."""

import os
import struct
from pathlib import Path

files = {path.read_bytes(): path.name for path in Path(os.environ["SM_CHANNEL_FAST"]).iterdir()}
orders = []
for number in range(2):
    content, found = Path(f"{os.environ['SM_CHANNEL_LISTED']}_{number}").read_bytes(), []
    while content:
        magic, size = struct.unpack_from("<II", content)
        assert magic == 0xCED7230A
        found.append(content[8 : 8 + size])
        content = content[8 + (size + 3) // 4 * 4 :]
    order = [files[part] for part in found[::2]]
    assert order == [f"{part.decode()}.csv.gz" for part in found[1::2]]
    orders.append(order)
assert sorted(orders[0]) == sorted(orders[1]) == sorted(files.values())
print("orders", *orders)
for name in ("tensors", "tensorboard"):
    Path("/opt/ml/output", name, "step-0").write_text("0")
