"""Interventions: frozen values that say what is done to the model; the list of them, their code."""
