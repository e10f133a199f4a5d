"""Scenario test suites: labelled data, metrics and expectations."""
