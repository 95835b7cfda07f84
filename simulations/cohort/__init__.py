"""Virtual people: bodies, movements, muscles and worn sensors that agree with one another."""
