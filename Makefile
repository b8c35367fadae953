# Every target is a task of tasks.py, which says what it does: make help.
#
#   make demo   set everything up and open the example notebooks in JupyterLab
#   make test   set everything up and run every test
#
# Another Python: make demo PYTHON=python3.12. Arguments for a task: make unit ARGS="-k attention".

PYTHON ?= python3
TASKS := demo test test-all docs bench lint format js watch unit clean

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help $(TASKS)

help:
	@$(PYTHON) tasks.py

$(TASKS):
	@$(PYTHON) tasks.py $@ $(ARGS)
