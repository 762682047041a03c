"""TechOne: exchange rates and the credit of debtors."""
