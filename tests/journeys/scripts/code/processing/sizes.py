def test_rows(total: int, share: float) -> int:
    return int(total * share)
