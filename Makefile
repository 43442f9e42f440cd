# Everything a newcomer needs: `make demo` and `make test`. Each sets up .venv first.
PYTHON ?= python3
RUN := .venv/bin

.PHONY: demo test check bench clean FORCE

demo: .venv/ready
	$(RUN)/clary demo

test: check
	$(RUN)/python tests/run.py

check: .venv/ready
	$(RUN)/ruff format --check src tests benchmarks tools
	$(RUN)/ruff check src tests benchmarks tools
	$(RUN)/mypy
	$(RUN)/lint-imports

docs/coverage.md: .venv/ready FORCE
	$(RUN)/clary coverage --markdown > $@

# All measures, or those named: make bench MEASURES="invocations objects"
bench: .venv/ready
	$(RUN)/python -m benchmarks.run $(MEASURES)

.venv/ready: pyproject.toml uv.lock
	$(PYTHON) src/clary/cli/bootstrap.py
	touch $@

FORCE:

clean:
	rm -rf .venv .uv .cache
