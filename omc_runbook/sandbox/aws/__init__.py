"""AWS services as moto has them, with what moto lacks or gets wrong corrected."""
