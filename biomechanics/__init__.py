"""The body: anthropometry, inverse dynamics, muscles, joint angles from IMUs."""
