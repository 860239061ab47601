"""How the damage-mask net was made; the product never imports this."""
