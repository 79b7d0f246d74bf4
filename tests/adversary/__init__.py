"""A program that looks for defects every day: `python -m tests.adversary --minutes N --seed S`."""
