"""The rule builder's model: JSON-logic as groups and rows that a form can show, edited without losing a character."""
